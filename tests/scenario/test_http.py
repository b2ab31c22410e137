"""HTTP to the letter: duties of a proxy (RFC 9110, RFC 9112) that test_wire.py does not show, with raw clients and scripted origins.
docs/http.md names the test of each duty."""
import pytest
from harness import *
from test_wire import Origin, answer, basic, exactly, get_head, make, pairs, raw, refusals, request, response, stile, to_end  # noqa: F401 (a fixture among them)


def heads(seen):
    """An origin that keeps each request head and answers."""
    def script(o, c, n):
        while head := get_head(c):
            seen.append(head.decode("latin-1"))
            c.sendall(answer(b"ok"))
    return Origin(script)


def fields(head, name):
    return re.findall(rf"(?im)^{re.escape(name)}: (.*)\r$", head)


def ask(stile, o, **more):
    s = raw(stile)
    s.sendall(request(o, **more))
    got = response(s)
    s.close()
    return got


# --- what a request looks like to the origin ---------------------------------------------------------

def test_the_target_decides_and_the_host_field_is_made_anew(stile):
    seen = []
    o = heads(seen)
    s = raw(stile)
    s.sendall(f"GET http://a.example:{o.port}/x?y=%2F HTTP/1.1\r\nHost: other.example\r\n\r\n".encode())
    assert response(s)[1] == b"ok"
    s.close()
    assert seen[0].startswith("GET /x?y=%2F HTTP/1.1\r\n") and fields(seen[0], "Host") == [f"a.example:{o.port}"]


@pytest.mark.parametrize("path, sent", [("/%7Ea/../b//c?q=%20&r=a+b#f", "/%7Ea/../b//c?q=%20&r=a+b"), ("/a;p=1,2", "/a;p=1,2"), ("/%e4", "/%e4"), ("/" + "x" * 8000, "/" + "x" * 8000)])
def test_path_and_query_are_never_changed(stile, path, sent):
    seen = []
    o = heads(seen)
    s = raw(stile)
    s.sendall(f"GET http://a.example:{o.port}{path.split('#')[0]} HTTP/1.1\r\nHost: a.example\r\n\r\n".encode())
    assert response(s)[1] == b"ok"
    s.close()
    assert seen[0].split(" ")[1] == sent


def test_fields_of_the_hop_end_here_and_the_others_keep_their_order(stile):
    seen = []
    o = heads(seen)
    ask(stile, o, more="X-Many: 1\r\nConnection: X-Hop, keep-alive\r\nX-Hop: secret\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n"
                       "TE: trailers\r\nX-Many: 2\r\nAuthorization: Basic QTpC\r\nX-Many: 3\r\nProxy-Authorization: Basic QTpC\r\n")
    head = seen[0]
    assert fields(head, "X-Many") == ["1", "2", "3"] and fields(head, "Authorization") == ["Basic QTpC"]
    for name in ("X-Hop", "Keep-Alive", "Proxy-Connection", "TE", "Connection", "Proxy-Authorization"):
        assert not fields(head, name), name


def test_via_is_on_every_message(stile):
    seen = []
    o = heads(seen)
    head, _ = ask(stile, o, more="Via: 1.0 before\r\n", version="1.0")
    assert fields(seen[0], "Via") == ["1.0 before", "1.0 stile"] and fields(head.decode(), "Via") == ["1.1 stile"]
    assert seen[0].split("\r\n")[0].endswith("HTTP/1.1")  # the version of this hop is our own


def test_a_circle_is_cut(stile):
    """Behind stile stands a server that sends everything back to it, as another proxy in a circle would."""
    seen = []

    def script(o, c, n):
        while head := get_head(c):
            seen.append(head.decode("latin-1"))
            s = raw(stile)
            s.sendall(head.replace(b"GET /", f"GET http://a.example:{o.port}/".encode(), 1))
            got, body = response(s)
            s.close()
            c.sendall(f"HTTP/1.1 {status_of(got.decode())} Circle\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    head, body = ask(stile, Origin(script))
    assert status_of(head.decode()) == 508 and b"in circles" in body
    assert [len(fields(h, "Via")) for h in seen] == list(range(1, 9)) and fields(seen[-1], "Via") == ["1.1 stile"] * 8


@pytest.mark.parametrize("via, status", [("1.1 stile, " * 7 + "1.1 stile", 508), ("1.1 stile, " * 7 + "1.1 other", 200), ("HTTP/1.1  stile (a), " * 8 + "1.0 x", 508),
                                         ("stile, " * 9 + "1.1 x", 200), ("1.1 stile:3128, " * 9 + "1.1 x", 200)])
def test_what_counts_as_a_circle(stile, via, status):
    head, _ = ask(stile, heads([]), more=f"Via: {via}\r\n")
    assert status_of(head.decode()) == status


def test_options_without_a_path_is_options_star(stile):
    seen = []
    o = heads(seen)
    ask(stile, o, path="", method="OPTIONS")
    ask(stile, o, path="/", method="OPTIONS")
    assert [h.split(" ")[1] for h in seen] == ["*", "/"]


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE"])
def test_max_forwards_is_counted_and_0_is_answered_here(stile, method):
    seen = []
    o = heads(seen)
    ask(stile, o, method=method, more="Max-Forwards: 7\r\n")
    ask(stile, o, method=method, more="Max-Forwards: 99999999999999999999\r\n")
    ask(stile, o, method=method)
    assert [fields(h, "Max-Forwards") for h in seen] == [["6"], ["4294967294"], []]
    head, body = ask(stile, o, method=method, more="Max-Forwards: 0\r\nCookie: a=b\r\nAuthorization: Basic QTpC\r\nX-Mine: 1\r\n")
    assert status_of(head.decode()) == 200 and len(seen) == 3
    if method == "TRACE":
        assert fields(head.decode(), "Content-Type") == ["message/http"] and b"TRACE http://a.example:" in body and b"X-Mine: 1\r\n" in body
        assert b"Cookie" not in body and b"QTpC" not in body
    else:
        assert b"GET" in head and fields(head.decode(), "Allow") and not body
    assert status_of(ask(stile, o, method=method, more="Max-Forwards: 1x\r\n")[0].decode()) == 400
    pairs(stile, 3)


def test_max_forwards_means_nothing_to_other_methods(stile):
    seen = []
    o = heads(seen)
    ask(stile, o, more="Max-Forwards: 0\r\n")
    assert fields(seen[0], "Max-Forwards") == ["0"]


@pytest.mark.parametrize("value, status", [("100-continue", 200), ("100-Continue", 200), ("y 100-continue", 417), ("100-continue, x", 417), ("", 417)])
def test_expect_in_all_forms(stile, value, status):
    seen = []
    o = heads(seen)
    head, _ = ask(stile, o, more=f"Expect: {value}\r\n")
    assert status_of(head.decode()) == status and len(seen) == (status == 200)


# --- what a response looks like to the client --------------------------------------------------------

def serving(text):
    def script(o, c, n):
        get_head(c)
        c.sendall(text)
        c.settimeout(2)
        c.recv(1)
    return Origin(script)


def test_a_response_is_rebuilt(stile):
    o = serving(b"HTTP/1.0 200 Fine\r\nSet-Cookie: a=1, 2\r\nSet-Cookie: b\r\nWWW-Authenticate: Basic realm=\"x\"\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
                b"Keep-Alive: timeout=5\r\nX-Space : kept\r\nContent-Length: 2\r\n\r\nok")
    head, body = ask(stile, o)
    head = head.decode()
    assert head.startswith("HTTP/1.1 200 Fine\r\n") and body == b"ok"
    assert fields(head, "Set-Cookie") == ["a=1, 2", "b"] and fields(head, "WWW-Authenticate") == ['Basic realm="x"'] and fields(head, "X-Space") == ["kept"]
    assert not fields(head, "X-Hop") and not fields(head, "Keep-Alive")
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", fields(head, "Date")[0])


def test_the_date_of_the_origin_stays(stile):
    assert fields(ask(stile, serving(b"HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 0\r\n\r\n"))[0].decode(), "Date") == ["then"]


@pytest.mark.parametrize("text", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", b"ICY 200 OK\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
], ids=range(8))
def test_a_response_that_can_be_read_in_two_ways_is_502(stile, text):
    head, _ = ask(stile, serving(text))
    assert status_of(head.decode()) == 502
    assert [e["reason"] for _, e in pairs(stile, 1)] == ["origin-bad"]


def test_trailers_stay_behind_the_body_and_never_become_fields(stile):
    o = serving(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-After: 1\r\n\r\n")
    s = raw(stile)
    s.sendall(request(o))
    head = get_head(s)
    assert b"X-After" not in head and exactly(s, 25) == b"2\r\nok\r\n0\r\nX-After: 1\r\n\r\n"
    s.close()
    for name in ("Content-Length", "Transfer-Encoding", "Host", "Authorization"):
        s = raw(stile)
        s.sendall(request(serving(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n{name}: 1\r\n\r\n".encode())))
        try:
            assert name.encode() + b": 1" not in to_end(s)
        except ConnectionResetError:
            pass
        s.close()
    assert [e["reason"] for _, e in pairs(stile, 5)] == ["done"] + 4 * ["origin-bad"]


def test_long_chunk_extensions_are_bounded(stile):
    s = raw(stile)
    s.sendall(request(serving(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;" + b"x" * 100000 + b"\r\nok\r\n0\r\n\r\n")))
    try:
        assert b"xxxx" * 10000 not in to_end(s)
    except ConnectionResetError:
        pass
    assert [e["reason"] for _, e in pairs(stile, 1)] == ["origin-bad"]


# --- CONNECT -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("authority", ["a.example", "a.example:", "a.example:0", "a.example:70000", "a.example:0x1bb", "a.example:+443", "a.example:443/", "http://a.example:443",
                                       "u@a.example:443", "[a.example]:443", "[::1%25lo]:443", "0x7f.1:443", "2130706433:443", "127.1:443", "127.0.0.01:443", "a%2eexample:443",
                                       "a..example:443", ".a.example:443", "a.example:443 ", "a.example:18446744073709552059"])
def test_authorities_that_are_not_in_canonical_form_are_refused(stile, authority):
    s = raw(stile)
    s.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert status_of(get_head(s).decode()) == 400
    s.close()
    assert refusals(stile, 1)[0]["reason"] == "bad-request"


@pytest.mark.parametrize("name", ["A.Example", "a.example."])
def test_other_spellings_of_a_name_are_the_same_name(stile, name):
    seen = []
    o = heads(seen)
    s, head = connect(stile, f"{name}:{o.port}")
    assert status_of(head) == 200 and "Content-Length" not in head and "Transfer-Encoding" not in head
    s.close()
    assert pairs(stile, 1)[0][0]["to"] == "a.example"
    s, head = connect(stile, f"{re.sub('^a', 'closed', name, flags=re.I)}:{o.port}")
    s.close()
    assert status_of(head) == 403


def test_an_upload_that_outruns_its_origin_arrives_whole(stile):
    size, got = 64 << 20, []

    def script(o, c, n):
        get_head(c)
        left = size
        time.sleep(1)
        while left:
            d = c.recv(65536)
            if not d:
                break
            left -= len(d)
            if left > size - (1 << 20):
                time.sleep(0.01)
        got.append(left)
        c.sendall(answer(b"all"))
    o = Origin(script)
    s = raw(stile)
    s.settimeout(60)
    s.sendall(request(o, method="POST", more=f"Content-Length: {size}\r\n"))
    piece = bytes(1 << 20)
    for _ in range(64):
        s.sendall(piece)
    assert response(s)[1] == b"all" and got == [0]
    s.close()
    assert [e["up"] >= size for _, e in pairs(stile, 1)] == [True]


# --- who is who ---------------------------------------------------------------------------------------

def test_credentials_for_the_proxy_reach_neither_origin_nor_page_nor_log(folder, started):
    seen = []
    o = heads(seen)
    policy = """zone = "UTC"; inside = [ "127.0.0.0/8" ]; ports = [ "1024-65535" ]; roles: { staff = { everyone = true; }; };
        rules = ( { name = "closed"; to = ["closed.example"]; action = "deny"; }, { name = "rest"; roles = ["staff"]; to = [".example"]; action = "allow"; } );"""
    s = make(folder, started, policy=policy, users=("anna",))
    secret = basic("anna").split(" ")[-1]
    head, _ = ask(s, o)
    assert status_of(head.decode()) == 407 and fields(head.decode(), "Proxy-Authenticate")
    ask(s, o, more=basic("anna") + "\r\n")
    head, page = ask(s, o, host="closed.example", more=basic("anna") + "\r\n")
    bad = raw(s)
    bad.sendall(f"GET http://a.example:{o.port}/ HTTP/1.1\r\nHost: a.example\r\n{basic('anna')}\r\nX: \0\r\n\r\n".encode())
    got = to_end(bad)
    assert status_of(head.decode()) == 403 and b" 400 " in got
    assert len(seen) == 1 and "Proxy-Auth" not in seen[0]
    kept = s.text() + "".join(json.dumps(r) for r in s.journal_records())
    for text in (seen[0], page.decode(), got.decode("latin-1"), kept):
        assert secret not in text and "anna-secret" not in text
