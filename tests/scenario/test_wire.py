"""The wire: raw clients and scripted origins through the real proxy. What is sent arrives, what is broken is seen to be broken,
nobody waits for ever, and each access has exactly one end."""
import collections, os, random, threading
import pytest
from harness import *

POLICY_WIRE = """
zone = "UTC"; inside = [ "127.0.0.0/8", "::1/128" ]; ports = [ "80", "443", "1024-65535" ]; %s
rules = (
  { name = "closed"; to = ["closed.example"]; action = "deny"; },
  { name = "open"; to = ["opaque.example"]; action = "allow"; %s },
  { name = "rest"; to = [".example", "127.0.0.0/8"]; action = "allow"; record = "host"; },
  { name = "any"; action = "allow"; } );
"""
NAMES = ["a.example", "b.example", "closed.example", "opaque.example", "meta.test"]
TIMEOUTS = 'timeouts = { head = "2s"; keep_alive = "2s"; connect = "1s"; hello = "2s"; stall = "3s"; idle = "10s"; drain = "3s"; };'


class Origin:
    """A server whose every connection runs `script(origin, socket, number)` in a thread; what it raises fails the test."""

    def __init__(self, script, backlog=50):
        self.script, self.n, self.lock, self.troubles = script, 0, threading.Lock(), []
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                s, _ = self.sock.accept()
            except OSError:
                return
            with self.lock:
                self.n += 1
                n = self.n
            threading.Thread(target=self.serve, args=(s, n), daemon=True).start()

    def serve(self, s, n):
        s.settimeout(30)
        try:
            self.script(self, s, n)
        except OSError:
            pass
        except Exception as e:
            self.troubles.append(e)
        finally:
            s.close()


def get_head(s):
    """One message head, without a byte of what follows; b"" at the end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        d = s.recv(1)
        if not d:
            return head
        head += d
    return head


def exactly(s, n):
    out = b""
    while len(out) < n:
        d = s.recv(min(n - len(out), 1 << 20))
        if not d:
            break
        out += d
    return out


def to_end(s):
    """All bytes up to the end; raises ConnectionResetError where there is no clean one."""
    out = []
    while True:
        d = s.recv(1 << 16)
        if not d:
            return b"".join(out)
        out.append(d)


def length_of(head):
    m = re.search(rb"(?im)^content-length: (\d+)\r$", head)
    return int(m.group(1)) if m else 0


def answer(body, status="200 OK", more=""):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def echo_path(o, s, n):
    """A kept connection: answers each request with its path and body."""
    while head := get_head(s):
        body = exactly(s, length_of(head))
        s.sendall(answer(head.split(b" ")[1] + b" " + body))


def raw(stile, rcvbuf=0):
    s = socket.socket()
    if rcvbuf:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    s.settimeout(20)
    s.connect(("127.0.0.1", stile.port))
    return s


def request(o, path="/", method="GET", host="a.example", more="", version="1.1"):
    return f"{method} http://{host}:{o.port}{path} HTTP/{version}\r\nHost: {host}:{o.port}\r\n{more}\r\n".encode()


def response(s, to_head=False):
    head = get_head(s)
    return head, b"" if to_head else exactly(s, length_of(head))


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    s.close()


def pairs(stile, n):
    """n allowed accesses and their ends, in order; nothing is left without the other."""
    def settled():
        rs = stile.journal_records()
        a = [r for r in rs if r["k"] == "access" and r["verdict"] == "allow"]
        e = {r["id"]: r for r in rs if r["k"] == "end"}
        return [(x, e[x["id"]]) for x in a] if len(a) == n and len(e) == n and {x["id"] for x in a} == set(e) else None
    try:
        return wait_for(f"{n} accesses and ends", settled, 8)
    except AssertionError:
        raise AssertionError([r for r in stile.journal_records() if r["k"] in ("access", "end")])


def refusals(stile, n):
    def there():
        rs = [r for r in stile.journal_records() if r["k"] == "access" and r["verdict"] != "allow"]
        return rs if len(rs) >= n else None
    return wait_for(f"{n} refusals", there, 8)


def worker(stile):
    return stile.children()["worker"][0]


def rss_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


def cpu_s(pid):
    f = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def make(folder, started, tls_only=False, opaque=False, **more):
    more.setdefault("more", TIMEOUTS)
    more.setdefault("users", ())
    policy = POLICY_WIRE % ("tls_only = true;" if tls_only else "", "opaque = true;" if opaque else "")
    return started(Stile(folder, policy=more.pop("policy", policy), names=NAMES, workers=more.pop("workers", 1), **more))


@pytest.fixture
def stile(folder, started):
    return make(folder, started)


# --- requests and responses ---------------------------------------------------------------------------------------------------

def test_pipelined_requests_are_answered_in_order(stile):
    o = Origin(echo_path)
    s = raw(stile)
    s.sendall(request(o, "/1") + request(o, "/2", "POST", more="Content-Length: 5\r\n") + b"hello" + request(o, "/3")
              + request(o, "/4", "POST", more="Transfer-Encoding: chunked\r\n") + b"3\r\nabc\r\n0\r\n\r\n" + request(o, "/5"))
    # the origin of this test reads no chunks: what it takes for its next request would show
    assert [response(s)[1] for _ in range(3)] == [b"/1 ", b"/2 hello", b"/3 "]
    s.close()


def test_pipelining_behind_a_chunked_body(stile):
    def script(o, c, n):
        while head := get_head(c):
            body = b""
            if b"chunked" in head:
                while not body.endswith(b"0\r\n\r\n"):
                    body += c.recv(1)
            c.sendall(answer(head.split(b" ")[1] + body))
    o = Origin(script)
    s = raw(stile)
    s.sendall(request(o, "/1", "POST", more="Transfer-Encoding: chunked\r\n") + b"3\r\nabc\r\n0\r\n\r\n" + request(o, "/2"))
    assert response(s)[1] == b"/13\r\nabc\r\n0\r\n\r\n" and response(s)[1] == b"/2"
    s.sendall(request(o, "/3", "POST", more="Transfer-Encoding: chunked\r\n"))
    time.sleep(0.2)
    s.sendall(b"3\r\nabc\r\n0\r\n\r\n" + request(o, "/4") + request(o, "/5", host="closed.example") + request(o, "/6"))
    assert response(s)[1] == b"/33\r\nabc\r\n0\r\n\r\n" and response(s)[1] == b"/4"
    assert status_of(response(s)[0].decode()) == 403
    assert response(s)[1] == b"/6"
    s.close()
    assert {e["reason"] for _, e in pairs(stile, 5)} == {"done"}
    assert not o.troubles


def test_a_chunked_response_is_decoded_for_http_1_0(stile):
    def script(o, c, n):
        get_head(c)
        c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWi")
        time.sleep(0.1)
        for part in (b"ki\r", b"\n5;x=y\r\npedia\r\n", b"0\r\nX-After: 1\r\n", b"\r\nGARBAGE"):
            c.sendall(part)
            time.sleep(0.05)
        c.recv(1)
    s = raw(stile)
    s.sendall(request(Origin(script), version="1.0"))
    head, _, body = to_end(s).partition(b"\r\n\r\n")
    assert body == b"Wikipedia" and b"chunked" not in head.lower() and b"connection: close" in head.lower()
    assert [e["reason"] for _, e in pairs(stile, 1)] == ["done"]


@pytest.mark.parametrize("version, framing, end", [
    ("1.0", "Transfer-Encoding: chunked\r\n", "origin-short"),
    ("1.1", "Transfer-Encoding: chunked\r\n", "origin-short"),
    ("1.1", "Content-Length: 100\r\n", "origin-short"),
    ("1.0", "Content-Length: 100\r\n", "origin-short"),
])
def test_a_broken_response_is_seen_to_be_broken(stile, version, framing, end):
    def script(o, c, n):
        get_head(c)
        c.sendall(f"HTTP/1.1 200 OK\r\n{framing}\r\n5\r\nhello".encode())
        time.sleep(0.3)
    s = raw(stile)
    s.sendall(request(Origin(script), version=version))
    try:
        got = to_end(s)
        head, _, body = got.partition(b"\r\n\r\n")
        head += b"\r\n"
        # framed: less than was promised; without framing only a reset can tell
        assert (b"Transfer-Encoding" in head and not body.endswith(b"0\r\n\r\n")) or length_of(head) > len(body)
    except ConnectionResetError:
        pass
    assert [e["reason"] for _, e in pairs(stile, 1)] == [end]


def test_a_body_without_length_that_the_origin_resets_is_broken_for_the_client(stile):
    def script(o, c, n):
        get_head(c)
        c.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf of ")
        time.sleep(0.3)
        reset(c)
    s = raw(stile)
    s.sendall(request(Origin(script)))
    with pytest.raises(ConnectionResetError):
        to_end(s)
    assert [e["reason"] for _, e in pairs(stile, 1)] == ["origin-broke"]


def test_head_and_bodiless_answers_keep_the_connection_in_step(stile):
    def script(o, c, n):
        while head := get_head(c):
            path = head.split(b" ")[1]
            if path == b"/head":
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            elif path == b"/head-excess":
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL")
            elif path == b"/204":
                c.sendall(b"HTTP/1.1 204 No Content\r\n\r\nEVIL")
            elif path == b"/304":
                c.sendall(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nEVIL")
            elif path == b"/304-late":
                c.sendall(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n")
                time.sleep(0.2)
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL")
            else:
                c.sendall(answer(b"fine"))
    o = Origin(script)
    s = raw(stile)
    for path, method in (("/head", "HEAD"), ("/head-excess", "HEAD"), ("/204", "GET"), ("/304", "GET"), ("/304-late", "GET")):
        s.sendall(request(o, path, method))
        head, _ = response(s, to_head=True)
        assert status_of(head.decode()) in (200, 204, 304)
        if path == "/head":
            assert length_of(head) == 1000
        if path == "/304-late":
            time.sleep(0.4)
        s.sendall(request(o, "/next"))
        assert response(s)[1] == b"fine"
    s.close()
    pairs(stile, 10)


def test_interim_responses_pass(stile):
    def script(o, c, n):
        get_head(c)
        for i in range(20):
            c.sendall(f"HTTP/1.1 103 Early Hints\r\nLink: </{i}>\r\n\r\n".encode())
        c.sendall(answer(b"end"))
        c.recv(1)
    o = Origin(script)
    s = raw(stile)
    s.sendall(request(o))
    for i in range(20):
        head = get_head(s)
        assert status_of(head.decode()) == 103 and f"</{i}>".encode() in head
    assert response(s)[1] == b"end"
    old = raw(stile)
    old.sendall(request(o, version="1.0"))
    assert to_end(old).startswith(b"HTTP/1.1 200")  # HTTP/1.0 knows none
    s.close()
    pairs(stile, 2)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_storm_of_interim_responses_ends(stile, version):
    """It takes neither the worker's time nor its memory, though the client reads nothing."""
    def script(o, c, n):
        if get_head(c).startswith(b"GET /calm"):
            return c.sendall(answer(b"calm"))
        block = b"HTTP/1.1 103 Early Hints\r\nX: " + b"x" * 8000 + b"\r\n\r\n"
        end = time.monotonic() + 6
        while time.monotonic() < end:
            c.sendall(block * 50)
    o = Origin(script)
    before = rss_kib(worker(stile))
    s = raw(stile, rcvbuf=4096)
    s.sendall(request(o, "/storm", version=version))
    time.sleep(1)
    began = time.monotonic()
    other = raw(stile)
    other.sendall(request(o, "/calm"))
    assert response(other)[1] == b"calm"
    assert time.monotonic() - began < 1
    assert rss_kib(worker(stile)) - before < 8000
    other.close()
    assert [e["reason"] for _, e in pairs(stile, 2)] == ["origin-bad", "done"]
    s.close()


def test_expect_continue_is_forwarded(stile):
    def script(o, c, n):
        assert b"100-continue" in get_head(c)
        c.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        c.sendall(answer(exactly(c, 10)))
        get_head(c)
    o = Origin(script)
    s = raw(stile)
    s.sendall(request(o, "/", "PUT", more="Expect: 100-continue\r\nContent-Length: 10\r\n"))
    assert status_of(get_head(s).decode()) == 100
    s.sendall(b"0123456789")
    assert response(s)[1] == b"0123456789"
    s.close()
    pairs(stile, 1)
    assert not o.troubles


def test_expect_continue_that_is_refused_is_refused_at_once(folder, started):
    policy = (POLICY_WIRE % ("roles: { staff = { everyone = true; }; };", "")).replace('name = "rest";', 'name = "rest"; roles = ["staff"];')
    stile = make(folder, started, policy=policy, users=("anna",))
    o = Origin(echo_path)
    for host, status in (("closed.example", 403), ("a.example", 407)):
        s = raw(stile)
        began = time.monotonic()
        s.sendall(request(o, "/", "POST", host, more="Expect: 100-continue\r\nContent-Length: 1000000\r\n"))
        head, body = response(s)
        assert status_of(head.decode()) == status and len(body) == length_of(head) > 0
        assert time.monotonic() - began < 1 and b"Connection: close" in head
        assert to_end(s) == b""
    assert [r["reason"] for r in refusals(stile, 2)] == ["rule", "login"]
    assert o.n == 0


def test_a_refusal_arrives_whole_though_the_client_goes_on_sending(stile):
    o = Origin(echo_path)
    for _ in range(5):
        s = raw(stile)
        s.sendall(request(o, "/", "POST", "closed.example", more=f"Content-Length: {1 << 20}\r\n"))
        for _ in range(16):
            s.sendall(b"x" * (1 << 16))
            time.sleep(0.005)
        head, body = response(s)
        assert status_of(head.decode()) == 403 and body.endswith(b"</html>\n")
        s.close()
    assert len(refusals(stile, 1)) >= 1 and o.n == 0


def test_an_answer_before_the_end_of_the_upload_arrives_whole(stile):
    def script(o, c, n):
        get_head(c)
        c.recv(1000)
        c.sendall(answer(b"too much " * 100, "413 Content Too Large"))
        time.sleep(0.2)
    o = Origin(script)
    s = raw(stile)
    s.sendall(request(o, "/", "POST", more=f"Content-Length: {8 << 20}\r\n"))
    try:
        for _ in range(128):
            s.sendall(b"x" * (1 << 16))
            time.sleep(0.002)
    except OSError:
        pass
    head, body = response(s)
    assert status_of(head.decode()) == 413 and body == b"too much " * 100
    pairs(stile, 1)


def test_a_response_is_whole_though_the_client_sent_more_than_was_asked(stile):
    body = os.urandom(6 << 20)

    def script(o, c, n):
        get_head(c)
        c.sendall(answer(body))
        c.recv(1)
    s = raw(stile, rcvbuf=8192)
    s.sendall(request(Origin(script), more="Connection: close\r\n"))
    head = get_head(s)
    got = exactly(s, 1 << 16)
    for _ in range(10):  # nobody will read this
        s.sendall(b"x")
        time.sleep(0.05)
    time.sleep(0.5)
    assert got + to_end(s) == body
    pairs(stile, 1)


def test_failure_behind_an_upload_lingers_for_the_client(stile):
    def script(o, c, n):
        get_head(c), exactly(c, 100)
    s = raw(stile)
    s.sendall(request(Origin(script), "/", "POST", more="Content-Length: 100\r\n"))
    time.sleep(0.2)
    s.sendall(b"x" * 100)
    head, body = response(s)
    assert status_of(head.decode()) == 502
    for _ in range(5):  # a reset would show here
        s.sendall(b"more")
        time.sleep(0.05)
    pairs(stile, 1)


def test_heads_byte_by_byte(stile):
    def script(o, c, n):
        head = get_head(c)
        assert head.startswith(b"GET /slowly HTTP/1.1\r\nHost: a.example:")
        for b in answer(b"drop by drop", more="X-A: b\r\n"):
            c.sendall(bytes([b]))
            time.sleep(0.001)
        get_head(c)
    o = Origin(script)
    s = raw(stile)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for b in request(o, "/slowly"):
        s.sendall(bytes([b]))
        time.sleep(0.001)
    head, body = response(s)
    assert status_of(head.decode()) == 200 and b"X-A: b\r\n" in head and body == b"drop by drop"
    s.close()
    pairs(stile, 1)
    assert not o.troubles


# --- kept connections ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("method, status, connections", [("GET", 200, 2), ("HEAD", 200, 2), ("POST", 502, 1)])
def test_origin_closes_a_kept_connection_just_when_it_is_reused(stile, method, status, connections):
    def script(o, c, n):
        get_head(c)
        c.sendall(answer(b"first" if n == 1 else b""))
        if n == 1:
            exactly(c, length_of(get_head(c)))  # and not a word
        else:
            c.recv(1)
    o = Origin(script)
    s = raw(stile)
    s.sendall(request(o))
    assert response(s)[1] == b"first"
    s.sendall(request(o, "/", method, more="Content-Length: 3\r\n" if method == "POST" else "") + (b"abc" if method == "POST" else b""))
    head, _ = response(s, to_head=method == "HEAD")
    assert status_of(head.decode()) == status and o.n == connections
    s.close()
    ends = [e["reason"] for _, e in pairs(stile, 2)]
    assert ends == ["done", "done" if status == 200 else "origin-closed"]


def test_it_is_retried_once_only(stile):
    def script(o, c, n):
        get_head(c)
        if n == 1:
            c.sendall(answer(b"first"))
            get_head(c)
    o = Origin(script)
    s = raw(stile)
    s.sendall(request(o) + request(o))
    assert response(s)[1] == b"first"
    assert status_of(response(s)[0].decode()) == 502 and o.n == 2
    pairs(stile, 2)


def test_a_kept_connection_serves_again_after_a_long_body(stile):
    def script(o, c, n):
        while get_head(c):
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n")
            time.sleep(0.05)
            c.sendall(b"x" * 3000)
    o = Origin(script)
    s = raw(stile)
    for _ in range(5):
        s.sendall(request(o))
        assert len(response(s)[1]) == 3000
    assert o.n == 1
    s.close()
    pairs(stile, 5)


@pytest.mark.parametrize("client", ["half a head", "a name that is looked up"])
def test_origin_that_closes_while_the_client_is_slow_costs_no_cpu(stile, client):
    def script(o, c, n):
        get_head(c)
        c.sendall(answer(b"fine"))
        if n == 1:
            time.sleep(0.5)
        else:
            c.recv(1)
    o = Origin(script)
    s = raw(stile)
    s.sendall(request(o))
    assert response(s)[1] == b"fine"
    whole = request(o, host="a.example" if client == "half a head" else "nowhere.test")
    s.sendall(whole[:20] if client == "half a head" else whole)
    began = cpu_s(worker(stile))
    time.sleep(1.4)
    assert cpu_s(worker(stile)) - began < 0.3
    if client == "half a head":
        s.sendall(whole[20:])
        assert response(s)[1] == b"fine" and o.n == 2
        pairs(stile, 2)
    s.close()


def test_origin_that_closes_behind_the_last_response_costs_no_cpu(stile):
    def script(o, c, n):
        get_head(c)
        c.sendall(answer(b"fine"))
        time.sleep(0.2)
    s = raw(stile)
    s.sendall(request(Origin(script), more="Connection: close\r\n"))
    assert response(s)[1] == b"fine"
    began = cpu_s(worker(stile))
    time.sleep(1.2)  # it lingers, as the client does not close
    assert cpu_s(worker(stile)) - began < 0.3
    s.close()
    pairs(stile, 1)


def test_what_a_kept_origin_says_unasked_is_no_answer(stile):
    def script(o, c, n):
        get_head(c)
        c.sendall(answer(b"first"))
        time.sleep(0.2)
        if n == 1:
            c.sendall(answer(b"EVIL"))
        c.recv(1)
    o = Origin(script)
    s = raw(stile)
    s.sendall(request(o))
    assert response(s)[1] == b"first"
    time.sleep(0.5)
    s.sendall(request(o))
    assert response(s)[1] == b"first" and o.n == 2


# --- tunnels -----------------------------------------------------------------------------------------------------------------------

def test_bytes_right_behind_the_connect_head_arrive(stile):
    def script(o, c, n):
        c.sendall(b"got " + exactly(c, 11))
        c.recv(1)
    o = Origin(script)
    s = raw(stile)
    s.sendall(f"CONNECT a.example:{o.port} HTTP/1.1\r\nHost: a.example\r\n\r\nhello world".encode())
    assert status_of(get_head(s).decode()) == 200
    assert exactly(s, 15) == b"got hello world"
    s.close()
    (_, end), = pairs(stile, 1)
    assert (end["up"], end["down"], end["tls"], end["reason"]) == (11, 15, "other", "client-closed")


def test_a_server_that_speaks_first_is_heard(stile):
    def script(o, c, n):
        c.sendall(b"SSH-2.0-test\r\n")
        c.sendall(exactly(c, 6))
        c.recv(1)
    s, head = connect(stile, f"a.example:{Origin(script).port}")
    began = time.monotonic()
    assert exactly(s, 14) == b"SSH-2.0-test\r\n" and time.monotonic() - began < 1
    s.sendall(b"SSH-me")
    assert exactly(s, 6) == b"SSH-me"
    s.close()
    (_, end), = pairs(stile, 1)
    assert (end["up"], end["down"]) == (6, 20)


def test_half_closed_by_the_client_the_rest_arrives(stile):
    data = os.urandom(3 << 20)

    def script(o, c, n):
        got = to_end(c)
        time.sleep(0.2)
        c.sendall(got + data)
    s, _ = connect(stile, f"a.example:{Origin(script).port}")
    s.sendall(b"question")
    s.shutdown(socket.SHUT_WR)
    assert to_end(s) == b"question" + data
    (_, end), = pairs(stile, 1)
    assert (end["up"], end["down"], end["reason"]) == (8, 8 + len(data), "client-closed")


def test_half_closed_by_the_origin_the_rest_arrives(stile):
    data, got = os.urandom(3 << 20), []

    def script(o, c, n):
        c.sendall(b"bye")
        c.shutdown(socket.SHUT_WR)
        got.append(to_end(c))
    s, _ = connect(stile, f"a.example:{Origin(script).port}")
    assert to_end(s) == b"bye"
    time.sleep(0.2)
    s.sendall(data)
    s.close()
    (_, end), = pairs(stile, 1)
    wait_for("the origin has heard all", lambda: got)
    assert got == [data]
    assert (end["up"], end["down"], end["reason"]) == (len(data), 3, "origin-closed")


def test_half_closed_right_behind_connect(stile):
    def script(o, c, n):
        assert to_end(c) == b""
        c.sendall(b"nothing?")
    s, _ = connect(stile, f"a.example:{Origin(script).port}")
    s.shutdown(socket.SHUT_WR)
    assert to_end(s) == b"nothing?"
    (_, end), = pairs(stile, 1)
    assert (end["tls"], end["reason"]) == ("none", "client-closed")


def test_what_an_origin_said_before_it_broke_arrives(stile):
    def script(o, c, n):
        c.recv(1000)
        time.sleep(0.3)  # bytes pile up, so that the close is a reset
        c.sendall(b"the last words")
    for _ in range(3):
        s, _ = connect(stile, f"a.example:{Origin(script).port}")
        s.setblocking(False)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            try:
                s.send(b"x" * 65536)
            except BlockingIOError:
                time.sleep(0.01)
            except OSError:
                break
        s.settimeout(5)
        assert exactly(s, 14) == b"the last words"
        s.close()
    assert {e["reason"] for _, e in pairs(stile, 3)} <= {"origin-broke", "origin-closed"}


def test_upgrade_passes_bytes_both_ways_and_half_closes(stile):
    def script(o, c, n):
        assert b"Upgrade: echo" in get_head(c)
        c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\nfirst")
        c.sendall(to_end(c))
    o = Origin(script)
    s = raw(stile)
    s.sendall(request(o, more="Upgrade: echo\r\nConnection: upgrade\r\n") + b"early")
    assert status_of(get_head(s).decode()) == 101
    assert exactly(s, 5) == b"first"
    s.sendall(b"later")
    s.shutdown(socket.SHUT_WR)
    assert to_end(s) == b"earlylater"
    (_, end), = pairs(stile, 1)
    assert end["status"] == 101 and end["reason"] == "client-closed"
    assert not o.troubles


@pytest.fixture
def tls_house(folder, started):
    ca = Authority(folder)
    key, pem = ca.leaf(["a.example", "b.example", "opaque.example"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem, key)
    client = ssl.create_default_context(cafile=str(ca.ca))

    def script(o, c, n):
        t = server.wrap_socket(c, server_side=True)
        t.sendall(t.recv(100))
        t.recv(1)
        t.close()
    return Origin(script), client


def test_tls_only(folder, started, tls_house):
    stile = make(folder, started, tls_only=True, opaque=True)
    tls, client = tls_house
    heard = []

    def script(o, c, n):
        try:
            c.sendall(b"banner")
            heard.append(to_end(c))
        except ConnectionResetError:
            heard.append(b"")
    plain = Origin(script)
    s, head = connect(stile, f"a.example:{tls.port}")
    t = client.wrap_socket(s, server_hostname="a.example")
    t.sendall(b"secret")
    assert t.recv(6) == b"secret"
    t.close()
    s, head = connect(stile, f"a.example:{plain.port}")
    s.sendall(b"SSH-2.0-x\r\n")
    assert status_of(head) == 200
    try:
        assert to_end(s) == b""
    except ConnectionResetError:
        pass
    s, _ = connect(stile, f"a.example:{plain.port}")  # silent: the time for a hello is bounded
    began = time.monotonic()
    assert to_end(s) == b"" and 1 < time.monotonic() - began < 6
    s, _ = connect(stile, f"opaque.example:{plain.port}")
    assert exactly(s, 6) == b"banner"
    s.sendall(b"SSH-2.0-y\r\n")
    s.close()
    got = pairs(stile, 4)
    assert [e["reason"] for _, e in got] == ["client-closed", "not-tls", "not-tls", "client-closed"]
    assert [e["tls"] for _, e in got] == ["tls", "other", "none", "other"] and got[1][1]["up"] == 0
    wait_for("the origin's side", lambda: len(heard) == 3)
    assert sorted(heard) == [b"", b"", b"SSH-2.0-y\r\n"]


@pytest.mark.parametrize("host, status", [("a.example", 200), ("opaque.example", 101)])
def test_tls_only_holds_for_upgrades(folder, started, host, status):
    def script(o, c, n):
        if b"Upgrade: x" in get_head(c):
            c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
        else:
            c.sendall(answer(b"plain"))
        c.recv(1)
    stile = make(folder, started, tls_only=True, opaque=True)
    s = raw(stile)
    s.sendall(request(Origin(script), host=host, more="Upgrade: x\r\nConnection: upgrade\r\n"))
    assert status_of(get_head(s).decode()) == status
    s.close()
    pairs(stile, 1)


def test_a_101_that_nobody_asked_for_is_no_tunnel(stile):
    def script(o, c, n):
        get_head(c)
        c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nEVIL")
        c.recv(1)
    s = raw(stile)
    s.sendall(request(Origin(script)))
    head, body = response(s)
    assert status_of(head.decode()) == 502 and b"EVIL" not in body
    assert [e["reason"] for _, e in pairs(stile, 1)] == ["origin-bad"]


def test_a_client_hello_in_pieces_and_another_name(folder, started, tls_house):
    stile = make(folder, started, tls_only=True)
    o, client = tls_house
    for name, sni in (("a.example", None), ("b.example", "b.example")):
        s, _ = connect(stile, f"a.example:{o.port}")
        to, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        t = client.wrap_bio(back, to, server_hostname=name)
        with pytest.raises(ssl.SSLWantReadError):
            t.do_handshake()
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for b in to.read():
            s.sendall(bytes([b]))
        while True:
            try:
                t.do_handshake()
                break
            except ssl.SSLWantReadError:
                if to.pending:
                    s.sendall(to.read())
                back.write(s.recv(65536))
        s.close()
    got = pairs(stile, 2)
    assert [e["tls"] for _, e in got] == ["tls", "tls"] and [e["sni"] for _, e in got] == [None, "b.example"]


def test_another_name_is_refused_where_the_policy_says_so(folder, started, tls_house):
    policy = POLICY_WIRE % ("sni_match = true;", "")
    stile = make(folder, started, policy=policy)
    o, client = tls_house
    s, _ = connect(stile, f"a.example:{o.port}")
    client.wrap_socket(s, server_hostname="a.example").close()
    s, _ = connect(stile, f"a.example:{o.port}")
    with pytest.raises((ssl.SSLError, OSError)):
        client.wrap_socket(s, server_hostname="b.example")
    s.close()
    s, _ = connect(stile, f"127.0.0.1:{o.port}")  # by address: the name behind it was never judged
    with pytest.raises((ssl.SSLError, OSError)):
        client.wrap_socket(s, server_hostname="b.example")
    s.close()
    s, _ = connect(stile, f"a.example:{o.port}")  # half a ClientHello, and then nothing
    s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    s.settimeout(20)
    assert s.recv(1) == b""
    s.close()
    echo = Origin(lambda o, c, n: [c.sendall(d) for d in iter(lambda: c.recv(100), b"")])
    s, _ = connect(stile, f"a.example:{echo.port}")  # what is not TLS names nobody
    s.sendall(b"SSH-2.0-x")
    assert exactly(s, 9) == b"SSH-2.0-x"
    s.close()
    got = pairs(stile, 5)
    assert [e["reason"] for _, e in got[1:4]] == ["other-name"] * 3 and "other-name" not in (got[0][1]["reason"], got[4][1]["reason"])
    assert [e["sni"] for _, e in got[1:3]] == ["b.example"] * 2


# --- refused ------------------------------------------------------------------------------------------------------------------------

def test_guarded_addresses(folder, started):
    policy = (POLICY_WIRE % ("", "")).replace('inside = [ "127.0.0.0/8", "::1/128" ];', "inside = [ ];")
    stile = make(folder, started, policy=policy, more=TIMEOUTS)
    stile.hosts.write_text(stile.hosts.read_text() + "169.254.169.254 meta.test\n127.0.0.1 local.test\n::ffff:127.0.0.1 mapped.test\n::1 six.test\n")
    stile.reload()
    o = Origin(echo_path)
    cases = [f"127.0.0.1:{o.port}", "169.254.169.254:80", f"[::ffff:127.0.0.1]:{o.port}", f"[::ffff:169.254.169.254]:{o.port}", f"[::1]:{o.port}",
             f"local.test:{o.port}", "meta.test:80", f"mapped.test:{o.port}", f"six.test:{o.port}", f"0.0.0.0:{o.port}", f"[64:ff9b::7f00:1]:{o.port}",
             f"[2002:7f00:1::]:{o.port}", "10.9.8.7:80", "[fd00::1]:80", f"a.example:{o.port}"]
    for case in cases:
        s, head = connect(stile, case)
        assert status_of(head) == 403, case
        assert re.search(r'(?m)^Proxy-Status: stile; error=http_request_denied; details="[^"]+"\r$', head), case
        s.close()
        s = raw(stile)
        s.sendall(f"GET http://{case}/ HTTP/1.1\r\nHost: {case}\r\n\r\n".encode())
        assert status_of(response(s)[0].decode()) == 403, case
        s.close()
    assert o.n == 0
    assert {r["reason"] for r in refusals(stile, 3)} == {"special", "inside"}
    assert not [r for r in stile.journal_records() if r["k"] == "end"]


def test_own_listener(folder, started):
    stile = make(folder, started)
    for case in (f"127.0.0.1:{stile.port}", f"a.example:{stile.port}", f"[::ffff:127.0.0.1]:{stile.port}"):
        s, head = connect(stile, case)
        assert status_of(head) == 403, (case, head)
        s.close()
    assert {r["reason"] for r in refusals(stile, 1)} == {"self"}


def test_own_listener_on_all_addresses(folder, started):
    own = {a for line in run("ip", "-4", "-o", "addr").stdout.splitlines() for a in re.findall(r"inet ([\d.]+)", line)} | {"127.0.0.5"}
    ranges = ", ".join(f'"{a}/32"' for a in sorted(own))
    stile = Stile(folder, policy=f'inside = [ {ranges} ]; ports = [ "1024-65535" ]; rules = ( {{ name = "all"; to = [ {ranges} ]; action = "allow"; }} );',
                  users=(), workers=1)
    stile.config.write_text(stile.config.read_text().replace(f"127.0.0.1:{stile.port}", f"0.0.0.0:{stile.port}"))
    started(stile)
    for address in own | {"[::ffff:127.0.0.1]"}:
        s, head = connect(stile, f"{address}:{stile.port}")
        assert status_of(head) == 403 and "the proxy itself" in head, (address, head)
        s.close()


def test_clients_queued_at_term_are_served(folder, started):
    """A stopped worker's queue holds connections that the kernel has accepted: they get their answer."""
    origin = started(Nginx(folder))
    stile = make(folder, started)
    worker_pid = worker(stile)
    os.kill(worker_pid, signal.SIGSTOP)
    waiting = [raw(stile) for _ in range(10)]
    for s in waiting:
        s.sendall(f"GET http://a.example:{origin.http}/ok HTTP/1.1\r\nHost: a.example\r\n\r\n".encode())
    stile.p.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    os.kill(worker_pid, signal.SIGCONT)
    for s in waiting:
        s.settimeout(10)
        assert s.recv(100).startswith(b"HTTP/1.1 ")
        s.close()


@pytest.mark.parametrize("head, status", [
    ("GET https://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", 400),
    ("GET http://user:pw@a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", 400),
    ("GET http://a.example/ HTTP/1.1\r\n\r\n", 400),
    ("GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n", 400),
    ("GET http://a.example/ HTTP/2.0\r\nHost: a.example\r\n\r\n", 505),
    ("POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3, 4\r\n\r\n", 400),
    ("POST http://a.example/ HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ("POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding : chunked\r\n\r\n", 400),
    ("GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n folded\r\n\r\n", 400),
    ("GET http://a.example/ HTTP/1.1\nHost: a.example\n\n", 400),
    ("CONNECT a.example HTTP/1.1\r\nHost: a.example\r\n\r\n", 400),
    ("CONNECT http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", 400),
    ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400),
    ("GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nX: " + "y" * 40000 + "\r\n\r\n", 431),
    ("GET http://a.example/" + "y" * 40000 + " HTTP/1.1\r\nHost: a.example\r\n\r\n", 414),
    ("GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nExpect: miracles\r\n\r\n", 417),
], ids=lambda v: re.sub(r"\s+", " ", v)[:60] if isinstance(v, str) else None)
def test_bad_heads(stile, head, status):
    first = raw(stile)  # whatever a request before had, a refusal is whole
    o = Origin(echo_path)
    first.sendall(request(o, "/", "HEAD"))
    get_head(first), first.close()
    s = raw(stile)
    s.sendall(head.encode("latin-1"))
    got, body = response(s)
    assert status_of(got.decode()) == status
    assert len(body) == length_of(got) > 0 and b"Connection: close" in got and b"pw" not in body
    assert to_end(s) == b""
    (r,) = refusals(stile, 1)
    assert (r["verdict"], r["reason"], r["user"]) == ("fail", "bad-request", None)
    pairs(stile, 1)


@pytest.mark.parametrize("head", ["GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n"], ids=["origin", "asterisk"])
def test_forms_for_servers_are_bad_where_there_is_no_portal(folder, started, head):
    stile = make(folder, started, more=TIMEOUTS + ' portal = "";')
    s = raw(stile)
    s.sendall(head.encode())
    assert status_of(response(s)[0].decode()) == 400 and to_end(s) == b""
    assert refusals(stile, 1)[0]["reason"] == "bad-request"


def test_a_bad_head_is_not_put_down_to_whoever_asked_before(folder, started):
    policy = (POLICY_WIRE % ("roles: { staff = { everyone = true; }; };", "")).replace('name = "rest";', 'name = "rest"; roles = ["staff"];')
    stile = make(folder, started, policy=policy, users=("anna",))
    o = Origin(echo_path)
    s = raw(stile)
    s.sendall(request(o, more=basic("anna") + "\r\n") + b"BAD\r\n\r\n")
    assert response(s)[1] == b"/ " and status_of(response(s)[0].decode()) == 400
    assert [r["user"] for r in refusals(stile, 1)] == [None]
    assert [len(a["user"]) for a, _ in pairs(stile, 1)] == [24]


def test_unreachable_origin(stile):
    port = free_port()
    s, head = connect(stile, f"a.example:{port}")
    assert status_of(head) == 502 and "destination_unavailable" in head
    s = raw(stile)
    s.sendall(f"GET http://a.example:{port}/ HTTP/1.1\r\nHost: a.example\r\n\r\n".encode())
    assert status_of(response(s)[0].decode()) == 502
    s.close()
    assert [(e["reason"], e["status"]) for _, e in pairs(stile, 2)] == [("unreachable", 502)] * 2


def test_connect_timeout(stile):
    # a full queue: the kernel answers no further SYN
    blackhole = socket.create_server(("127.0.0.1", 0), backlog=0)
    port, filler = blackhole.getsockname()[1], []
    for _ in range(4):
        f = socket.socket()
        f.setblocking(False)
        f.connect_ex(("127.0.0.1", port))
        filler.append(f)
    time.sleep(0.2)
    began = time.monotonic()
    s, head = connect(stile, f"a.example:{port}")
    assert status_of(head) == 504 and 0.8 < time.monotonic() - began < 5
    assert [(e["reason"], e["status"]) for _, e in pairs(stile, 1)] == [("connect-timeout", 504)]


# --- time -----------------------------------------------------------------------------------------------------------------------

def test_bounds_of_time(stile):
    """Silent connections, half heads, kept ones, stalled origins and idle tunnels: each ends at its own bound."""
    def script(o, c, n):
        head = get_head(c)
        if b"/kept" in head:
            c.sendall(answer(b"ok"))
        if b"/half" in head:
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        if b"/until" in head:
            c.sendall(b"HTTP/1.1 200 OK\r\n\r\n12345")
        time.sleep(15)
    o = Origin(script)
    now = time.monotonic
    ends, threads = {}, []

    def case(name, first, low, high):
        s = raw(stile)
        began = now()
        s.sendall(first)
        got = b""
        try:
            while d := s.recv(65536):
                got += d
        except ConnectionResetError:
            got += b"RESET"
        ends[name] = (got, low <= now() - began <= high, now() - began)

    tunnel = f"CONNECT a.example:{o.port} HTTP/1.1\r\nHost: a.example\r\n\r\n".encode()
    for name, first, low, high in (("silent", b"", 1.5, 4), ("half head", b"GET http://a.exa", 1.5, 4), ("kept", request(o, "/kept"), 1.5, 4.5),
                                   ("no answer", request(o, "/none"), 1.9, 6), ("half answer", request(o, "/half"), 1.9, 6),
                                   ("until close", request(o, "/until"), 1.9, 6), ("idle tunnel", tunnel, 8.5, 14)):
        threads.append(threading.Thread(target=case, args=(name, first, low, high)))
        threads[-1].start()
    for t in threads:
        t.join(20)
    assert {n: ok for n, (_, ok, _) in ends.items() if not ok} == {}, ends
    status = {n: status_of(got.decode("latin-1")) for n, (got, _, _) in ends.items()}
    assert status == {"silent": 0, "half head": 408, "kept": 200, "no answer": 504, "half answer": 200, "until close": 200, "idle tunnel": 200}
    assert ends["until close"][0].endswith(b"RESET")  # a clean end would pass for the whole
    got = collections.Counter(e["reason"] for _, e in pairs(stile, 5))
    assert got == {"done": 1, "stalled": 3, "idle": 1}


def test_a_reader_that_is_slow_but_reads_is_not_stalled(folder, started):
    stile = make(folder, started, more=TIMEOUTS.replace('stall = "3s"', 'stall = "2s"'))

    def script(o, c, n):
        get_head(c)
        c.sendall(answer(b"x" * (12 << 20)))
        c.recv(1)
    s = raw(stile, rcvbuf=65536)
    s.sendall(request(Origin(script)))
    get_head(s)
    got, began = 0, time.monotonic()
    while got < 12 << 20:
        d = s.recv(1 << 20)
        assert d, f"cut off after {got} bytes and {time.monotonic() - began} s"
        got += len(d)
        time.sleep(len(d) / (1.6 * (1 << 20)))
    s.close()
    assert [e["down"] >= 12 << 20 for _, e in pairs(stile, 1)] == [True]


def test_a_slow_reader_costs_no_memory_and_stops_nobody(stile):
    data = os.urandom(1 << 20)

    def script(o, c, n):
        if get_head(c).startswith(b"GET /small"):
            return c.sendall(answer(b"small"))
        c.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {20 << 20}\r\n\r\n".encode())
        for _ in range(20):
            c.sendall(data)
        c.recv(1)
    o = Origin(script)
    warm = raw(stile)
    warm.sendall(request(o, "/small"))
    assert response(warm)[1] == b"small"
    warm.close()
    before = rss_kib(worker(stile))
    slow = [raw(stile, rcvbuf=65536 if i == 0 else 4096) for i in range(10)]
    for s in slow:
        s.sendall(request(o, "/big"))
    time.sleep(0.7)
    slack = 8 if "san" in BUILD.name else 1  # sanitizers keep shadows and freed memory
    assert rss_kib(worker(stile)) - before < slack * (10 * 300 + 1000)
    began, spent = time.monotonic(), cpu_s(worker(stile))
    for _ in range(20):
        s = raw(stile)
        s.sendall(request(o, "/small", more="Connection: close\r\n"))
        assert response(s)[1] == b"small"
        s.close()
    assert time.monotonic() - began < 2
    time.sleep(0.5)
    assert cpu_s(worker(stile)) - spent < 0.3
    assert length_of(get_head(slow[0])) == 20 << 20
    for s in slow[1:]:
        reset(s)
    assert exactly(slow[0], 20 << 20)[-1000:] == data[-1000:]
    slow[0].close()
    pairs(stile, 31)


# --- many ---------------------------------------------------------------------------------------------------------------------------

def test_connections_reset_at_random_leave_nothing_behind(stile):
    def script(o, c, n):
        while head := get_head(c):
            if b"CONNECT" in head:
                return
            c.sendall(answer(b"y" * random.choice((0, 10, 100000))))
    o = Origin(script)
    pid = worker(stile)
    warm = raw(stile)
    warm.sendall(request(o))
    response(warm), warm.close()
    time.sleep(0.3)
    before = descriptors(pid)
    dice = random.Random(7)
    tunnel = f"CONNECT a.example:{o.port} HTTP/1.1\r\nHost: a.example\r\n\r\n".encode()
    for i in range(500):
        s = raw(stile)
        what = dice.choice((b"", request(o)[:dice.randrange(1, 40)], request(o), request(o) * 3, tunnel, tunnel + b"\x16\x03\x01", tunnel + b"hello",
                            request(o, "/", "POST", more="Content-Length: 50000\r\n") + b"x" * dice.randrange(50000),
                            request(o, host="closed.example"), b"\0"))
        s.sendall(what)
        if dice.random() < 0.5:
            time.sleep(dice.random() * 0.01)
        if dice.random() < 0.3:
            try:
                s.settimeout(0.05)
                s.recv(dice.randrange(1, 1000))
            except OSError:
                pass
        reset(s) if dice.random() < 0.7 else s.close()
    wait_for("descriptors come back", lambda: descriptors(pid) <= before, 15)
    assert worker(stile) == pid
    stile.stop()
    assert " 0 connections are open" in stile.said()
    rs = stile.journal_records()
    a = collections.Counter(r["id"] for r in rs if r["k"] == "access" and r["verdict"] == "allow")
    e = collections.Counter(r["id"] for r in rs if r["k"] == "end")
    assert a == e and set(a.values()) == {1} and len(a) > 100


def read_body(s, head):
    if b"transfer-encoding: chunked" not in head.lower():
        return exactly(s, length_of(head))
    body = b""
    while n := int(get_line(s).split(b";")[0], 16):
        body += exactly(s, n)
        assert exactly(s, 2) == b"\r\n"
    assert get_line(s) == b""
    return body


def get_line(s):
    line = b""
    while not line.endswith(b"\r\n"):
        line += exactly(s, 1) or b"\r\n"
    return line[:-2]


def chunked(data, dice):
    out, at = b"", 0
    while at < len(data):
        n = dice.choice((1, 7, 1000, 65536, 300000))
        piece = data[at:at + n]
        out += f"{len(piece):x}{dice.choice(('', ';x=y'))}\r\n".encode() + piece + b"\r\n"
        at += n
    return out + b"0\r\n\r\n"


def test_random_traffic_is_answered_right(folder, started):
    """Whatever the sizes, the framing and the pieces: each request gets its own answer, byte for byte, and its records add up."""
    stile = make(folder, started, workers=2, more="")

    def script(o, c, n):
        dice = random.Random(n)
        while head := get_head(c):
            tag, kind = head.split(b" ")[1].split(b"?")
            data = tag + b" " + read_body(c, head)
            if kind == b"length":
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + (b"" if head.startswith(b"HEAD") else data))
            elif kind == b"chunked":
                c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"" if head.startswith(b"HEAD") else chunked(data, dice)))
            else:
                return c.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + (b"" if head.startswith(b"HEAD") else data))
    o = Origin(script)
    troubles, done = [], []

    def client(seed):
        dice = random.Random(seed)
        s, pending = None, []

        def pour(data):
            at = 0
            while at < len(data):
                n = dice.choice((1, 10, 100, 5000, 1 << 20))
                s.sendall(data[at:at + n])
                at += n
        try:
            for i in range(40):
                if s is None:
                    s = raw(stile)
                tag, kind = f"/{seed}-{i}", dice.choice(("length", "chunked", "close"))
                method = dice.choice(("GET", "GET", "HEAD", "POST"))
                data = dice.randbytes(dice.choice((0, 1, 100, 70000, 600000))) if method == "POST" else b""
                framing = dice.choice((f"Content-Length: {len(data)}\r\n", "Transfer-Encoding: chunked\r\n")) if method == "POST" else ""
                head = request(o, f"{tag}?{kind}", method, more=framing)
                pour(head + (chunked(data, dice) if "chunked" in framing else data))
                pending.append((tag, kind, method, data))
                if kind != "close" and method != "POST" and dice.random() < 0.4:
                    continue  # pipelined: the answers are read later
                for tag, kind, method, data in pending:
                    head = get_head(s)
                    assert head.startswith(b"HTTP/1.1 200"), (tag, head)
                    if method == "HEAD":
                        body = None
                    elif kind == "close":
                        body = to_end(s)
                    else:
                        body = read_body(s, head)
                    assert body is None or body == f"{tag} ".encode() + data, (tag, kind, method, len(data), body and body[:50])
                    done.append(tag)
                if pending[-1][1] == "close":
                    s.close()
                    s = None
                pending = []
            for tag, kind, method, data in pending:
                head = get_head(s)
                if method != "HEAD":
                    assert read_body(s, head) == f"{tag} ".encode() + data
                done.append(tag)
        except Exception as e:
            troubles.append((seed, e))
    threads = [threading.Thread(target=client, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert not troubles and not o.troubles and len(done) == len(set(done)) == 320
    assert {e["reason"] for _, e in pairs(stile, 320)} == {"done"}


def test_clients_that_leave_while_something_is_under_way(folder, started):
    """A login being checked, a name being looked up, a connection being opened: what comes back finds nobody, and harms nobody."""
    policy = (POLICY_WIRE % ("roles: { staff = { everyone = true; }; };", "")).replace('name = "rest";', 'name = "rest"; roles = ["staff"];')
    deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # a name server that hears all and says nothing
    deaf.bind(("127.0.0.1", 0))
    stile = Stile(folder, policy=policy, names=NAMES, workers=1, users=("anna",), more=TIMEOUTS)
    stile.config.write_text(stile.config.read_text().replace("127.0.0.1@9", f"127.0.0.1@{deaf.getsockname()[1]}"))
    started(stile)
    blackhole = socket.create_server(("127.0.0.1", 0), backlog=0)
    filler = [socket.socket() for _ in range(4)]
    for f in filler:
        f.setblocking(False)
        f.connect_ex(blackhole.getsockname())
    o, pid = Origin(echo_path), worker(stile)
    warm = raw(stile)
    warm.sendall(request(o, more=basic("anna") + "\r\n"))
    assert response(warm)[1] == b"/ "
    warm.close()
    time.sleep(0.3)
    before, dice = descriptors(pid), random.Random(3)
    for i in range(120):
        guess = "Proxy-Authorization: Basic " + base64.b64encode(f"anna:{dice.randrange(20)}".encode()).decode() + "\r\n"
        right = basic("anna") + "\r\n"
        s = raw(stile)
        s.sendall(dice.choice((request(o, more=guess), request(o, host=f"n{i}.test", more=right), request(o, host=f"n{i}.example", more=right),
                               f"CONNECT a.example:{blackhole.getsockname()[1]} HTTP/1.1\r\nHost: a.example\r\n{right}\r\n".encode())))
        time.sleep(dice.random() * 0.02)
        reset(s) if dice.random() < 0.8 else s.close()
        if i == 60:
            stile.policy_file.write_text(stile.policy_file.read_text() + "# changed\n")
            stile.map(NAMES + ["more.example"])
            stile.reload()
    wait_for("descriptors come back", lambda: descriptors(pid) <= before, 15)
    assert worker(stile) == pid
    s = raw(stile)
    s.sendall(request(o, more=basic("anna") + "\r\n"))
    assert response(s)[1] == b"/ "
    stile.stop()
    rs = stile.journal_records()
    a = collections.Counter(r["id"] for r in rs if r["k"] == "access" and r["verdict"] == "allow")
    assert a == collections.Counter(r["id"] for r in rs if r["k"] == "end") and len(a) > 10


def test_children_hold_only_their_own_descriptors(stile):
    for role, pid in [(role, p) for role, ps in stile.children().items() for p in ps]:
        links, whole = {}, {str(stile.journal)} if role == "shipper" else set()  # which reads all of it
        for fd in os.listdir(f"/proc/{pid}/fd"):
            links[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
        seqpackets = [l for l in links.values() if l.startswith("socket:")]
        assert not [l for l in links.values() if str(stile.d) in l and "/journal/" not in l and not l.endswith(".log") and l not in whole], links
        assert len(seqpackets) <= 6, links


# --- reload and stop, in each state ---------------------------------------------------------------------------------------------------

def in_each_state(stile, o):
    """A connection in each state that can last: (name, socket)."""
    tunnel = f"CONNECT a.example:{o.port} HTTP/1.1\r\nHost: a.example\r\n\r\n".encode()
    out = {}
    for name, first in (("silent", b""), ("half head", b"GET http://a.ex"), ("resolving", request(o, host="slow.test")), ("hello", tunnel),
                        ("waits", request(o, "/wait")), ("uploads", request(o, "/up", "POST", more="Content-Length: 10\r\n") + b"12345"),
                        ("relay", tunnel + b"GET /tunnel HTTP/1.1\r\n\r\n"), ("kept", request(o, "/now")),
                        ("lingers", request(o, "/", "POST", "closed.example", more="Content-Length: 10\r\n"))):
        out[name] = s = raw(stile)
        s.sendall(first)
        if name in ("hello", "relay"):
            assert status_of(get_head(s).decode()) == 200
        if name == "kept":
            assert response(s)[1] == b"now"
    time.sleep(0.3)
    return out


def patient(release):
    def script(o, c, n):
        head = get_head(c)
        if b"/now" in head:
            c.sendall(answer(b"now"))
            return c.recv(1)
        if b"/up" in head:
            return c.sendall(answer(exactly(c, 10)))
        release.wait(10)
        c.sendall(answer(b"waited"))
        c.recv(1)
    return script


def finish(stile, c, release):
    release.set()
    assert response(c["waits"])[1] == b"waited"
    c["uploads"].sendall(b"67890")
    assert response(c["uploads"])[1] == b"1234567890"
    assert response(c["relay"])[1] == b"waited"
    c["hello"].sendall(b"GET /tunnel HTTP/1.1\r\n\r\n")
    assert response(c["hello"])[1] == b"waited"
    assert status_of(response(c["lingers"])[0].decode()) == 403


def test_reload_in_each_state(folder, started):
    stile = make(folder, started, workers=2, more="")
    release = threading.Event()
    o = Origin(patient(release))
    c = in_each_state(stile, o)
    for i in range(3):
        stile.policy_file.write_text(stile.policy_file.read_text() + f"# {i}\n")
        stile.map(NAMES + [f"n{i}.example"])
        stile.reload()
    finish(stile, c, release)
    c["half head"].sendall(f"ample:{o.port}/now HTTP/1.1\r\nHost: a.example\r\n\r\n".encode())
    assert response(c["half head"])[1] == b"now"
    c["silent"].sendall(request(o, "/now", host="n2.example"))
    assert response(c["silent"])[1] == b"now"
    c["kept"].sendall(request(o, "/now"))
    assert response(c["kept"])[1] == b"now"
    for s in c.values():
        s.close()
    pairs(stile, 8)


def test_drain_in_each_state(folder, started):
    stile = make(folder, started, more='timeouts = { drain = "8s"; head = "4s"; };')
    release = threading.Event()
    o = Origin(patient(release))
    c = in_each_state(stile, o)
    began = time.monotonic()
    stile.p.send_signal(signal.SIGTERM)
    wait_for("it drains", lambda: "connections are open" in stile.said())
    assert to_end(c["silent"]) == b"" and to_end(c["kept"]) == b"" and time.monotonic() - began < 2
    finish(stile, c, release)
    c["half head"].sendall(f"ample:{o.port}/now HTTP/1.1\r\nHost: a.example\r\n\r\n".encode())
    head, body = response(c["half head"])
    assert body == b"now" and b"Connection: close" in head
    for s in c.values():
        s.close()
    assert stile.stop() == 0
    assert time.monotonic() - began < 7  # nobody was left to wait for
    pairs(stile, 6)


def test_stop_at_once_in_each_state(folder, started):
    stile = make(folder, started)
    release = threading.Event()
    o = Origin(patient(release))
    c = in_each_state(stile, o)
    assert stile.stop(signal.SIGINT, 5) == 0
    release.set()
    got = pairs(stile, 5)
    assert collections.Counter(e["reason"] for _, e in got) == {"done": 1, "stopped": 4}
    for s in c.values():
        s.close()


# --- connections to origins that wait for others --------------------------------------------------


def numbered(o, s, n):
    """Says of each answer on which connection it came."""
    while head := get_head(s):
        exactly(s, length_of(head))
        if b" /login" in head and b"Authorization" not in head:
            s.sendall(answer(str(n).encode(), "401 Unauthorized", "WWW-Authenticate: Negotiate\r\n"))
        else:
            s.sendall(answer(str(n).encode()))


def asked(stile, o, path="/", **kw):
    """By a client of its own: the number of the origin's connection."""
    with raw(stile) as c:
        c.sendall(request(o, path, **kw))
        return int(response(c)[1])


def test_a_connection_that_a_client_leaves_serves_the_next_one(stile):
    o = Origin(numbered)
    assert asked(stile, o) == 1
    wait_for("it waits, and is used", lambda: asked(stile, o) == 1)
    assert [asked(stile, o, f"/{i}") for i in range(20)].count(1) > 10
    # another port is another origin
    p = Origin(numbered)
    assert asked(stile, p) == 1


def test_what_may_not_be_asked_twice_has_a_connection_of_its_own(stile):
    o = Origin(numbered)
    assert asked(stile, o) == 1
    time.sleep(0.1)
    with raw(stile) as c:
        c.sendall(request(o, method="POST", more="Content-Length: 1\r\n") + b"x")
        assert response(c)[1] == b"2"
        c.sendall(request(o))
        assert response(c)[1] == b"2"  # the client's own goes first
    with raw(stile) as c:
        c.sendall(request(o, method="DELETE"))
        assert response(c)[1] == b"3"


def test_a_connection_on_which_somebody_logged_in_is_nobody_elses(stile):
    """Negotiate and NTLM authenticate the connection (RFC 4559 6)."""
    o = Origin(numbered)
    with raw(stile) as c:
        c.sendall(request(o, "/login"))
        assert status_of(response(c)[0].decode()) == 401
        c.sendall(request(o, "/login", more="Authorization: Negotiate YII=\r\n"))
        assert response(c)[1] == b"1"
        c.sendall(request(o, "/mine"))
        assert response(c)[1] == b"1"
    time.sleep(0.1)
    assert asked(stile, o) == 2
    # a 401 alone may be the beginning of it
    o = Origin(numbered)
    with raw(stile) as c:
        c.sendall(request(o, "/login"))
        response(c)
    time.sleep(0.1)
    assert asked(stile, o) == 2


@pytest.mark.parametrize("what", ["close", "reset", "babble"])
def test_a_waiting_connection_that_the_origin_ends_is_not_used(stile, what):
    seen = []

    def script(o, s, n):
        head = get_head(s)
        seen.append((n, head.split(b" ")[1]))
        s.sendall(answer(str(n).encode()))
        time.sleep(0.15)
        if what == "babble":
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")
            time.sleep(1)
        reset(s) if what == "reset" else s.close()
    o = Origin(script)
    assert asked(stile, o) == 1
    time.sleep(0.4)
    assert asked(stile, o, "/again") == 2
    assert [p for n, p in seen] == [b"/", b"/again"]


def test_who_finds_it_closing_is_asked_again_on_a_new_one(stile):
    def script(o, s, n):
        get_head(s)
        s.sendall(answer(str(n).encode()))
        if n == 1:
            get_head(s)  # the second request is heard, and the connection closed without an answer
            return
        while get_head(s):
            s.sendall(answer(str(n).encode()))
    o = Origin(script)
    assert asked(stile, o) == 1
    time.sleep(0.1)
    assert asked(stile, o, "/again") == 2
