"""The portal: what stile itself says to people, over plain http for its own name through the proxy and straight at the listener."""
import http.client, itertools
import pytest
from harness import *

PORTAL = "http://stile.internal"
POLICY_PORTAL = """
zone = "UTC"; inside = [ "127.0.0.0/8" ]; ports = [ "80", "443", "1024-65535" ];
roles: { comms = { users = ["anna"]; }; kiosks = { networks = ["127.0.0.9/32"]; }; staff = { everyone = true; }; };
schedules: { never = "Mon 00:00-00:01"; };
rules = (
  { name = "campaigns"; roles = ["comms"]; to = ["facebook"]; action = "allow"; purpose = "public campaigns"; owner = "Head of Communications"; },
  { name = "no-social"; to = ["#social"]; action = "deny"; message = "Social media is open for <communications>."; owner = "Service desk"; },
  { name = "rest"; roles = ["staff", "kiosks"]; to = [".example"]; action = "allow"; } );
"""
HOSTS = ["www.facebook.com", "news.example"]


@pytest.fixture
def stile(folder, started):
    return started(Stile(folder, policy=POLICY_PORTAL, names=HOSTS))


def ask(s, target, *more, method="GET", user=None, body="", version="1.1", source=None, sock=None):
    """A raw request; returns (status, fields, body) and leaves the connection at .sock of the function."""
    c = sock or socket.create_connection(("127.0.0.1", s.port), timeout=20, source_address=(source, 0) if source else None)
    host = re.match(r"http://([^/?]*)", target)
    lines = [f"{method} {target} HTTP/{version}", f"Host: {host.group(1) if host else f'127.0.0.1:{s.port}'}", *more]
    if user and host:
        lines.append(basic(user))
    elif user:
        lines.append(basic(user).replace("Proxy-", ""))
    if body:
        lines += [f"Content-Length: {len(body)}"] if not any("Length" in m or "Transfer" in m for m in more) else []
    c.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
    ask.sock = c
    return answer(c, method)


def answer(c, method="GET"):
    r = http.client.HTTPResponse(c, method=method)
    r.begin()
    return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read().decode()


def accesses(s):
    return [r for r in s.journal_records() if r["k"] == "access"]


def test_who_you_are_and_no_record_of_asking(stile):
    s = stile
    status, fields, page = ask(s, f"{PORTAL}/", user="anna")
    assert status == 200 and "anna" in page and "comms, staff" in page
    assert "default-src 'none'" in fields["content-security-policy"] and fields["cache-control"] == "no-store"
    status, fields, page = ask(s, f"{PORTAL}/")
    assert status == 407 and "Basic" in fields["proxy-authenticate"] and "anna" not in page
    assert ask(s, f"{PORTAL}/", user="nobody")[0] == 407
    # a terminal that its network knows is not asked, and may still log in
    status, _, page = ask(s, f"{PORTAL}/", source="127.0.0.9")
    assert status == 200 and "kiosks" in page and "without a login" in page
    assert ask(s, f"{PORTAL}/login", source="127.0.0.9")[0] == 407
    status, fields, _ = ask(s, f"{PORTAL}/login", source="127.0.0.9", user="ben")
    assert (status, fields["location"]) == (303, "/")
    s.stop()
    assert accesses(s) == [] and "anna" not in json.dumps(s.journal_records())


ASKED = [
    ("/", "GET", [], 200), ("", "GET", [], 200), ("?x=1", "GET", [], 200), ("/?x=%zz", "GET", [], 400), ("/nothing", "GET", [], 404),
    ("/", "POST", [], 405), ("/", "PUT", [], 405), ("/", "OPTIONS", [], 405), ("/nothing", "DELETE", [], 405), ("/proxy.pac", "POST", [], 405),
    ("/status.json", "GET", [], 200), ("/proxy.pac", "GET", [], 200), ("/why", "GET", [], 200), ("/why.json", "GET", [], 400),
    ("/" + "x" * 9000, "GET", [], 404), ("/?" + "x" * 5000, "GET", [], 400), ("/", "GET", ["Upgrade: websocket", "Connection: upgrade"], 200)]


def test_methods_paths_and_kept_connections(stile):
    for row in ASKED:
        check_one_path(stile, *row)


def check_one_path(stile, target, method, more, status):
    body = "x=1" if method == "POST" else ""
    got, fields, page = ask(stile, PORTAL + target, *more, method=method, user="ben", body=body)
    assert got == status and (status != 405 or fields["allow"] == "GET, HEAD")
    assert int(fields["content-length"]) == len(page.encode()) and page
    if not body:  # the same again on the same connection, without its body
        assert "connection" not in fields
        again, head, none = ask(stile, PORTAL + target, *more, method="HEAD", user="ben", sock=ask.sock)
        assert (again, none) == (404 if target == "/nothing" else 200 if status == 405 else status, "")
        if method == "GET":
            assert head["content-length"] == fields["content-length"] and head["content-type"] == fields["content-type"]
    else:
        assert fields["connection"] == "close" and ask.sock.recv(1) == b""


class Once:
    """A socket whose answers are read through one buffer, as what is pipelined comes in one."""

    def __init__(self, c):
        self.file = c.makefile("rb")
        self.file.close, self.really_close = lambda: None, self.file.close

    def makefile(self, *how):
        return self.file


def test_pipelined_questions_are_answered_in_order(stile):
    c = socket.create_connection(("127.0.0.1", stile.port), timeout=20)
    one = f"GET {PORTAL}/{{}} HTTP/1.1\r\nHost: stile.internal\r\n{basic('ben')}\r\n\r\n"
    c.sendall("".join(one.format(p) for p in ("proxy.pac", "nothing", "status.json")).encode())
    once = Once(c)
    assert [answer(once)[0] for _ in range(3)] == [200, 404, 200]


def test_by_https_it_is_refused_in_words(stile):
    s = stile
    for authority in ("stile.internal:443", "stile.internal:80", "STILE.internal:8080"):
        c, head = connect(s, authority, user="ben")
        assert status_of(head) == 403 and "opened with http:// and without a port" in head
        c.close()
    assert ask(s, "http://stile.internal:8080/", user="ben")[0] == 403
    s.stop()
    assert {(r["verdict"], r["reason"]) for r in accesses(s)} == {("deny", "portal")}


def test_asked_as_a_server(stile):
    s = stile
    status, fields, page = ask(s, "/")
    assert status == 401 and "Basic" in fields["www-authenticate"] and "proxy-authenticate" not in fields
    assert ask(s, "/", user="anna")[0] == 200
    assert ask(s, "*", method="OPTIONS")[0] == 405
    status, fields, pac = ask(s, "/proxy.pac")
    assert status == 200 and fields["content-type"] == "application/x-ns-proxy-autoconfig"
    assert f'"PROXY 127.0.0.1:{s.port}"' in pac
    # HTTP/1.0 without Host: by the address that was connected to
    c = socket.create_connection(("127.0.0.1", s.port), timeout=20)
    c.sendall(b"GET /proxy.pac HTTP/1.0\r\n\r\n")
    assert f'"PROXY 127.0.0.1:{s.port}"' in answer(c)[2]


def test_the_name_is_a_setting_and_may_be_none(folder, started):
    s = started(Stile(folder, policy=POLICY_PORTAL, names=HOSTS, more='portal = "Proxy.Council.Example"; pac = { direct = ["council.example"]; };'))
    assert ask(s, "http://proxy.council.example/", user="ben")[0] == 200
    pac = ask(s, "http://proxy.council.example/proxy.pac")[2]
    assert 'dnsDomainIs(host, ".council.example")' in pac and pac.index("proxy.council.example") < pac.index("dnsDomainIs")
    s.config.write_text(s.config.read_text().replace("Proxy.Council.Example", ""))
    s.reload()
    assert ask(s, "/proxy.pac")[0] == 400
    assert ask(s, "http://proxy.council.example/", user="ben")[0] in (502, 504)  # a name like others, that nobody has


def test_refusals_lead_to_the_portal(stile):
    status, fields, page = ask(stile, "http://www.facebook.com/", user="ben")
    assert status == 403 and "default-src 'none'" in fields["content-security-policy"]
    assert "Social media is open for &lt;communications&gt;." in page and "Service desk" in page
    assert 'href="http://stile.internal/why?host=http%3A%2F%2Fwww.facebook.com"' in page


def why(s, host, user="ben", **more):
    status, _, body = ask(s, f"{PORTAL}/why.json?host={host}", user=user, **more)
    return json.loads(body) if status == 200 else status


def test_why_says_what_explain_says(stile):
    s = stile
    for user, host in itertools.product(("anna", "ben"), ("www.facebook.com", "news.example", "other.test", "news.example:25")):
        got = why(s, host, user)
        want = json.loads(run(POLICY, "explain", s.policy_file, "--json", "--user", user, "--host", host, check=False).stdout)
        assert (got["verdict"], got["reason"], got["rule"]) == (want["verdict"], want["reason"], (want["rule"] or {}).get("name"))
        assert [(r["rule"], r["condition"]) for r in got["rules"]] == [(r["rule"], r["condition"]) for r in want["rules"] if r["reached"]]
    s.stop()
    assert accesses(s) == []


TYPED = [
    ("www.facebook.com", "www.facebook.com", 443), ("HTTPS%3A%2F%2Fwww.Facebook.com%2Fa%3Fb%23c", "www.facebook.com", 443),
    ("http://news.example/x", "news.example", 80), ("http://news.example:8080/x", "news.example", 8080), ("+b%C3%BCcher.example+", "xn--bcher-kva.example", 443),
    ("192.0.2.1", "192.0.2.1", 443), ("[2001:db8::1]:8443", "2001:db8::1", 8443)]


def test_why_takes_what_stands_in_the_address_bar_and_no_nonsense(stile):
    for typed, host, port in TYPED:
        got = why(stile, typed)
        assert (got["host"], got["port"]) == (host, port)
    for typed in ("", "a%20b", "%3Cscript%3E", "http://", "x" * 300, "user@host.example", "a:99999", "%00"):
        assert why(stile, typed) == 400
        status, _, page = ask(stile, f"{PORTAL}/why?host={typed}", user="ben")
        assert status == (400 if typed else 200) and "<script" not in page


def test_why_of_the_portal_itself_and_of_who_did_not_log_in(stile):
    assert [why(stile, h)["verdict"] for h in ("http://stile.internal/", "https://stile.internal/")] == ["allow", "deny"]
    got = why(stile, "www.facebook.com", None, source="127.0.0.9")
    assert (got["verdict"], got["need"], got["reason"]) == ("need", "identity", None)
    assert why(stile, "news.example", None, source="127.0.0.9")["verdict"] == "allow"


def test_the_same_as_json(folder, started):
    redis = started(Redis(folder))
    s = started(Stile(folder, policy=POLICY_PORTAL, names=HOSTS, redis=redis, audit='keep = "7d"; keep_raw = "60d";'))
    status, fields, body = ask(s, f"{PORTAL}/status.json", user="anna")
    got = json.loads(body)
    assert status == 200 and fields["content-type"] == "application/json" and got["version"] == 1
    assert got["you"]["known"] == "password" and got["you"]["name"] == "anna" and got["you"]["roles"] == ["comms", "staff"]
    assert got["recorded"] == {"raw_s": 60 * 86400, "figures_s": 1100 * 86400, "journal_s": 7 * 86400}
    page = ask(s, f"{PORTAL}/", user="anna")[2]
    assert "<dt>Single records</dt><dd>60 days" in page and got["you"]["pseudonym"] in page
    person = wait_for("the first sight", lambda: [r for r in redis.records() if r["k"] == "person"])
    assert {r["user"] for r in person} == {got["you"]["pseudonym"]}
    assert json.loads(ask(s, f"{PORTAL}/status.json", source="127.0.0.9")[2])["you"] == \
        {"known": "network", "name": None, "pseudonym": None, "roles": ["kiosks"]}
