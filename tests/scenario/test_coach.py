"""Coaching: who is refused by a rule that coaches accepts the code of conduct on the portal, says what for, and may go on for a while;
no acknowledgement can be forged, replayed, borrowed or sent by another page."""
import html, resource, urllib.parse
import pytest
from harness import *
from test_portal import PORTAL, answer, ask

POLICY_COACH = """
zone = "UTC"; inside = [ "127.0.0.0/8" ]; ports = [ "80", "443", "1024-65535" ]; conduct = "Be kind; post for the council.";
roles: { comms = { users = ["anna", "dora"]; }; staff = { everyone = true; }; kiosks = { networks = ["127.0.0.9/32"]; }; };
rules = (
  { name = "social"; roles = ["comms"]; to = ["facebook", "instagram"]; action = "coach"; remember = "1h"; purposes = ["casework", "public information"];
    owner = "Head of Communications"; message = "Social media is for work."; },
  { name = "video"; roles = ["staff", "kiosks"]; to = ["youtube"]; action = "coach"; remember = "8h"; purpose = "training"; },
  { name = "news"; roles = ["staff"]; to = ["news.example"]; action = "coach"; remember = "1m"; },
  { name = "rest"; roles = ["staff"]; to = [".example"]; action = "allow"; } );
"""
HOSTS = ["www.facebook.com", "www.instagram.com", "www.youtube.com", "news.example"]


@pytest.fixture
def house(folder, started):
    origin = started(Nginx(folder))
    s = started(Stile(folder, policy=POLICY_COACH, names=HOSTS, users=("anna", "ben", "dora"), workers=2))
    return type("House", (), dict(stile=s, origin=origin, url=f"http://www.facebook.com:{origin.http}/ok"))


def fields_of(page):
    """What a browser would send of the page's form if nothing was touched but the box."""
    inputs = [dict(re.findall(r'(\w+)="([^"]*)"', i)) for i in re.findall(r"<input ([^>]*)>", page)]
    return {i["name"]: html.unescape(i["value"]) for i in inputs if i["type"] in ("hidden", "checkbox")}


def form(s, rule, user, **more):
    status, _, page = ask(s, f"{PORTAL}/coach?rule={rule}", user=user, **more)
    assert status == 200, page
    return fields_of(page)


def post(s, data, user, *more, path="/coach", **how):
    body = urllib.parse.urlencode(data)
    return ask(s, PORTAL + path, "Content-Type: application/x-www-form-urlencoded", *more, method="POST", user=user, body=body, **how)


def acks(s):
    return [r for r in s.journal_records() if r["k"] == "ack"]


def test_refused_then_accepted_then_open_on_all_workers(house):
    s, url = house.stile, house.url
    status, fields, page = ask(s, url, user="anna")
    assert status == 403 and "Social media is for work." in page
    link = html.unescape(re.search(r'href="(http://stile.internal/coach[^"]+)"', page).group(1))
    assert link == f"http://stile.internal/coach?rule=social&host={urllib.parse.quote(f'http://www.facebook.com:{house.origin.http}', safe='')}"
    c, head = connect(s, "www.facebook.com:443", user="anna")
    assert status_of(head) == 403 and 'code of conduct first: http://stile.internal/coach?rule=social"' in head
    status, _, page = ask(s, link, user="anna")
    assert status == 200 and "Be kind; post for the council." in page and "public information" in page
    data = fields_of(page) | {"purpose": "public information"}
    assert set(data) == {"rule", "token", "host", "accept", "purpose"}
    before = time.time() * 1000
    status, fields, _ = post(s, data, "anna")
    assert status == 303 and fields["location"].startswith("/coach?rule=social&host=http%3A%2F%2Fwww.facebook.com")
    status, _, page = ask(s, PORTAL + fields["location"], user="anna")
    assert status == 200 and "You may go on" in page and f'href="http://www.facebook.com:{house.origin.http}/"' in page
    for _ in range(8):  # new connections spread over the workers
        assert s.curl(url, user="anna")[0] == 200
    assert s.curl(f"http://www.instagram.com:{house.origin.http}/ok", user="anna")[0] == 200  # the rule, not the host
    assert s.curl(url, user="dora")[0] == 403  # another person of the same role
    s.stop()
    records = s.journal_records()
    a, = acks(s)
    assert (a["role"], a["rule"], a["purpose"]) == ("comms", "social", "public information") and a["until"] - a["t"] == 3600_000
    assert before - 1 <= a["t"] <= time.time() * 1000 and len(a["user"]) == 24
    allowed = [r for r in records if r["k"] == "access" and r["verdict"] == "allow"]
    assert {(r["user"], r["rule"]) for r in allowed} == {(a["user"], "social")} and all(r["t"] >= a["t"] for r in allowed)
    denied = [r for r in records if r["k"] == "access" and r["verdict"] == "deny"]
    assert {(r["reason"], r["rule"]) for r in denied} == {("coach", "social")}


def test_what_is_not_the_persons_word_is_not_taken(house):
    s = house.stile
    good = form(s, "social", "anna") | {"purpose": "casework"}
    bad_mac = good["token"][:-1] + ("0" if good["token"][-1] != "0" else "1")
    later = f"{int(good['token'][:12], 16) + 1:012x}" + good["token"][12:]
    for data, user, more, status, words in [
        (good | {"token": ""}, "anna", [], 403, "no longer good"),
        (good | {"token": bad_mac}, "anna", [], 403, "no longer good"),
        (good | {"token": later}, "anna", [], 403, "no longer good"),  # a forged time
        (good, "dora", [], 403, "somebody else"),
        (form(s, "video", "anna") | {"rule": "social", "purpose": "casework"}, "anna", [], 403, "another rule"),
        (good | {"accept": "no"}, "anna", [], 400, "Tick the box"),
        (good | {"purpose": "fun"}, "anna", [], 400, "Pick what it is for"),
        (good | {"rule": "rest"}, "anna", [], 404, "no such page"),
        (good | {"rule": "nothing"}, "anna", [], 404, "no such page"),
        (good, "anna", ["Origin: http://evil.example"], 403, "another page"),
        (good, "anna", ["Origin: https://stile.internal"], 403, "another page"),
        (good, "anna", ["Origin: null"], 403, "another page"),
        (good, "anna", ["Sec-Fetch-Site: cross-site"], 403, "another page"),
        (good, "anna", ["Sec-Fetch-Site: same-site"], 403, "another page"),
        (good, "ben", [], 404, "no such page"),  # the rule does not hold for him
        (good, None, [], 407, "log in"),
    ]:
        got, _, page = post(s, data, user, *more)
        assert (got, words in page) == (status, True), (data, user, more, got, page)
    assert s.curl(house.url, user="anna")[0] == 403
    assert post(s, good, "anna", "Origin: http://stile.internal", "Sec-Fetch-Site: same-origin")[0] == 303
    assert post(s, good, "anna")[0] == 403  # once more
    assert s.curl(house.url, user="anna")[0] == 200
    s.stop()
    assert [(r["rule"], r["purpose"]) for r in acks(s)] == [("social", "casework")]


def test_a_kiosk_has_nobody_who_could_accept(house):
    assert ask(house.stile, f"{PORTAL}/coach?rule=video", source="127.0.0.9")[0] == 407
    assert ask(house.stile, f"{PORTAL}/coach", source="127.0.0.9", user="ben")[0] == 200


def test_one_purpose_and_none(house):
    s = house.stile
    for rule, purpose, host in (("video", "training", "www.youtube.com"), ("news", None, "news.example")):
        data = form(s, rule, "ben")
        assert set(data) == {"rule", "token", "accept"}
        assert post(s, data, "ben")[0] == 303
        assert s.curl(f"http://{host}:{house.origin.http}/ok", user="ben")[0] == 200
    status, _, page = ask(s, f"{PORTAL}/coach", user="ben")
    assert status == 200 and page.count("(accepted)") == 2 and "rule=social" not in page
    s.stop()
    assert {(r["rule"], r["purpose"]) for r in acks(s)} == {("video", "training"), ("news", None)}


def test_forms_have_a_size_a_type_and_a_time(house):
    s = house.stile
    data = form(s, "video", "ben")
    urlencoded = "Content-Type: application/x-www-form-urlencoded"
    body = urllib.parse.urlencode(data)
    for more, sent, status in [
        ([urlencoded, "Content-Length: 4097"], "", 413), ([urlencoded, "Content-Length: 99999999999"], "", 413),
        ([urlencoded, "Transfer-Encoding: chunked"], "0\r\n\r\n", 411), (["Content-Type: text/plain"], body, 415), (["X: y"], body, 415),
        ([urlencoded, "Expect: 100-continue"], body, 417), ([urlencoded], "%", 400), ([urlencoded], "&".join("abcdefghijklmnopqr"), 400),
    ]:
        got, fields, _ = ask(s, f"{PORTAL}/coach", *more, method="POST", user="ben", body=sent)
        assert got == status, (more, sent)
        assert (fields.get("connection") == "close") == (status != 400)
    # in pieces, and the next request right behind it, on one connection
    c = socket.create_connection(("127.0.0.1", s.port), timeout=20)
    head = f"POST {PORTAL}/coach HTTP/1.1\r\nHost: stile.internal\r\n{basic('ben')}\r\n{urlencoded}; charset=UTF-8\r\nContent-Length: {len(body)}\r\n\r\n"
    for i in range(0, len(body), 40):
        c.sendall((head if i == 0 else "").encode() + body[i:i + 40].encode())
        time.sleep(0.02)
    assert answer(c, "POST")[0] == 303
    again = urllib.parse.urlencode(form(s, "news", "ben"))
    c.sendall(head.replace(f"Length: {len(body)}", f"Length: {len(again)}").encode() + again.encode()
              + f"GET {PORTAL}/proxy.pac HTTP/1.1\r\nHost: stile.internal\r\n\r\n".encode())
    got = b""
    while b"FindProxyForURL" not in got:
        got += c.recv(4096) or pytest.fail(f"closed after {got}")
    assert re.findall(rb"HTTP/1.1 (\d+)", got) == [b"303", b"200"]


def test_half_a_form_waits_no_longer_than_a_head(folder, started):
    s = started(Stile(folder, policy=POLICY_COACH, users=("ben",), more='timeouts = { head = "1s"; };'))
    c = socket.create_connection(("127.0.0.1", s.port), timeout=20)
    c.sendall(f"POST {PORTAL}/coach HTTP/1.1\r\nHost: stile.internal\r\n{basic('ben')}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
              "Content-Length: 10\r\n\r\nabc".encode())
    assert answer(c, "POST")[0] == 408 and c.recv(1) == b""


def test_what_cannot_be_recorded_does_not_hold(folder, started):
    s = started(Stile(folder, policy=POLICY_COACH, users=("ben",), workers=1, more='timeouts = { record = "1s"; };'))
    data = form(s, "video", "ben")
    worker, = s.children()["worker"]
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (0, 0))  # no file of it grows any more
    status, _, page = post(s, data, "ben")
    assert status == 503 and "could not be recorded" in page
    assert "You may go on" not in ask(s, f"{PORTAL}/coach?rule=video", user="ben")[2]


def test_a_reload_keeps_what_was_accepted_and_new_words_need_a_new_form(house):
    s = house.stile
    assert post(s, form(s, "video", "ben"), "ben")[0] == 303
    open_form = form(s, "news", "ben")
    s.policy_file.write_text(POLICY_COACH.replace("Be kind", "Be brief"))
    s.reload()
    assert s.curl(f"http://www.youtube.com:{house.origin.http}/ok", user="ben")[0] == 200
    assert post(s, open_form, "ben")[0] == 403
    assert post(s, form(s, "news", "ben"), "ben")[0] == 303
