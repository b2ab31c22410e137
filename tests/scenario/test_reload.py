"""Reloads in hard times: all workers take a new policy or all keep the old one, whoever dies or hangs meanwhile."""
import pytest
from harness import *

OPEN = 'inside = [ "127.0.0.0/8" ]; ports = [ "1024-65535" ]; rules = ( { name = "%s"; to = [ ".example" ]; action = "%s"; } );'


@pytest.fixture
def house(folder, started):
    origin = started(Nginx(folder))
    stile = started(Stile(folder, policy=OPEN % ("old", "allow"), users=(), names=["a.example"], workers=3))
    return stile, f"http://a.example:{origin.http}/ok"


def answers(stile, url, n=24):
    return {stile.curl(url)[0] for _ in range(n)}


def ask(stile, name, action):
    stile.policy_file.write_text(OPEN % (name, action))
    stile.p.send_signal(signal.SIGHUP)


def test_a_successor_started_meanwhile_takes_the_new_policy_too(house):
    s, url = house
    workers = s.children()["worker"]
    os.kill(workers[0], signal.SIGSTOP)  # the reload waits for this one
    ask(s, "new", "deny")
    time.sleep(0.5)
    os.kill(workers[1], signal.SIGKILL)
    wait_for("a successor", lambda: len(set(s.children()["worker"]) - set(workers)) == 1)
    time.sleep(0.5)
    os.kill(workers[0], signal.SIGCONT)
    wait_for("in force", lambda: "in force:" in s.text())
    assert answers(s, url) == {403}


def test_a_worker_that_voted_and_died_counts_once(house):
    s, url = house
    workers = s.children()["worker"]
    os.kill(workers[0], signal.SIGSTOP)
    ask(s, "new", "deny")
    time.sleep(0.5)  # the others have voted
    os.kill(workers[1], signal.SIGKILL)
    os.kill(workers[2], signal.SIGKILL)
    time.sleep(1)
    assert "in force:" not in s.text()  # one has not answered yet
    os.kill(workers[0], signal.SIGCONT)
    wait_for("in force", lambda: "in force:" in s.text())
    assert answers(s, url) == {403}


def test_a_hung_worker_ends_the_reload_after_a_time(house):
    s, url = house
    pid = s.children()["worker"][0]
    os.kill(pid, signal.SIGSTOP)
    ask(s, "new", "deny")
    wait_for("the refusal", lambda: "did not answer in time" in s.text(), 20)
    os.kill(pid, signal.SIGCONT)
    assert answers(s, url) == {200}
    s.reload()
    wait_for("in force", lambda: "in force:" in s.text())
    assert answers(s, url) == {403}


def test_a_storm_of_reloads_with_kills_never_mixes_policies(house):
    s, url = house
    for i in range(30):
        ask(s, f"n{i}", ("allow", "deny")[i % 2])
        if i % 5 == 0:
            os.kill(s.children()["worker"][i % 3], signal.SIGKILL)
        time.sleep(0.1)
    ask(s, "last", "deny")
    wait_for("rest", lambda: len(s.children()["worker"]) == 3 and answers(s, url) == {403}, 20)
    assert answers(s, url) == {403}
