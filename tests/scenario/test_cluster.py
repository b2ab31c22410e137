"""Limits of minutes and bytes, and acknowledgements, over several nodes on one Redis: no node lets through what was spent on
another but for what moves within the stated two seconds, and none pretends to know what it cannot know."""
import json, threading, urllib.request
import pytest
from harness import *
from peer import Peer, Tunnel
from test_coach import form, post
from test_redis_production import Office, SECRET, acl, authority, keep, passwords
from wallclock import WallClock

HOSTS = ["www.facebook.com", "local.example", "deny.example", "allow.example", "coach.example", "rest.example"]
BOUND_S = 2.0  # docs/redis.md: between using something on one node and knowing it on the others
LOOK_S = 1.0   # and between knowing it and ending an open tunnel, on each node
KNOWN_S = 5.0  # so long after the last hearing totals count as known
LOST_S = 3.0   # so long after an emptied Redis they do not


def policy(limits="", more=""):
    return f"""
zone = "Europe/London"; inside = [ "127.0.0.0/8" ]; ports = [ "1024-65535" ];
roles: {{ staff = {{ everyone = true; }}; }};
rules = (
  {{ name = "social"; roles = ["staff"]; to = ["facebook"]; action = "allow"; {f'limits = {{ {limits} }};' if limits else ''} }},
  {more}
  {{ name = "rest"; roles = ["staff"]; to = [".example"]; action = "allow"; }} );
"""


class Cluster:
    def __init__(self, folder, started, redis=None):
        self.folder, self.started, self.redis = folder, started, redis
        self.key, self.nodes, self.tunnels = folder / "pseudonym.key", [], []
        self.peer = started(Peer())

    def node(self, text, clock=None, name=None, start=True, audit="", **more):
        name = name or f"edge{len(self.nodes) + 1}"
        s = Stile(self.folder, policy=text, names=HOSTS, redis=self.redis, node=name, name=name,
                  audit=f'pseudonym_key = "{self.key}"; ' + audit, more=f'control = "{self.folder}/{name}.sock"; metrics = "127.0.0.1:{free_port()}";', **more)
        if clock:
            s.more["env"] = clock.environment()
        self.nodes.append(s)
        if start:
            self.started(s)
            known(s)
        return s

    def several(self, n, text, clock=None):
        """All of them started before any is waited for: each is new to Redis, and waits to hear of the others."""
        out = [self.started(self.node(text, clock, start=False)) for _ in range(n)]
        for s in out:
            known(s)
        return out

    def open(self, s, host=HOSTS[0], user="ben"):
        t = Tunnel(s, host, self.peer, user)
        self.tunnels.append(t)
        return t


@pytest.fixture
def cluster(folder, started):
    c = Cluster(folder, started, started(Redis(folder)))
    yield c
    for t in c.tunnels:
        t.close()


def totals(s):
    return json.loads(run(PROXY, "ctl", "-c", s.config, "status", "--json").stdout)["totals"]


def known(s):
    return wait_for("totals are known", lambda: totals(s)["state"] == "known", 20)


def metric(s, name):
    port = re.search(r'metrics = "127.0.0.1:(\d+)"', s.config.read_text()).group(1)
    page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    return float(re.search(rf"^{re.escape(name)} (\S+)$", page, re.M).group(1))


def status(c, s, host=HOSTS[0], user="ben"):
    t = c.open(s, host, user)
    t.close()
    return t.status


def within(seconds, what, condition):
    """How long it took."""
    began = time.monotonic()
    wait_for(what, condition, seconds, every=0.02)
    return time.monotonic() - began


# --- overshoot ------------------------------------------------------------------------------------------

RATE = 1_000_000  # bytes a second on each node
LIMIT = 6_000_000


def use_steadily(t, stop):
    """Moves RATE until the tunnel is cut."""
    due = time.monotonic()
    try:
        while not stop.is_set():
            t.get(50_000)
            due += 0.05
            time.sleep(max(0, due - time.monotonic()))
    except (OSError, EOFError):
        pass


@pytest.mark.parametrize("n", [2, 3])
def test_open_tunnels_on_all_nodes_pass_a_limit_by_no_more_than_stated(cluster, n):
    text = policy(f'bytes = "{LIMIT // 1_000_000} MB";')
    nodes = cluster.several(n, text)
    tunnels, stop = [cluster.open(s) for s in nodes], threading.Event()
    threads = [threading.Thread(target=use_steadily, args=(t, stop)) for t in tunnels]
    for t in threads:
        t.start()
    for t in threads:
        t.join(LIMIT / RATE + 10)
    cut = not any(t.is_alive() for t in threads)
    stop.set()
    assert cut, "a tunnel went on"
    moved = sum(t.up + t.down for t in tunnels)
    most = ((n - 1) * BOUND_S + n * LOOK_S) * RATE + n * 100_000  # a chunk on each node may be on its way
    print(f"{n} nodes: {moved - LIMIT} bytes above {LIMIT}, allowed {most:.0f}")
    assert LIMIT <= moved <= LIMIT + most < n * LIMIT
    assert [status(cluster, s) for s in nodes] == [429] * n


def test_who_alternates_between_nodes_gets_no_more(cluster):
    nodes = cluster.several(3, policy('bytes = "1 MB";'))
    moved, turn, rate, began = 0, 0, 400_000, time.monotonic()
    while (t := cluster.open(nodes[turn % 3])).status == 200:
        t.get(100_000)
        t.close()
        moved += t.up + t.down
        turn += 1
        assert turn < 100
        time.sleep(max(0, began + moved / rate - time.monotonic()))
    print(f"{moved - 1_000_000} bytes above 1,000,000, allowed {BOUND_S * rate + 100_000:.0f}")
    assert 1_000_000 <= moved + 100_000 and moved <= 1_000_000 + BOUND_S * rate + 100_000
    wait_for("all nodes refuse", lambda: [status(cluster, s) for s in nodes] == [429] * 3, BOUND_S)


def test_a_node_that_comes_later_knows_what_was_spent(cluster):
    text = policy('bytes = "10 kB";')
    first = cluster.node(text)
    cluster.open(first).get(12_000)
    time.sleep(BOUND_S)
    later = cluster.node(text)  # it is waited for until it knows
    assert status(cluster, later) == 429 and status(cluster, later, user="anna") == 200
    assert totals(later)["nodes"] == 1 and totals(later)["nodes_seen"] == 1
    assert metric(later, 'stile_totals_state{state="known"}') == 1 and metric(later, "stile_nodes_seen") == 1


# --- minutes --------------------------------------------------------------------------------------------


def test_the_same_minute_on_two_nodes_is_one_minute(cluster, folder):
    clock = WallClock(folder)
    clock.set("2026-11-27 10:00:20")
    text = policy("minutes = 2;")
    a, b = cluster.several(2, text, clock)
    for s in (a, b):
        cluster.open(s).active()
    clock.step(60)
    time.sleep(BOUND_S)
    assert status(cluster, a) == 200 and status(cluster, b) == 200  # one of two
    cluster.open(a).active()
    clock.step(60)
    within(BOUND_S, "both are spent", lambda: status(cluster, a) == 429 and status(cluster, b) == 429)
    clock.set("2026-11-28 00:00:05")
    within(BOUND_S + KNOWN_S, "a new day", lambda: status(cluster, a) == 200 and status(cluster, b) == 200)


# --- Redis goes -----------------------------------------------------------------------------------------

THREE = "".join(f'{{ name = "{w}"; roles = ["staff"]; to = ["{w}.example"]; action = "allow"; limits = {{ bytes = "10 kB"; without_redis = "{w}"; }}; }},'
                for w in ("local", "deny", "allow"))
ALL_KNOWN = {"local": 429, "allow": 429, "deny": 200}
NOT_KNOWN = {"local": 429, "allow": 200, "deny": 503}  # what was spent here is spent; let through all the same; refused


def answers(c, s):
    return {w: status(c, s, f"{w}.example") for w in ALL_KNOWN}


def pause(r):
    r.p.send_signal(signal.SIGSTOP)


def unpause(r):
    r.p.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("how, begin, end", [("killed", lambda r: r.stop(signal.SIGKILL), lambda r: r.start()), ("paused", pause, unpause)])
def test_without_redis_each_limit_does_as_it_says(cluster, how, begin, end):
    a, b = cluster.several(2, policy(more=THREE))
    for w in ("local", "allow"):
        cluster.open(a, f"{w}.example").get(12_000)
    within(BOUND_S, "spent on both", lambda: answers(cluster, a) == answers(cluster, b) == ALL_KNOWN)
    began = time.monotonic()
    begin(cluster.redis)
    try:
        wait_for("totals are not known", lambda: answers(cluster, a) == answers(cluster, b) == NOT_KNOWN, KNOWN_S + 2)
        assert time.monotonic() - began > KNOWN_S - 2  # a short absence changes nothing
        assert totals(a)["state"] == "unknown" and metric(a, 'stile_totals_state{state="unknown"}') == 1
        refused = cluster.open(a, "deny.example")
        assert refused.status == 503
    finally:
        end(cluster.redis)
    wait_for("known again", lambda: answers(cluster, a) == answers(cluster, b) == ALL_KNOWN, 30)
    a.stop()
    reasons = {r["reason"] for r in a.journal_records() if r["k"] == "access" and r["verdict"] == "deny" and r["rule"] == "deny"}
    assert reasons == {"limit-unknown"}


def test_an_emptied_redis_takes_nothing_back(cluster):
    text = policy(more=THREE)
    a, b = cluster.several(2, text)
    for w in ("local", "allow"):
        cluster.open(a, f"{w}.example").get(12_000)
    within(BOUND_S, "spent on both", lambda: answers(cluster, a) == answers(cluster, b) == ALL_KNOWN)
    cluster.redis.cli("flushall")
    within(1.5, "nothing is known", lambda: answers(cluster, b) == NOT_KNOWN)
    took = within(LOST_S + 3, "known again", lambda: answers(cluster, a) == answers(cluster, b) == ALL_KNOWN)
    print(f"known again after {took:.1f} s")
    c = cluster.node(text)  # what was in Redis is there again
    assert answers(cluster, c) == ALL_KNOWN


def test_an_emptied_redis_and_a_shipper_killed_at_once(cluster):
    text = policy('bytes = "10 kB";')
    a, b = cluster.several(2, text)
    cluster.open(a).get(12_000)
    within(BOUND_S, "spent on both", lambda: status(cluster, b) == 429)
    cluster.redis.cli("flushall")
    for s in (a, b):
        os.kill(s.children()["shipper"][0], signal.SIGKILL)
    for _ in range(20):
        assert status(cluster, b) == 429
        time.sleep(0.2)
    known(b)
    c = cluster.node(text)
    assert status(cluster, c) == 429


# --- restarts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_redis", [True, False])
def test_a_restarted_node_goes_on_with_what_was_spent(folder, started, with_redis):
    c = Cluster(folder, started, started(Redis(folder)) if with_redis else None)
    s = c.node(policy('bytes = "100 kB";', THREE))
    c.open(s).get(60_000)
    c.open(s, "local.example").get(12_000)
    assert "today's figures are restored from the journal" in s.said()
    for _ in range(2):
        for t in c.tunnels:
            t.close()
        s.stop()
        if with_redis:
            c.redis.cli("flushall")  # the journal alone knows
        s.start()
        known(s)
        assert re.search(r"limits: today's figures are restored: \d+ records, 2 people and rules", s.said()), s.said()
        assert status(c, s, "local.example") == 429 and status(c, s) == 200
    c.open(s).get(45_000)  # with the 60,000 of before it is spent
    within(2, "spent", lambda: status(c, s) == 429)
    assert totals(s)["state"] == "known" and metric(s, "stile_standings") >= 2


def test_nothing_is_counted_twice_when_the_shipper_dies_as_well(cluster):
    """What was counted since the start is in the journal, too, when the shipper restores again."""
    s = cluster.node(policy('bytes = "100 kB";'))
    cluster.open(s).get(30_000)
    cluster.tunnels[-1].close()
    for pid in s.children()["worker"]:
        os.kill(pid, signal.SIGKILL)  # the open minute is in the journal now
    wait_for("usage in the journal", lambda: [r for r in s.journal_records() if r["k"] == "usage"])
    for _ in range(3):
        before = s.children()["shipper"][0]
        os.kill(before, signal.SIGKILL)
        wait_for("a successor", lambda: s.children().get("shipper", [before])[0] != before)
        time.sleep(0.3)
    cluster.open(s).get(60_000)  # 90,000 and a bit: counted twice it would be spent
    time.sleep(1)
    assert status(cluster, s) == 200
    cluster.open(s).get(15_000)
    within(2, "spent", lambda: status(cluster, s) == 429)


# --- extra that was granted ------------------------------------------------------------------------------


def granted(s):
    rule = next(r for r in json.loads(run(PROXY, "ctl", "-c", s.config, "limits", "ben", "--json").stdout)["rules"] if r["rule"] == "social")
    return rule["bytes"]["granted"]


def test_a_grant_holds_on_all_nodes_once_whatever_dies(cluster):
    text = policy('bytes = "10 kB";')
    a, b = cluster.several(2, text)
    cluster.open(a).get(12_000)
    within(BOUND_S, "spent on both", lambda: status(cluster, a) == status(cluster, b) == 429)
    run(PROXY, "ctl", "-c", a.config, "limits", "ben", "--grant", "20kB", "--reason", "tests", "--rule", "social")
    within(BOUND_S, "the other node knows", lambda: status(cluster, b) == 200)
    run(PROXY, "ctl", "-c", b.config, "limits", "ben", "--grant", "5kB", "--reason", "tests")
    run(PROXY, "ctl", "-c", a.config, "limits", "ben", "--grant", "1kB", "--reason", "tests")  # under all rules
    within(BOUND_S, "and the first of the second", lambda: granted(a) == granted(b) == 26_000)
    for s in (a, b):
        old = s.children()["shipper"][0]
        os.kill(old, signal.SIGKILL)
        wait_for("a successor", lambda: s.children().get("shipper", [old])[0] != old)
    time.sleep(2)
    assert granted(a) == granted(b) == 26_000
    for t in cluster.tunnels:
        t.close()
    a.stop()
    a.start()
    known(a)
    within(BOUND_S, "a restarted node has its own and the other's", lambda: granted(a) == granted(b) == 26_000)


# --- acknowledgements -----------------------------------------------------------------------------------

COACH = '{ name = "coach"; roles = ["staff"]; to = ["coach.example"]; action = "coach"; remember = "1h"; purposes = ["casework", "training"]; },'


def test_an_acknowledgement_holds_on_all_nodes_and_after_a_restart(cluster):
    a, b = cluster.several(2, policy(more=COACH))
    assert [status(cluster, s, "coach.example") for s in (a, b)] == [403, 403]
    assert post(a, form(a, "coach", "ben") | {"purpose": "training"}, "ben")[0] == 303
    took = within(BOUND_S, "the other node knows", lambda: status(cluster, b, "coach.example") == 200)
    print(f"an acknowledgement took {took:.2f} s")
    assert status(cluster, b, "coach.example", user="anna") == 403
    for s in (a, b):
        s.stop()
    cluster.redis.cli("flushall")
    started = [x.start() for x in (a, b)]
    within(LOST_S + BOUND_S + 2, "the journal of one knows for both",
           lambda: [status(cluster, s, "coach.example") for s in started] == [200, 200])


# --- users of Redis -------------------------------------------------------------------------------------


def test_the_printed_users_are_enough_and_no_more_is_asked(folder, started, keep, authority):
    office = keep(Office(folder, authority).start())
    office.make_users(acl(folder, "--node", "edge1", "--node", "edge2"))
    c = Cluster(folder, started)
    nodes = []
    for name in ("edge1", "edge2"):
        s = c.node(policy('bytes = "10 kB";'), name=name, start=False,
                   audit=f'redis_user = "stile-shipper-{name}"; redis_password_file = "{passwords(folder) / "shipper"}"; redis_ca = "{office.ca}"; ')
        s.config.write_text(s.config.read_text().replace('redis = ""', f'redis = "{office.url}"'))
        nodes.append(started(s))
    for s in nodes:
        known(s)
    c.open(nodes[0]).get(12_000)
    within(BOUND_S, "the other node knows", lambda: status(c, nodes[1]) == 429)
    assert office.cli("acl", "log").stdout.strip() == ""
    assert all("NOPERM" not in s.text() and "warn" not in s.said() for s in nodes)
    # an older line, without totals: records are shipped, limits do not pretend, and the log says what to do
    old = re.sub(r" \(~stile:\{edge2\}:standing.*$", "", next(l for l in acl(folder, "--node", "edge2").splitlines() if "shipper-edge2" in l))
    office.make_users(old + "\n")
    wait_for("it is said", lambda: "stile-policy redis-acl prints" in nodes[1].said() and "totals of other nodes are not exchanged" in nodes[1].said())
    wait_for("it is not known", lambda: totals(nodes[1])["state"] == "unknown", KNOWN_S + 3)
    shipped = metric(nodes[1], "stile_ship_records_total")
    status(c, nodes[1], "rest.example")
    wait_for("records are shipped", lambda: metric(nodes[1], "stile_ship_records_total") > shipped)
    assert totals(nodes[1])["cause"] == "acl"
