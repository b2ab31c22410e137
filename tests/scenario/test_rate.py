"""The one limit: requests of a person under a rule, on one host."""
import pytest
from harness import *

POLICY = """
zone = "UTC"; inside = [ "127.0.0.0/8" ]; ports = [ "1024-65535" ];
roles: { staff = { everyone = true; }; };
rules = (
  { name = "slow"; roles = ["staff"]; to = ["facebook"]; action = "allow"; message = "Facebook in small doses.";
    limits = { requests = "20/min burst 5"; when_spent = "deny"; }; },
  { name = "rest"; roles = ["staff"]; to = [".example"]; action = "allow"; } );
"""


def test_forty_in_a_minute_under_twenty_a_minute(folder, started):
    redis, origin = started(Redis(folder)), started(Nginx(folder))
    s = started(Stile(folder, policy=POLICY, redis=redis, names=["www.facebook.com", "m.facebook.com", "other.example"]))
    codes, others, retry = [], [], None
    begun = time.monotonic()
    for i in range(40):  # evenly over a minute, http requests and CONNECTs mixed, two hosts of the service, both workers
        time.sleep(max(0, begun + i * 1.5 - time.monotonic()))
        host = ("www.facebook.com", "m.facebook.com")[i % 2]
        if i % 4 < 2:
            code, _, page = s.curl(f"http://{host}:{origin.http}/ok", "-i", user="ben")
        else:
            sock, page = connect(s, f"{host}:{origin.http}", "ben")
            code = status_of(page)
            sock.close()
        codes.append(code)
        if code == 429:
            retry = int(re.search(r"(?i)retry-after: (\d+)", page).group(1))
        others.append(s.curl(f"http://other.example:{origin.http}/ok", user="ben")[0])
    passed = codes.count(200)
    assert 20 <= passed <= 26, codes  # the rate, and the burst of five
    assert codes.count(429) == 40 - passed and 1 <= retry <= 3
    assert set(others) == {200}  # another service is not touched
    assert s.curl(f"http://www.facebook.com:{origin.http}/ok", user="anna")[0] == 200  # nor another person
    s.stop()
    rs = [r for r in s.journal_records() if r["k"] == "access"]
    limited = [r for r in rs if r["reason"] == "limit"]
    assert sum(r["n"] for r in limited) == 40 - passed
    assert {(r["verdict"], r["rule"], r["service"]) for r in limited} == {("deny", "slow", "facebook")}


def test_a_killed_worker_does_not_refill_the_limit(folder, started):
    origin = started(Nginx(folder))
    s = started(Stile(folder, policy=POLICY.replace("20/min burst 5", "6/h burst 3"), names=["www.facebook.com"]))
    url = f"http://www.facebook.com:{origin.http}/ok"
    codes = [s.curl(url, user="ben")[0] for _ in range(6)]
    assert codes == [200] * 4 + [429] * 2
    for pid in s.children()["worker"]:
        os.kill(pid, signal.SIGKILL)
    wait_for("successors", lambda: len(s.children().get("worker", [])) == 2)
    assert wait_for("an answer", lambda: s.curl(url, user="ben")[0]) == 429
