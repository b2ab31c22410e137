"""Wrong files: exit 78 with file, line and reason; on reload the old ones stay. Right ones: taken without cutting a tunnel."""
import pytest
from harness import *


def wrong(stile):
    r = subprocess.run([PROXY, "-c", stile.config], capture_output=True, text=True, timeout=20)
    return r.returncode, r.stderr


CASES = [  # file, what is written into it, line, words of the reason
    ("proxy.cfg", 'listen = ( { address = "127.0.0.1"; } );\n', 1, "address"),
    ("proxy.cfg", 'workers = 2;\nworkers = 3;\n', 2, "twice"),
    ("proxy.cfg", 'wrokers = 2;\n', 1, "workers"),
    ("proxy.cfg", 'audit = {\n  keep = "14 lightyears";\n};\n', 2, "keep"),
    ("proxy.cfg", 'audit = {\n  space = 5000000000;\n};\n', 2, "5000000000"),
    ("proxy.cfg", 'workers = "two";\n', 1, "workers"),
    ("proxy.cfg", 'timeouts = { idle = "1s"; };\n', 1, "10s to 1d"),
    ("proxy.cfg", 'workers = 2\nlisten = 3 $\n', 2, ""),
    ("proxy.cfg", 'identity = {\n  users = "none.htpasswd"; };\n', 2, "none.htpasswd: No such file"),
    ("proxy.cfg", 'resolver = {\n hosts = "none"; };\n', 2, "none: No such file"),
    ("proxy.cfg", 'audit = {\n redis_password_file = "none"; };\n', 2, "none: No such file"),
    ("proxy.cfg", 'listen = ( { address = "127.0.0.1:1";\n tls = {\n certificate = "none.pem"; key = "none.key"; }; } );\n', 3, "none.pem: No such file"),
    ("policy.cfg", 'rules = ( { name = "a"; to = ["faceboook"]; action = "allow"; } );\n', 1, "facebook"),
    ("policy.cfg", 'rules = (\n  { name = "a"; action = "alow"; } );\n', 2, "allow"),
    ("policy.cfg", 'zone = "Europe/Nowhere";\nrules = ( { name = "a"; action = "allow"; } );\n', 1, "Europe/Nowhere"),
    ("policy.cfg", 'rules = (\n { name = "a"; action = "allow"; },\n { name = "a"; action = "deny"; } );\n', 3, "a"),
    ("policy.cfg", 'rules = ( { name = "a"; roles = ["nobody"]; action = "allow"; } );\n', 1, "nobody"),
    ("users", 'ben:$1$abc$notahash\nben\n', 1, ""),
]


@pytest.mark.parametrize("file,text,line,word", CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_wrong_file_stops_the_start(folder, file, text, line, word):
    s = Stile(folder)
    path = s.d / file
    good = path.read_text()
    if file == "proxy.cfg":  # what is tried, first; a full configuration would hide the line
        text = text + "".join(l + "\n" for l in good.splitlines() if l.startswith("policy"))
    path.write_text(text)
    code, said = wrong(s)
    assert code == 78, said
    assert re.search(rf"{re.escape(str(path))}:{line}: .*{re.escape(word)}", said), said
    checked = subprocess.run([PROXY, "-c", s.config, "-t"], capture_output=True, text=True)
    assert checked.returncode == 78 and str(path) in checked.stderr


def test_check_says_that_all_is_fine(folder):
    s = Stile(folder)
    r = run(PROXY, "-c", s.config, "-t")
    assert "fine" in r.stdout
    assert not s.journal.exists()  # checking starts nothing


def test_check_tries_the_addresses_and_says_what_it_cannot_tell(folder, started):
    metrics_port = free_port()
    s = Stile(folder, more=f'metrics = "127.0.0.1:{metrics_port}";')
    check = lambda: run(PROXY, "-c", s.config, "-t", check=False)
    line = lambda word: 1 + next(i for i, l in enumerate(s.config.read_text().splitlines()) if l.startswith(word))
    for word, port in (("listen", s.port), ("metrics", metrics_port)):
        with socket.create_server(("127.0.0.1", port)):  # somebody else has it
            r = check()
            assert r.returncode == 78 and "fine" not in r.stdout
            assert f"{s.config}:{line(word)}: cannot listen on 127.0.0.1 port {port}: Address already in use" in r.stderr
    started(s)  # nothing of what was tried is left; now it is our own proxy that has them
    r = check()
    assert r.returncode == 0 and "fine" in r.stdout
    for word, port in (("listen", s.port), ("metrics", metrics_port)):
        assert f"{s.config}:{line(word)}: not checked: 127.0.0.1 port {port}: it is in use, and a proxy with this configuration is running" in r.stderr
    good = s.config.read_text()
    s.config.write_text(good.replace(f'"127.0.0.1:{s.port}"', f'"192.0.2.1:{s.port}"'))  # no address of this machine, running or not
    r = check()
    assert r.returncode == 78 and f"{s.config}:{line('listen')}: cannot listen on 192.0.2.1 port {s.port}: Cannot assign" in r.stderr
    s.config.write_text(good + 'control = "";\n')
    r = check()
    assert r.returncode == 0 and "its control socket does not tell" in r.stderr


def test_wrong_usage_is_two():
    assert subprocess.run([PROXY, "--nonsense"], capture_output=True).returncode == 2
    assert subprocess.run([PROXY], capture_output=True).returncode == 2


def test_two_proxies_cannot_share_a_port_or_a_journal(folder, started):
    a = started(Stile(folder))
    r = subprocess.run([PROXY, "-c", Stile(folder, name="b", port=a.port).config], capture_output=True, text=True, timeout=20)
    assert r.returncode == 1 and f"port {a.port}" in r.stderr
    r = subprocess.run([PROXY, "-c", Stile(folder, name="c", journal=a.journal).config], capture_output=True, text=True, timeout=20)
    assert r.returncode == 1 and "journal" in r.stderr or "lock" in r.stderr or "another" in r.stderr


def test_reload_takes_a_good_policy_and_refuses_a_wrong_one(folder, started):
    origin = started(Nginx(folder))
    s = started(Stile(folder, names=["www.facebook.com", "t.example"]))
    url = f"http://www.facebook.com:{origin.http}/ok"
    assert s.curl(url, user="ben")[0] == 403
    tunnel, head = connect(s, f"t.example:{origin.http}", "ben")
    assert status_of(head) == 200
    good = s.policy_file.read_text()

    s.policy_file.write_text(good.replace('action = "deny"', 'action = "dney"'))
    s.reload()
    assert re.search(rf"{re.escape(str(s.policy_file))}:\d+: .*deny", s.text())
    assert s.curl(url, user="ben")[0] == 403  # the old one stays

    s.policy_file.write_text(good.replace('name = "no-social"; to = ["#social"]; action = "deny"', 'name = "open"; to = ["facebook"]; action = "allow"'))
    s.reload()
    wait_for("the new policy", lambda: s.curl(url, user="ben")[0] == 200)
    tunnel.sendall(b"GET /ok HTTP/1.1\r\nHost: t.example\r\nConnection: close\r\n\r\n")
    data = b""
    while d := tunnel.recv(4096):
        data += d
    assert data.endswith(b"ok\n")  # the tunnel was not cut
    digests = [r for r in s.journal_records() if r["k"] == "policy"]
    assert len(digests) == 2 and digests[1]["before"] == digests[0]["digest"]
    assert digests[1]["text"].endswith("; added rules: open; removed rules: no-social")


def test_a_changed_password_counts_after_reload(folder, started):
    origin = started(Nginx(folder))
    s = started(Stile(folder, names=["t.example"]))
    url = f"http://t.example:{origin.http}/ok"
    assert s.curl(url, user="ben")[0] == 200
    run(POLICY, "passwd", s.d / "users", "ben", input="another\n")
    s.reload()
    wait_for("the old password is refused", lambda: s.curl(url, user="ben")[0] == 407)
    assert s.curl(url, "--proxy-user", "ben:another")[0] == 200


def test_term_drains_open_tunnels_with_their_end(folder, started):
    origin = started(Nginx(folder))
    s = started(Stile(folder, names=["t.example"], more='timeouts = { drain = "20s"; };'))
    tunnel, head = connect(s, f"t.example:{origin.http}", "ben")
    assert status_of(head) == 200
    s.p.send_signal(signal.SIGTERM)
    wait_for("the listener is closed", lambda: not listening(s.port))
    time.sleep(0.5)
    assert s.p.poll() is None
    tunnel.sendall(b"GET /ok HTTP/1.1\r\nHost: t.example\r\nConnection: close\r\n\r\n")
    data = b""
    while d := tunnel.recv(4096):
        data += d
    assert data.endswith(b"ok\n")
    tunnel.close()
    wait_for("it ends when the last tunnel has", lambda: s.p.poll() is not None, 10)
    assert s.p.returncode == 0
    ends = [r for r in s.journal_records() if r["k"] == "end"]
    assert len(ends) == 1 and ends[0]["down"] > 0
    stops = [r for r in s.journal_records() if r["k"] == "mark" and r["what"] == "stop"]
    assert {r["writer_"] for r in stops} >= {"0", "1", "master"}


def test_term_cuts_what_does_not_end(folder, started):
    origin = started(Nginx(folder))
    s = started(Stile(folder, names=["t.example"], more='timeouts = { drain = "1s"; };'))
    tunnel, head = connect(s, f"t.example:{origin.http}", "ben")
    assert status_of(head) == 200
    assert s.stop() == 0
    ends = [r for r in s.journal_records() if r["k"] == "end"]
    assert [r["reason"] for r in ends] == ["stopped"]


def test_files_made_at_first_start_are_for_its_user_only(folder, started):
    s = started(Stile(folder))
    key = s.d / "pseudonym.key"
    assert key.stat().st_mode & 0o777 == 0o600 and "pseudonym.key" in s.text()
    assert s.journal.stat().st_mode & 0o777 == 0o700
    first = key.read_text()
    s.stop()
    s.start()
    assert key.read_text() == first
