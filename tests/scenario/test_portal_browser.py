"""The portal in a real browser that fetched its PAC file from stile: an employee is refused, is coached, accepts, and the page opens.
Every page is looked at by axe-core in light, dark and at 320 px; nothing but the page itself is fetched.

STILE_LOOK=FOLDER keeps the screenshots and the printed page."""
import pytest
from browser import CHROMIUM, drive, keep, needs_browser, trust
from harness import *
from wallclock import WallClock

PACKAGES = ["playwright-core", "axe-core"]
needs_browser(*PACKAGES, programs=("certutil",))

POLICY_OFFICE = """
zone = "Europe/London"; inside = [ "127.0.0.0/8" ]; ports = [ "80", "443", "1024-65535" ]; conduct = "https://intranet.council.example/code-of-conduct";
roles: { comms = { users = ["anna"]; }; staff = { everyone = true; }; };
schedules: { lunch = "Mon-Sun 12:00-14:00"; rest = "Mon-Sun 14:00-24:00"; };
rules = (
  { name = "gambling"; to = [".casino.example"]; action = "deny"; message = "Not on the council's network."; owner = "Head of Legal"; },
  { name = "campaigns"; roles = ["comms"]; to = ["instagram", ".origin.example"]; action = "coach"; remember = "4h";
    purposes = ["public campaigns", "answers to residents"]; message = "Social media is open for the council's work.";
    owner = "Head of Communications"; limits = { minutes = 90; bytes = "3 MB"; tunnels = 40; warn = 80; when_spent = "deny"; }; },
  { name = "staff-lunch"; roles = ["staff"]; to = ["#social"]; schedule = "lunch"; action = "allow"; purpose = "keeping up with what is said";
    owner = "Head of Human Resources"; limits = { minutes = 30; requests = "600/min"; }; },
  { name = "staff-other"; roles = ["staff"]; to = ["#video"]; schedule = "rest"; action = "allow"; record = "host"; },
  { name = "no-social"; to = ["#social"]; action = "deny"; message = "Social media is open to all from 12:00 to 14:00."; owner = "Service desk"; },
  { name = "web"; roles = ["staff"]; to = [".example"]; action = "allow"; } );
"""


def test_coached_in_a_browser(folder, started):
    ca = Authority(folder)
    origin = started(Nginx(folder, ca, names=["www.origin.example"]))
    (origin.www / "page.html").write_text("<!doctype html><title>A page</title><p>Here it is.")
    (origin.www / "index.html").write_text(f"<!doctype html><title>A page</title><p>Here it is.<!-- {os.urandom(1_300_000).hex()} -->")
    clock = WallClock(folder)
    clock.set("2026-11-27 10:00:00")  # before lunch
    s = Stile(folder, policy=POLICY_OFFICE, names=["www.origin.example", "www.tiktok.com"], workers=2)
    s.more["env"] = clock.environment()
    started(s)
    home = folder / "home"
    trust(home, ca.ca)
    secure = f"https://www.origin.example:{origin.https}/"
    portal = "http://stile.internal"
    plan = {"browser": CHROMIUM, "folder": str(folder), "user": "anna", "password": "anna-secret", "secure": secure, "purpose": "answers to residents",
            "args": [f"--proxy-pac-url=http://127.0.0.1:{s.port}/proxy.pac"],
            "pages": [("status", f"{portal}/"), ("why", f"{portal}/why?host=www.tiktok.com"), ("refusal", f"http://www.tiktok.com:{origin.http}/"),
                      ("refusal-coach", f"http://www.origin.example:{origin.http}/page.html")],
            "coach": f"{portal}/coach?rule=campaigns&host=www.origin.example:{origin.https}"}
    (folder / "plan.json").write_text(json.dumps(plan))
    seen = drive("portal.js", folder / "plan.json", packages=PACKAGES, home=home)
    for f in sorted([*folder.glob("*-light-*.png"), *folder.glob("*-dark-*.png"), folder / "page.pdf"]):
        keep(f, f.name)
    assert seen["violations"] == [] and seen["passes"] > 10 and seen["console"] == []
    for name, page in seen["pages"].items():
        assert page["foreign"] == [] and page["styled"] == "0px", (name, page)
    assert {n: p["status"] for n, p in seen["pages"].items()} == \
        {"status": 200, "why": 200, "refusal": 403, "refusal-coach": 403, "coach": 200, "accepted": 200, "after": 200}
    assert seen["refused"] == {"error": "net::ERR_TUNNEL_CONNECTION_FAILED"}
    assert "Whom to ask" in seen["pages"]["refusal"]["text"] and "Read and accept the code of conduct" in seen["pages"]["refusal-coach"]["text"]
    assert "It holds until" in seen["accepted"] and seen["opened"]["url"] == secure and "Here it is." in seen["opened"]["text"]
    assert "accepted for answers to residents, until" in seen["pages"]["after"]["text"]
    assert "80 % and more are gone" in seen["pages"]["after"]["text"]
    s.stop()
    records = s.journal_records()
    ack, = [r for r in records if r["k"] == "ack"]
    assert (ack["rule"], ack["purpose"]) == ("campaigns", "answers to residents")
    assert [r for r in records if r["k"] == "access" and r["verdict"] == "allow" and r["rule"] == "campaigns" and r["user"] == ack["user"]]
