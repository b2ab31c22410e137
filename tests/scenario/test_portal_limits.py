"""What the portal and answers in passing say of limits: a bar with its figures, a warning at the rule's share, what happens once it is spent."""
import pytest
from harness import *
from test_coach import fields_of, post
from test_portal import PORTAL, ask, why

POLICY_LIMITS = """
zone = "Europe/London"; inside = [ "127.0.0.0/8" ]; ports = [ "80", "443", "1024-65535" ]; conduct = "Only what you need.";
roles: { staff = { everyone = true; }; };
rules = (
  { name = "social"; roles = ["staff"]; to = ["facebook"]; action = "allow"; owner = "Head of Communications";
    limits = { bytes = "1 MB"; minutes = 60; requests = "600/min"; tunnels = 6; bandwidth = "40 MB/s"; warn = 80; when_spent = "deny"; }; },
  { name = "video"; roles = ["staff"]; to = ["youtube"]; action = "allow"; purpose = "training"; remember = "1h";
    limits = { bytes = "1 MB"; when_spent = "coach"; }; },
  { name = "rest"; roles = ["staff"]; to = [".example"]; action = "allow"; } );
"""
HOSTS = ["www.facebook.com", "www.youtube.com", "news.example"]


@pytest.fixture
def house(folder, started):
    origin = started(Nginx(folder))
    for n in (100, 500, 900):
        (origin.www / f"{n}k").write_bytes(os.urandom(n * 1000))
    s = started(Stile(folder, policy=POLICY_LIMITS, names=HOSTS, users=("ben", "eva"), workers=2))
    return type("House", (), dict(stile=s, origin=origin, url=lambda self, host, path: f"http://{host}:{origin.http}/{path}"))()


def head_of(s, url, user="ben"):
    r = run("curl", "-sS", "-D", "-", "-o", "/dev/null", "-x", f"http://127.0.0.1:{s.port}", "--proxy-user", f"{user}:{user}-secret", url)
    return r.stdout


def budget(s, rule, kind, user="ben"):
    got = json.loads(ask(s, f"{PORTAL}/status.json", user=user)[2])
    one, = [x for r in got["rules"] if r["rule"] == rule for x in r["limits"] if x["kind"] == kind]
    return one


def test_a_bar_a_warning_and_the_end(house):
    s, url = house.stile, house.url
    assert "Stile-Limit" not in head_of(s, url("www.facebook.com", "500k"))
    half = budget(s, "social", "bytes")
    assert 500_000 < half["used"] < 520_000 and (half["of"], half["warn"], half["spent"]) == (1_000_000, False, False)
    assert 0 < half["reset"] - time.time() <= 86400 and budget(s, "social", "minutes")["of"] == 60
    page = ask(s, f"{PORTAL}/", user="ben")[2]
    assert re.search(r"50\d\.\d kB of 1.0 MB used; anew at 00:00 tomorrow", page)
    bar = int(re.search(r'used; anew at 00:00 tomorrow.</p>\n<svg.*?class="is".*?width="(\d+)"', page.split(" of 1.0 MB")[1]).group(1))
    assert 500 <= bar <= 520
    for words in ("How minutes are counted", "16 KiB", "600 requests/min", "6 tunnels at once (0 open now)", "40 MB/s"):
        assert words in page
    assert budget(s, "social", "bytes", "eva")["used"] == 0  # another person's is another
    for _ in range(4):
        head_of(s, url("www.facebook.com", "100k"))
    field, = re.findall(r"^Stile-Limit: (.*?)\r?$", head_of(s, url("www.facebook.com", "ok")), re.M)
    m = re.fullmatch(r'"social";kind=bytes;used=(\d+);of=1000000;reset=(\d+)', field)
    assert 900_000 < int(m.group(1)) < 1_000_000 and 0 < int(m.group(2)) <= 86400
    assert "Stile-Limit" not in head_of(s, url("news.example", "ok"))
    assert "80 % and more are gone" in ask(s, f"{PORTAL}/", user="ben")[2]
    assert why(s, "www.facebook.com")["verdict"] == "allow"
    head_of(s, url("www.facebook.com", "500k"))
    status, fields, page = ask(s, url("www.facebook.com", "ok"), user="ben")
    assert status == 429 and "Try again at 00:00 tomorrow." in page and int(fields["retry-after"]) <= 86400
    told = why(s, "www.facebook.com")
    assert (told["verdict"], told["reason"], told["rule"]) == ("deny", "bytes-spent", "social")
    page = ask(s, f"{PORTAL}/", user="ben")[2]
    assert "<strong class=\"warn\">nothing is left</strong> until 00:00 tomorrow" in page and budget(s, "social", "bytes")["spent"]
    assert why(s, "www.facebook.com", "eva")["verdict"] == "allow"


def test_asking_takes_nothing(house):
    s, before = house.stile, budget(house.stile, "social", "bytes")
    for _ in range(50):
        assert why(s, "www.facebook.com")["verdict"] == "allow"
    assert budget(s, "social", "bytes") == before
    assert "(0 open now)" in ask(s, f"{PORTAL}/", user="ben")[2]


def test_spent_and_coached(house):
    s, url = house.stile, house.url
    head_of(s, url("www.youtube.com", "900k"))
    head_of(s, url("www.youtube.com", "900k"))
    status, _, page = ask(s, url("www.youtube.com", "ok"), user="ben")
    assert status == 403 and "/coach?rule=video" in page
    assert why(s, "www.youtube.com")["reason"] == "coach"
    link = re.search(r'href="(http://stile.internal/coach[^"]+)"', page).group(1).replace("&amp;", "&")
    page = ask(s, link, user="ben")[2]
    assert "training" in page and post(s, fields_of(page), "ben")[0] == 303
    assert ask(s, url("www.youtube.com", "ok"), user="ben")[0] == 200
    page = ask(s, f"{PORTAL}/", user="ben")[2]
    assert "accepted for training, until" in page
    assert why(s, "www.youtube.com")["verdict"] == "allow"


def test_an_origin_cannot_say_what_is_left(house, started, folder):
    conf = folder / "nginx" / "nginx.conf"
    conf.write_text(conf.read_text().replace("location = /ok {", "location = /ok { add_header Stile-Limit lies;"))
    house.origin.stop()
    house.origin.start()
    assert "lies" not in head_of(house.stile, house.url("news.example", "ok"))
