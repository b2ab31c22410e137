"""What an administrator sees and does: every ctl command, metrics that equal what was done, break-glass, logs that machines read."""
import stat, threading
import pytest
from disk import small_disk
from harness import *

HOSTS = ["www.facebook.com", "www.instagram.com", "news.example", "t.example"]


def ctl(stile, *words, check=False, timeout=60):
    return run(PROXY, "ctl", "-c", stile.config, *words, check=check, timeout=timeout)


def answer(stile, *words):
    """The JSON of a command that must succeed."""
    return json.loads(ctl(stile, *words, "--json", check=True).stdout)


def metrics(stile):
    """{'name{labels}': value} of the page, and the page."""
    page = run("curl", "-sS", "-f", "-m", "10", f"http://127.0.0.1:{stile.metrics}/metrics").stdout
    return {l.rpartition(" ")[0]: float(l.rpartition(" ")[2]) for l in page.splitlines() if not l.startswith("#")}, page


def accesses(stile):
    return {k[len("stile_accesses_total"):]: int(v) for k, v in metrics(stile)[0].items() if k.startswith("stile_accesses_total")}


class House:
    def __init__(self, folder, started, redis=None, metrics_on=True, more="", **kw):
        self.origin = started(Nginx(folder))
        port = free_port()
        self.stile = Stile(folder, redis=redis, names=HOSTS, more=(f'metrics = "127.0.0.1:{port}";\n' if metrics_on else "") + more, **kw)
        self.stile.metrics = port
        started(self.stile)

    def get(self, host, path="/ok", **kw):
        return self.stile.curl(f"http://{host}:{self.origin.http}{path}", **kw)[0]


@pytest.fixture
def house(folder, started):
    return House(folder, started)


def observe_marks(stile):
    return [(r["text"], r["n"]) for r in stile.journal_records() if r["k"] == "mark" and r["what"] == "observe"]


def test_status_says_what_was_done(folder, started):
    redis = started(Redis(folder))
    h = House(folder, started, redis=redis)
    assert h.get("news.example", user="ben") == 200
    assert h.get("www.facebook.com", user="ben") == 403
    assert h.get("news.example") == 407
    tunnel, head = connect(h.stile, f"t.example:{h.origin.http}", "ben")
    assert status_of(head) == 200

    def shown():
        s = answer(h.stile, "status")
        return s if sum(w["connections"] for w in s["workers"]) == 1 and s["shipper"]["state"] == "idle" \
            and s["journal"]["bytes"] and not s["journal"]["backlog_bytes"] else None

    s = wait_for("the open tunnel is shown", shown)
    total = lambda key: sum(w[key] for w in s["workers"])
    assert (total("tunnels"), total("accesses"), total("refusals"), total("restarts")) == (1, 2, 1, 0)
    assert sorted(w["pid"] for w in s["workers"]) == sorted(h.stile.children()["worker"])
    assert s["state"] == "running" and s["node"] == "test" and s["observe"] is None
    assert re.fullmatch("[0-9a-f]{64}", s["policy"]["digest"]) and s["policy"]["rules"] == 4
    assert s["journal"]["bytes"] > 0 and s["journal"]["lost"] == 0 and not s["journal"]["failing"]
    assert 0 <= s["journal"]["recorded_minutes"] <= s["journal"]["passed_minutes"]
    text = ctl(h.stile, "status", check=True).stdout
    assert "on test, running" in text and "shipper  idle" in text and s["policy"]["digest"][:12] in text
    tunnel.close()

    redis.stop()
    s = wait_for("the shipper says that Redis is away",
                 lambda: (s := answer(h.stile, "status"))["shipper"]["state"] == "away" and s["shipper"]["failures"] and s)
    assert s["shipper"]["trouble"]
    assert s["shipper"]["trouble"][:40] in ctl(h.stile, "status").stdout
    os.kill(h.stile.children()["worker"][0], signal.SIGKILL)
    wait_for("the restart is shown", lambda: sorted(w["restarts"] for w in answer(h.stile, "status")["workers"]) == [0, 1])


def test_socket_is_for_the_owner_only_and_a_dead_one_is_replaced(folder, started):
    s = started(Stile(folder))
    sock = s.d / "stile.sock"
    assert stat.S_ISSOCK(sock.stat().st_mode) and stat.S_IMODE(sock.stat().st_mode) == 0o600
    s.p.kill()
    s.p.wait()
    assert sock.exists()
    r = ctl(s, "status")
    assert r.returncode == 1 and "no stile-proxy answers" in r.stderr and str(sock) in r.stderr
    wait_for("its workers are gone", lambda: not listening(s.port))
    started(s)
    assert answer(s, "status")["ok"]
    s.stop()
    assert not sock.exists()
    sock.write_text("not ours")
    r = subprocess.run([PROXY, "-c", s.config], capture_output=True, text=True, timeout=20)
    assert r.returncode == 1 and "is no socket" in r.stderr and sock.read_text() == "not ours"


def test_socket_in_a_folder_with_a_long_path(folder, started):
    deep = folder / ("d" * 90) / ("e" * 90)
    deep.mkdir(parents=True)
    s = started(Stile(deep))
    assert len(str(s.d / "stile.sock")) > 150 and answer(s, "status")["ok"]


def test_wrong_usage_is_two_and_no_control_is_one(folder):
    s = Stile(folder, more='control = "";')
    for words in (["nonsense"], [], ["observe"], ["observe", "--for", "9h", "--reason", "x"], ["observe", "--for", "30m"],
                  ["observe", "--for", "soon", "--reason", "x"], ["status", "--for", "1h"], ["observe", "--end", "--reason", "x"]):
        r = ctl(s, *words)
        assert r.returncode == 2 and "usage:" in r.stderr, words
    assert run(PROXY, "ctl", "status", check=False).returncode == 2
    r = ctl(s, "status")
    assert r.returncode == 1 and "control" in r.stderr


def test_whoever_speaks_nonsense_to_the_socket_is_answered_or_dropped(house):
    path = str(house.stile.d / "stile.sock")

    def say(what, half_close=False):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(path)
            s.sendall(what)
            if half_close:
                s.shutdown(socket.SHUT_WR)
            out = b""
            try:
                while d := s.recv(65536):
                    out += d
            except ConnectionResetError:
                pass
            return out

    assert json.loads(say(b"\x00\xff\n"))["ok"] is False
    assert json.loads(say(b"observe 99999999999999999999 x\n"))["ok"] is False
    assert json.loads(say(b"observe 30000 too long a time\n"))["ok"] is False
    assert json.loads(say(b"observe 3 a\x01b\n"))["ok"] is False
    assert json.loads(say(b"observe 3\n"))["ok"] is False
    assert json.loads(say(b"x" * 512))["ok"] is False
    assert say(b"stat", half_close=True) == b""
    idle = [socket.socket(socket.AF_UNIX) for _ in range(40)]  # more than it serves at once
    for s in idle:
        s.connect(path)
    time.sleep(0.3)
    for s in idle:
        s.close()
    wait_for("it answers again", lambda: ctl(house.stile, "status").returncode == 0)
    assert not observe_marks(house.stile)


def test_connections_show_rule_and_service_and_nobody_by_name(house):
    s, port = house.stile, house.origin.http
    opened = [connect(s, f"{host}:{port}", user) for host, user in (("www.facebook.com", "anna"), ("t.example", "ben"))]
    assert all(status_of(head) == 200 for _, head in opened)
    sent = b"GET /ok HTTP/1.1\r\nHost: t.example\r\n\r\n"
    opened[1][0].sendall(sent)
    wait_for("the origin's answer", lambda: opened[1][0].recv(1000, socket.MSG_PEEK))
    idle = socket.create_connection(("127.0.0.1", s.port))
    wait_for("three are open", lambda: len(answer(s, "connections")["connections"]) == 3)
    lines = answer(s, "connections")["connections"]
    by = {c.get("to"): c for c in lines}
    assert set(by) == {"facebook", "t.example", None}
    assert by["facebook"]["rule"] == "campaigns" and by["facebook"]["kind"] == "tunnel"
    assert by["t.example"]["rule"] == "rest" and by["t.example"]["state"] == "relay"
    assert by["t.example"]["up"] == len(sent) and by["t.example"]["down"] > 100
    assert by[None]["state"] == "head" and "person" not in by[None]
    people = {c["person"] for c in lines if "person" in c}
    assert len(people) == 2 and all(re.fullmatch("[0-9a-f]{24}", p) for p in people)
    text = ctl(s, "connections", check=True)
    assert "facebook" in text.stdout and "relay" in text.stdout
    assert not re.search(r"anna|ben\b|127\.0\.0\.1|/ok", text.stdout + json.dumps(lines))
    for c, _ in opened:
        c.close()
    idle.close()
    wait_for("none is open", lambda: not answer(s, "connections")["connections"])


def test_reload_says_what_came_of_it(house):
    s = house.stile
    good = s.policy_file.read_text()
    before = answer(s, "status")["policy"]["digest"]
    s.policy_file.write_text(good.replace('action = "deny"', 'action = "dney"'))
    r = ctl(s, "reload")
    assert r.returncode == 1 and re.search(rf"^{re.escape(str(s.policy_file))}:\d+: .*deny", r.stderr, re.M), r.stderr
    a = json.loads(ctl(s, "reload", "--json").stdout)
    assert a["ok"] is False and a["digest"] == before and a["problems"][0]["line"] == 7
    for line in r.stderr.splitlines()[:-1]:  # the words are those of the log
        assert line in s.text()

    s.policy_file.write_text(good.replace("no-social", "no-media"))
    a = answer(s, "reload")
    assert a["digest"] != before and a["digest"] == answer(s, "status")["policy"]["digest"]
    s.config.write_text(s.config.read_text().replace("workers = 2", "workers = 3"))
    r = ctl(s, "reload", check=True)
    assert "in force" in r.stdout and "next start only: workers" in r.stdout

    s.config.write_text("listen = $\n")  # ctl still finds the socket, and the proxy says what is wrong
    r = ctl(s, "reload")
    assert r.returncode == 1 and f"{s.config}:1:" in r.stderr
    p = answer(s, "status")["policy"]
    assert (p["reloads"], p["reloads_failed"]) == (2, 3)
    m = metrics(s)[0]
    assert (m['stile_reloads_total{result="ok"}'], m['stile_reloads_total{result="failed"}']) == (2, 3)


def test_reload_under_load_drops_nothing(house):
    s, stop, failed, done = house.stile, threading.Event(), [], []

    def browse():
        while not stop.is_set():
            code = house.get("news.example", user="ben")
            (done if code == 200 else failed).append(code)

    threads = [threading.Thread(target=browse) for _ in range(4)]
    tunnel, head = connect(s, f"t.example:{house.origin.http}", "ben")
    assert status_of(head) == 200
    for t in threads:
        t.start()
    try:
        results = []
        asking = [threading.Thread(target=lambda: [results.append(ctl(s, "reload").returncode) for _ in range(5)]) for _ in range(3)]
        for a in asking:
            a.start()
        for a in asking:
            a.join()
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert results == [0] * 15 and done and not failed
    tunnel.sendall(b"GET /ok HTTP/1.1\r\nHost: t.example\r\n\r\n")
    assert b"200 OK" in tunnel.recv(1000)
    tunnel.close()


def test_drain_ends_as_term_does(house):
    tunnel, head = connect(house.stile, f"t.example:{house.origin.http}", "ben")
    assert status_of(head) == 200
    assert ctl(house.stile, "drain", check=True).stdout == "draining\n"
    assert answer(house.stile, "status")["state"] == "draining"
    r = ctl(house.stile, "reload")
    assert r.returncode == 1 and "stopping" in r.stderr
    assert ctl(house.stile, "observe", "--for", "1m", "--reason", "x").returncode == 1
    tunnel.sendall(b"GET /ok HTTP/1.1\r\nHost: t.example\r\n\r\n")
    assert b"200 OK" in tunnel.recv(1000)
    tunnel.close()
    assert house.stile.p.wait(20) == 0


# --- metrics ------------------------------------------------------------------------------------------------------------------------


def test_metrics_equal_what_was_done(house):
    s, port = house.stile, house.origin.http
    start = metrics(s)[0]
    assert start["stile_up"] == 1 and not accesses(s)
    for _ in range(3):
        assert house.get("news.example", user="ben") == 200
    for _ in range(2):
        assert house.get("www.facebook.com", user="ben") == 403
    assert house.get("news.example") == 407
    assert s.curl("http://news.example:1025/", user="ben")[0] == 502  # nobody listens there
    assert s.curl("http://nowhere.example/", user="ben")[0] == 504  # its name server is dead
    with socket.create_connection(("127.0.0.1", s.port)) as raw:
        raw.sendall(b"GARBAGE\r\n\r\n")
        assert b" 400 " in raw.recv(1000)
    tunnel, head = connect(s, f"t.example:{port}", "anna")
    assert status_of(head) == 200
    sent = b"GET /ok HTTP/1.1\r\nHost: t.example\r\nConnection: close\r\n\r\n"
    m0 = metrics(s)[0]
    tunnel.sendall(sent)
    got = b""
    while d := tunnel.recv(65536):
        got += d
    assert accesses(s) == {'{verdict="allow",reason="rule"}': 5, '{verdict="deny",reason="rule"}': 2, '{verdict="challenge",reason="login"}': 1,
                           '{verdict="fail",reason="dns-timeout"}': 1, '{verdict="fail",reason="bad-request"}': 1}
    m = metrics(s)[0]
    assert m['stile_bytes_total{direction="up"}'] - m0['stile_bytes_total{direction="up"}'] == len(sent)
    assert m['stile_bytes_total{direction="down"}'] - m0['stile_bytes_total{direction="down"}'] == len(got)
    assert (m["stile_tunnels_total"], m["stile_tunnels_open"]) == (1, 1)
    tunnel.close()
    wait_for("no connection is open", lambda: metrics(s)[0]["stile_connections_open"] == 0)
    m, page = metrics(s)
    assert m["stile_tunnels_open"] == 0 and m['stile_ends_total{reason="done"}'] == 3
    assert m['stile_ends_total{reason="unreachable"}'] == 1
    assert m["stile_verdict_seconds_count"] == 9 and m["stile_record_seconds_count"] == 5
    assert 3 <= m["stile_connect_seconds_count"] <= 5  # a worker dials an origin once for several clients
    assert 0 < m["stile_record_seconds_sum"] < 60
    assert m['stile_ship_state{state="off"}'] == 1 and m["stile_journal_backlog_bytes"] == m["stile_journal_bytes"] > 0
    assert abs(m["stile_start_time_seconds"] - time.time()) < 600
    for name in ("verdict", "record", "connect"):  # buckets rise, the last one holds all
        v = [m[k] for k in m if k.startswith(f"stile_{name}_seconds_bucket")]
        assert v == sorted(v) and v[-1] == m[f"stile_{name}_seconds_count"]
    assert re.search(r'^stile_build_info\{version="[\d.]+"\} 1$', page, re.M)
    # the same figures are in the records
    kept = [r for r in s.journal_records() if r["k"] == "access" and r["verdict"] == "allow"]
    assert len(kept) == 5


def test_figures_outlive_a_worker_and_what_is_open_does_not(folder, started):
    h = House(folder, started, workers=1)
    assert h.get("news.example", user="ben") == 200
    tunnel, _ = connect(h.stile, f"t.example:{h.origin.http}", "ben")
    wait_for("the tunnel is open", lambda: metrics(h.stile)[0]["stile_connections_open"] == 1)
    pid = h.stile.children()["worker"][0]
    os.kill(pid, signal.SIGKILL)
    wait_for("a successor", lambda: answer(h.stile, "status")["workers"][0]["ready"] and h.stile.children()["worker"][0] != pid)
    m = metrics(h.stile)[0]
    assert (m["stile_tunnels_open"], m["stile_connections_open"], m["stile_tunnels_total"]) == (0, 0, 1)
    assert m['stile_restarts_total{role="worker"}'] == 1
    assert h.get("news.example", user="ben") == 200
    assert accesses(h.stile)['{verdict="allow",reason="rule"}'] == 3
    tunnel.close()


@pytest.fixture
def disk(folder):
    """A file system of 4 MB; fill(disk) leaves no room on it until (disk / "filler") is gone."""
    with small_disk(folder) as d:
        yield d


def fill(disk):
    with open(disk / "filler", "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError:
            pass


def test_a_failing_journal_and_what_it_lost_are_shown(folder, started, disk):
    h = House(folder, started, workers=1, journal=disk / "journal")
    assert h.get("news.example", user="ben") == 200
    fill(disk)
    wait_for("nothing more is given", lambda: h.get("news.example", user="ben") == 503)
    wait_for("the failure is shown", lambda: metrics(h.stile)[0]["stile_journal_failing"] == 1)
    lost = lambda: metrics(h.stile)[0]["stile_journal_lost_records_total"]
    wait_for("the loss is shown", lambda: lost() > 0)
    before = lost()  # each access that is refused is one loss: what never began has no end (a minute that ends meanwhile has records, too)
    assert [h.get("news.example", user="ben") for _ in range(10)] == [503] * 10
    wait_for("each is counted", lambda: lost() >= before + 10)
    assert lost() <= before + 14
    assert answer(h.stile, "status")["journal"]["failing"] and "FAILING" in ctl(h.stile, "status").stdout
    (disk / "filler").unlink()
    wait_for("it recovers", lambda: metrics(h.stile)[0]["stile_journal_failing"] == 0)
    h.stile.stop()


def test_open_tunnels_outlive_a_failing_journal_for_a_stated_time(folder, started, disk):
    h = House(folder, started, workers=1, journal=disk / "journal", audit='unrecorded = "4s";')
    tunnel, head = connect(h.stile, f"t.example:{h.origin.http}", "anna")
    assert status_of(head) == 200
    fill(disk)
    wait_for("the failure is seen", lambda: h.get("news.example", user="ben") == 503 and metrics(h.stile)[0]["stile_journal_failing"] == 1)
    tunnel.settimeout(1)
    with pytest.raises(TimeoutError):  # it still is open
        tunnel.recv(1)
    tunnel.settimeout(20)
    assert tunnel.recv(1) == b""
    ends = lambda why: metrics(h.stile)[0][f'stile_ends_total{{reason="{why}"}}']
    wait_for("the end is counted", lambda: ends("unrecorded") == 1)
    refused = ends("no-record")
    (disk / "filler").unlink()
    wait_for("it recovers", lambda: metrics(h.stile)[0]["stile_journal_failing"] == 0)
    h.stile.stop()
    records = h.stile.journal_records()  # the last page of a full disk may have had room for the end; where not, it is among the lost
    written = [r["reason"] for r in records if r["k"] == "end"].count("unrecorded")
    assert sum(r["n"] for r in records if r.get("what") == "gap") >= refused + 1 - written


def test_metrics_page_passes_promtool_and_nothing_else_is_served(house):
    s = house.stile
    house.get("news.example", user="ben")
    get = lambda path, *more: run("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *more, f"http://127.0.0.1:{s.metrics}{path}", check=False).stdout
    assert (get("/metrics"), get("/"), get("/metrics/x"), get("/metrics", "-X", "DELETE")) == ("200", "404", "404", "501")
    assert get("/metrics", "-d", "x" * 100) != "200"
    # the proxy does not lead there: its own listeners and loopback are guarded
    assert s.curl(f"http://localhost:{s.metrics}/metrics", user="ben")[0] in (403, 502, 504)
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (package prometheus)")
    r = subprocess.run(["promtool", "check", "metrics"], input=metrics(s)[1], capture_output=True, text=True)
    assert r.returncode == 0 and not r.stderr, r.stdout + r.stderr


@pytest.mark.parametrize("value", ["0.0.0.0:9128", "192.0.2.1:9128", "9128", "localhost:9128", "[::]:9128", "127.0.0.1", "[::ffff:192.0.2.1]:9128"])
def test_metrics_elsewhere_than_on_loopback_are_refused(folder, value):
    s = Stile(folder, more=f'metrics = "{value}";')
    r = subprocess.run([PROXY, "-c", s.config, "-t"], capture_output=True, text=True, timeout=20)
    assert r.returncode == 78 and re.search(rf"{re.escape(str(s.config))}:\d+: metrics: expected a loopback address", r.stderr), r.stderr


def test_coverage_counts_the_minutes_of_the_day_over_restarts(folder, started):
    s = started(Stile(folder))
    minute = int(time.time()) // 60
    wait_for("a checkpoint", lambda: answer(s, "status")["journal"]["recorded_minutes"] == 1, 75)
    passed = answer(s, "status")["journal"]["passed_minutes"]
    assert passed in (time.gmtime().tm_hour * 60 + time.gmtime().tm_min + k for k in (0, 1)) and int(time.time()) // 60 > minute
    s.stop()
    started(s)
    assert answer(s, "status")["journal"]["recorded_minutes"] == 1


def test_the_end_of_the_next_certificate_is_shown_and_follows_a_reload(folder, started):
    ca, port = Authority(folder), free_port()
    key, pem = ca.leaf(["proxy.example"], label="proxy")
    s = Stile(folder, more='metrics = "127.0.0.1:%d";' % free_port())
    s.metrics = int(re.search(r"metrics = .*:(\d+)", s.config.read_text()).group(1))
    s.config.write_text(s.config.read_text().replace(
        "listen = (", f'listen = ( {{ address = "127.0.0.1:{port}"; tls = {{ certificate = "{pem}"; key = "{key}"; }}; }},', 1))
    started(s)
    shown = lambda: metrics(s)[0].get("stile_certificate_end_time_seconds", 0)

    def end_of():
        return ssl.cert_time_to_seconds(run("openssl", "x509", "-noout", "-enddate", "-in", pem).stdout.strip().partition("=")[2])

    first = end_of()
    wait_for("the end is shown", lambda: shown() == first)
    assert answer(s, "status")["certificate_ends"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(first))
    time.sleep(1.1)
    run("openssl", "x509", "-req", "-in", ca.d / "proxy.csr", "-CA", ca.ca, "-CAkey", ca.d / "ca.key", "-CAcreateserial", "-days", "5", "-out", pem)
    ctl(s, "reload", check=True)
    wait_for("that of the new one is shown", lambda: shown() == end_of() != first)


# --- break-glass ----------------------------------------------------------------------------------------------------------------------


def test_observe_lets_through_records_and_ends_by_hand(house):
    s = house.stile
    assert house.get("www.facebook.com", user="ben") == 403
    r = ctl(s, "observe", "--for", "30m", "--reason", "press office cannot work", check=True)
    assert "only recorded" in r.stdout
    wait_for("it is let through", lambda: house.get("www.facebook.com", user="ben") == 200)
    assert house.get("www.facebook.com") == 407                       # logins are asked for as ever
    assert s.curl(f"http://127.0.0.1:{s.port}/", user="ben")[0] == 403    # the proxy itself stays shut
    assert s.curl("http://169.254.169.254/", user="ben")[0] == 403        # and special addresses
    assert house.get("news.example", user="ben") == 200
    shown = answer(s, "status")["observe"]
    assert shown["reason"] == "press office cannot work" and 1700 < shown["left_s"] <= 1800
    assert "OBSERVE" in ctl(s, "status").stdout
    m = metrics(s)[0]
    assert m["stile_observe_active"] == 1 and 1700 < m["stile_observe_left_seconds"] <= 1800
    again = ctl(s, "observe", "--for", "1m", "--reason", "again")
    assert again.returncode == 1 and "already" in again.stderr
    tunnel, head = connect(s, f"www.facebook.com:{house.origin.http}", "ben")
    kept, head2 = connect(s, f"t.example:{house.origin.http}", "ben")
    assert status_of(head) == 200 and status_of(head2) == 200
    assert [c for c in answer(s, "connections")["connections"] if c.get("observed")][0]["to"] == "facebook"

    ctl(s, "observe", "--end", check=True)
    tunnel.settimeout(10)
    assert tunnel.recv(100) == b""                                    # what was let through ends with it
    kept.sendall(b"GET /ok HTTP/1.1\r\nHost: t.example\r\n\r\n")
    assert b"200 OK" in kept.recv(1000)                               # what was allowed goes on
    kept.close()
    wait_for("it is refused again", lambda: house.get("www.facebook.com", user="ben") == 403)
    assert ctl(s, "observe", "--end").returncode == 1
    assert metrics(s)[0]["stile_observe_active"] == 0 and answer(s, "status")["observe"] is None
    begun, ended = observe_marks(s)
    assert begun == ("begins: press office cannot work", 1800)
    assert ended[0] == "ends (by hand): press office cannot work" and ended[1] < 60
    let = [r for r in s.journal_records() if r["k"] == "access" and r["reason"] == "observe-all"]
    assert let and all(r["verdict"] == "allow" and r["observed"] == ["no-social"] and r["service"] == "facebook" for r in let)
    ids = {r["id"] for r in let}
    assert "observed" in [r["reason"] for r in s.journal_records() if r["k"] == "end" and r["id"] in ids]
    assert re.search(r"observe: refusals by rules are only recorded for 1800 s, not enforced; reason: press office", s.text())


def test_observe_expires_by_itself_and_survives_a_worker(folder, started):
    h = House(folder, started, workers=1)
    ctl(h.stile, "observe", "--for", "6s", "--reason", "drill", check=True)
    begun = time.monotonic()
    wait_for("it is let through", lambda: h.get("www.facebook.com", user="ben") == 200)
    pid = h.stile.children()["worker"][0]
    os.kill(pid, signal.SIGKILL)
    wait_for("a successor", lambda: (w := answer(h.stile, "status")["workers"][0])["ready"] and w["pid"] not in (0, pid))
    assert h.get("www.facebook.com", user="ben") == 200
    assert time.monotonic() - begun < 5, "this machine is too slow for the test to tell"
    wait_for("it is over", lambda: h.get("www.facebook.com", user="ben") == 403, 10)
    assert time.monotonic() - begun > 5
    wait_for("the end is marked", lambda: [t for t, _ in observe_marks(h.stile)] == ["begins: drill", "ends (expired): drill"])
    assert observe_marks(h.stile)[1][1] in (6, 7)


def test_observe_ends_with_the_proxy(house):
    ctl(house.stile, "observe", "--for", "1h", "--reason", "drill", check=True)
    house.stile.stop()
    assert [t for t, _ in observe_marks(house.stile)] == ["begins: drill", "ends (stopped): drill"]
    house.stile.start()
    assert answer(house.stile, "status")["observe"] is None and house.get("www.facebook.com", user="ben") == 403


# --- logs ---------------------------------------------------------------------------------------------------------------------------------


def test_json_log_lines_parse_and_name_nobody(folder, started):
    h = House(folder, started, more='log = "json";')
    s = h.stile
    assert h.get("news.example", user="ben") == 200
    s.policy_file.write_text("rules = (\n")
    ctl(s, "reload")
    ctl(s, "observe", "--for", "1m", "--reason", 'a "quoted" reason', check=True)
    os.kill(s.children()["worker"][0], signal.SIGKILL)
    wait_for("the death is told, and a successor", lambda: "was ended by signal 9" in s.text() and
             [w["ready"] for w in answer(s, "status")["workers"]] == [True, True])
    s.stop()
    lines = [json.loads(l) for l in s.text().splitlines()]
    first = [l for l in lines if l["topic"] == "config" and "pseudonym" not in l["message"]]
    assert all(list(l) == ["@timestamp", "level", "process", "topic", "message"] for l in lines)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", l["@timestamp"]) for l in lines)
    assert {l["process"] for l in lines} >= {"master", "worker 0", "worker 1"} and {l["level"] for l in lines} >= {"info", "warning", "error"}
    assert any(re.match(rf"{re.escape(str(s.policy_file))}:\d+: ", l["message"]) for l in first)
    assert any('a "quoted" reason' in l["message"] for l in lines)
    assert not re.search(r"ben-secret|news\.example", s.text())


def test_log_file_is_opened_anew_by_all(folder, started):
    log = folder / "stile" / "stile.log"
    s = Stile(folder, more='log_file = "stile.log";', workers=1)
    Process.start(s)
    wait_for("ready", lambda: log.exists() and "ready:" in log.read_text())
    try:
        assert stat.S_IMODE(log.stat().st_mode) == 0o600 and "ready:" not in s.text()
        log.rename(log.with_suffix(".1"))
        s.p.send_signal(signal.SIGUSR1)
        wait_for("the new file", lambda: log.exists() and "opened anew" in log.read_text())
        ctl(s, "reload", check=True)
        assert "in force" in log.read_text() and "in force" not in log.with_suffix(".1").read_text()
        os.kill(s.children()["worker"][0], signal.SIGKILL)  # a successor inherits it
        wait_for("a successor", lambda: answer(s, "status")["workers"][0]["restarts"] == 1 and answer(s, "status")["workers"][0]["ready"])
        s.stop()
        text = log.read_text()
        assert "stile worker 0: drain" in text and "stile master: stop: ended" in text
        assert "drain" not in log.with_suffix(".1").read_text() and "drain" not in s.text()
    finally:
        s.stop()
