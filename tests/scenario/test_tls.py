"""The TLS listener: real clients through it, certificates by reload, sessions that any worker resumes."""
import ssl, threading
import pytest
from harness import *

NAMES = ["www.origin.example", "news.example"]


def proxy_with_tls(folder, started, redis=None, **more):
    """A proxy with a plain and a TLS listener; .tls is the port of the latter."""
    ca = Authority(folder)
    key, pem = ca.leaf(["proxy.example"], "proxy")
    s = Stile(folder, redis=redis, names=NAMES, **more)
    s.tls, s.ca, s.key, s.pem = free_port(), ca, key, pem
    s.config.write_text(s.config.read_text().replace(
        "listen = (", f'listen = ( {{ address = "127.0.0.1:{s.tls}"; tls = {{ certificate = "{pem}"; key = "{key}"; }}; }},', 1))
    started(s)
    return s


def curl(s, url, *more, user="ben"):
    r = run("curl", "-sS", "-m", "60", "--resolve", f"proxy.example:{s.tls}:127.0.0.1", "--proxy-cacert", s.ca.ca, "-x",
            f"https://proxy.example:{s.tls}", "--proxy-user", f"{user}:{user}-secret", "-w", "\n%{http_code}", *more, url, check=False)
    body, _, code = r.stdout.rpartition("\n")
    return int(code or 0), body, r.stderr


def greet(s, version=None, before=None, alpn=("http/1.1",)):
    """A TLS connection to the proxy; before: context and session of an earlier one, to be resumed."""
    c, session = before or (ssl.create_default_context(cafile=str(s.ca.ca)), None)
    c.set_alpn_protocols(list(alpn))
    if version:
        c.minimum_version = c.maximum_version = version
    return c.wrap_socket(socket.create_connection(("127.0.0.1", s.tls), timeout=10), server_hostname="proxy.example",
                         session=session)


def test_http_and_https_and_big_bodies(folder, started):
    redis = started(Redis(folder))
    s = proxy_with_tls(folder, started, redis=redis)
    ca = s.ca
    origin = started(Nginx(folder, ca, names=["*.origin.example"]))
    big = os.urandom(20_000_000)
    (origin.www / "big").write_bytes(big)
    (folder / "up").write_bytes(big)
    for scheme, port in (("http", origin.http), ("https", origin.https)):
        url = f"{scheme}://www.origin.example:{port}"
        assert curl(s, f"{url}/ok", "--cacert", ca.ca)[:2] == (200, "ok\n")
        code, _, err = curl(s, f"{url}/big", "--cacert", ca.ca, "-o", folder / "down")
        assert code == 200 and (folder / "down").read_bytes() == big, err
        assert curl(s, f"{url}/put/x{scheme}", "--cacert", ca.ca, "-T", folder / "up")[0] == 201
        assert (origin.www / "put" / f"x{scheme}").read_bytes() == big
    assert curl(s, f"http://news.example:{origin.http}/ok", user="nobody")[0] == 407
    s.stop()
    rs = s.journal_records()
    a = {r["id"] for r in rs if r["k"] == "access" and r["verdict"] == "allow"}
    e = {r["id"]: r for r in rs if r["k"] == "end"}
    assert len(a) == 6 and a == set(e) and sum(r["down"] for r in e.values()) > 40_000_000


def test_versions_and_protocols(folder, started):
    s = proxy_with_tls(folder, started)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with greet(s, version) as t:
            assert t.selected_alpn_protocol() == "http/1.1"
    with greet(s, alpn=("h2", "http/1.1")) as t:
        assert t.selected_alpn_protocol() == "http/1.1"
    old = run("openssl", "s_client", "-connect", f"127.0.0.1:{s.tls}", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", check=False, input="")
    assert "Cipher is (NONE)" in old.stdout


def test_a_session_is_resumed_by_another_worker(folder, started):
    s = proxy_with_tls(folder, started, workers=2)
    kept = folder / "session"
    ask = ["openssl", "s_client", "-connect", f"127.0.0.1:{s.tls}", "-tls1_2"]
    first = run(*ask, "-sess_out", kept, input="")
    assert "New, TLSv1.2" in first.stdout
    before = set(s.children()["worker"])
    os.kill(sorted(before)[0], signal.SIGKILL)  # whoever it was that made it …
    os.kill(sorted(before)[1], signal.SIGKILL)
    wait_for("successors", lambda: len(set(s.children().get("worker", [])) - before) == 2)
    for _ in range(8):
        again = wait_for("an answer", lambda: (lambda r: r if r.returncode == 0 else None)(run(*ask, "-sess_in", kept, input="", check=False)))
        assert "Reused, TLSv1.2" in again.stdout


def test_a_session_of_tls_1_3_is_resumed_with_what_came_with_the_first_answer(folder, started):
    s = proxy_with_tls(folder, started, workers=2)
    kept = None
    for turn in range(6):  # by whichever worker
        t = greet(s, ssl.TLSVersion.TLSv1_3, before=kept)
        assert t.session_reused == (turn > 0)
        t.sendall(b"GET http://news.example/ HTTP/1.1\r\nHost: news.example\r\n\r\n")
        assert t.recv(65536).startswith(b"HTTP/1.1 407") and t.session.has_ticket
        kept = t.context, t.session
        t.unwrap().close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_slow_reader_gets_all_though_the_origin_has_ended(folder, started, version):
    """Much more than sockets take, read a little at a time while the origin is gone: all of it, and then the end."""
    s = proxy_with_tls(folder, started)
    origin = socket.create_server(("127.0.0.1", 0))
    big = os.urandom(16_000_000)

    def serve():
        c, _ = origin.accept()
        assert c.recv(1) == b"x"
        c.sendall(big)
        c.close()
    threading.Thread(target=serve, daemon=True).start()
    port = origin.getsockname()[1]
    t = greet(s, version)
    t.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    t.sendall(f"CONNECT news.example:{port} HTTP/1.1\r\nHost: x:1\r\n{basic('ben')}\r\n\r\n".encode())
    assert t.recv(4096).startswith(b"HTTP/1.1 200")
    t.sendall(b"x")  # not TLS: nothing more is awaited
    got = bytearray()
    while d := t.recv(3000):
        got += d
    assert got == big
    t.unwrap().close()  # its close_notify was there
    s.stop()
    end = [x for x in s.journal_records() if x["k"] == "end"]
    assert len(end) == 1 and (end[0]["reason"], end[0]["down"]) == ("origin-closed", len(big))


def serial(s):
    der = ssl.get_server_certificate(("127.0.0.1", s.tls))
    return run("openssl", "x509", "-noout", "-serial", input=der).stdout


def test_a_new_certificate_by_reload_cuts_nothing(folder, started):
    s = proxy_with_tls(folder, started)
    origin = started(Nginx(folder))
    old = serial(s)
    t = greet(s)
    t.sendall(f"CONNECT news.example:{origin.http} HTTP/1.1\r\nHost: news.example:{origin.http}\r\n{basic('ben')}\r\n\r\n".encode())
    assert t.recv(4096).startswith(b"HTTP/1.1 200")
    s.ca.leaf(["proxy.example"], "proxy")  # the same files, a new pair
    s.reload()
    wait_for("the new certificate", lambda: serial(s) != old)
    t.sendall(b"GET /ok HTTP/1.1\r\nHost: news.example\r\nConnection: close\r\n\r\n")
    data = b""
    while d := t.recv(4096):
        data += d
    assert data.endswith(b"ok\n")
    # a wrong pair is refused, and the one in force stays
    now = serial(s)
    pathlib_key = s.key.read_text()
    s.ca.leaf(["other.example"], "other")
    s.key.write_text((s.ca.d / "other.key").read_text())
    s.reload()
    assert re.search(rf"{re.escape(str(s.pem))}: the private key is not that of the certificate", s.text())
    assert serial(s) == now
    s.key.write_text(pathlib_key)


def test_clients_that_just_close_are_no_errors_and_handshakes_have_a_deadline(folder, started):
    s = proxy_with_tls(folder, started, workers=1, more='timeouts = { head = "1s"; };')
    pid = s.children()["worker"][0]
    files = lambda: len(os.listdir(f"/proc/{pid}/fd"))
    base = files()
    quiet = [socket.create_connection(("127.0.0.1", s.tls)) for _ in range(20)]  # never say anything
    for q in quiet[:5]:
        q.sendall(b"\x16\x03\x01\x02\x00half a hello")
    rubbish = socket.create_connection(("127.0.0.1", s.tls))
    rubbish.sendall(b"GET / HTTP/1.1\r\n\r\n")
    rubbish.settimeout(5)
    assert rubbish.recv(1000)[:1] in (b"\x15", b"")  # an alert, or just the end
    for _ in range(20):
        greet(s).detach()  # no close_notify
    t = greet(s)
    socket.socket(fileno=t.detach()).close()
    wait_for("all of them are gone", lambda: files() <= base + 1, 15)
    assert curl(s, f"http://news.example:{free_port()}/")[0] == 502  # and it serves


def test_half_close_inside_tls(folder, started):
    """What the origin still says after the client's close_notify arrives."""
    s = proxy_with_tls(folder, started)
    origin = socket.create_server(("127.0.0.1", 0))

    def serve():
        c, _ = origin.accept()
        said = b""
        while d := c.recv(100):
            said += d
        c.sendall(b"heard: " + said)
        c.close()
    threading.Thread(target=serve, daemon=True).start()
    port = origin.getsockname()[1]
    raw = socket.create_connection(("127.0.0.1", s.tls), timeout=10)
    got, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    t = ssl.create_default_context(cafile=str(s.ca.ca)).wrap_bio(got, sent, server_hostname="proxy.example")

    def turn(what, *args):
        """Runs a call of the session against the socket until it has an answer."""
        while True:
            try:
                answer = what(*args)
                raw.sendall(sent.read())
                return answer
            except ssl.SSLWantReadError:
                raw.sendall(sent.read())
                d = raw.recv(65536)
                got.write(d) if d else got.write_eof()

    turn(t.do_handshake)
    turn(t.write, f"CONNECT news.example:{port} HTTP/1.1\r\nHost: x:1\r\n{basic('ben')}\r\n\r\n".encode())
    assert turn(t.read, 4096).startswith(b"HTTP/1.1 200")
    t.write(b"last words")
    with pytest.raises(ssl.SSLWantReadError):
        t.unwrap()  # writes close_notify, and would wait for the other one
    raw.sendall(sent.read())  # both in one piece
    assert turn(t.read, 4096) == b"heard: last words"
    raw.close()
    s.stop()
    end = [x for x in s.journal_records() if x["k"] == "end"]
    assert len(end) == 1 and (end[0]["up"], end[0]["down"]) == (10, 17)


@pytest.mark.parametrize("trouble,said", [
    ("gone", "No such file or directory"), ("empty", "no usable certificate"), ("key gone", "No such file or directory"), ("folder", "Is a directory")])
def test_a_certificate_that_cannot_be_read_leaves_the_old_one_in_force(folder, started, trouble, said):
    s = proxy_with_tls(folder, started)
    origin = started(Nginx(folder))
    before, t = serial(s), greet(s)
    t.sendall(f"CONNECT news.example:{origin.http} HTTP/1.1\r\nHost: news.example:{origin.http}\r\n{basic('ben')}\r\n\r\n".encode())
    assert t.recv(4096).startswith(b"HTTP/1.1 200")
    at = s.key if trouble == "key gone" else s.pem
    kept = at.read_bytes()
    at.unlink()
    if trouble == "empty":
        at.write_bytes(b"")
    if trouble == "folder":
        at.mkdir()
    r = run(PROXY, "-c", s.config, "-t", check=False)
    assert r.returncode == 78 and str(at) in r.stderr and said in r.stderr, r.stderr
    s.reload()
    assert str(at) in s.said() and said in s.said()
    assert serial(s) == before and curl(s, f"http://news.example:{origin.http}/ok")[0] == 200
    t.sendall(b"GET /ok HTTP/1.1\r\nHost: news.example\r\nConnection: close\r\n\r\n")
    assert t.recv(4096).startswith(b"HTTP/1.1 200")
    if trouble == "folder":
        at.rmdir()
    at.write_bytes(kept)
    at.chmod(0o600)
    s.reload()
    assert "in force:" in s.said().rpartition(said)[2]


def test_a_certificate_that_has_expired_is_said_and_served(folder, started):
    """Who reloads an old pair by mistake is told by the check, the log and the metric; clients that do not mind are served."""
    s = proxy_with_tls(folder, started)
    origin = started(Nginx(folder))
    old = run("openssl", "x509", "-in", s.pem, "-signkey", s.key, "-days", "-1").stdout
    s.pem.write_text(old)
    r = run(PROXY, "-c", s.config, "-t", check=False)
    assert f"{s.pem} has expired: clients refuse it" in r.stdout + r.stderr
    s.reload()
    assert f"{s.pem} has expired: clients refuse it" in s.said()
    code, _, why = curl(s, f"http://news.example:{origin.http}/ok")
    assert code == 0 and "certificate" in why
    assert curl(s, f"http://news.example:{origin.http}/ok", "--proxy-insecure")[0] == 200


def test_a_certificate_that_expires_soon_is_said(folder, started):
    s = proxy_with_tls(folder, started)
    s.stop()
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3", "-subj", "/CN=soon",
        "-keyout", s.key, "-out", s.pem)
    s.start()
    assert re.search(r"expires in [23] days", s.said())
    assert "can be read by others" in s.said() or s.key.stat().st_mode & 0o044 == 0
