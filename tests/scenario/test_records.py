"""No access without a record, nothing lost, nothing counted twice: whichever process dies, and whatever Redis does.

Each request goes to a name of its own, and the policy records host names, so that a client's success can be found again."""
import collections, os, shutil, threading
import pytest
from harness import *

POLICY_HOSTS = """
zone = "UTC"; inside = [ "127.0.0.0/8" ]; ports = [ "1024-65535" ];
roles: { staff = { everyone = true; }; };
services: { chat = { hosts = [ "chat.example" ]; zone = "public"; categories = [ "social" ]; }; };
rules = ( { name = "all"; roles = ["staff"]; to = [".example"]; action = "allow"; record = "host"; purpose = "tests"; } );
"""


@pytest.fixture
def house(folder, started):
    redis = Redis(folder, persistent=True)
    started(redis)
    origin = started(Nginx(folder))
    stile = Stile(folder, policy=POLICY_HOSTS, redis=redis, users=("ben",),
                  names=[f"r{i}.example" for i in range(4000)] + [f"u{i}.chat.example" for i in range(10)])
    started(stile)
    return type("House", (), dict(redis=redis, origin=origin, stile=stile, folder=folder))


def one_request(stile, port, name, tunnel):
    """True when the client got the whole answer."""
    try:
        if tunnel:
            s, head = connect(stile, f"{name}:{port}", "ben")
            if status_of(head) != 200:
                return False
            request = f"GET /ok HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
        else:
            s = socket.create_connection(("127.0.0.1", stile.port), timeout=20)
            request = f"GET http://{name}:{port}/ok HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n{basic('ben')}\r\n\r\n"
        with s:
            s.sendall(request.encode())
            data = b""
            while True:
                d = s.recv(4096)
                if not d:
                    break
                data += d
        return data.startswith(b"HTTP/1.1 200") and data.endswith(b"ok\n")
    except OSError:
        return False


class Load:
    """Threads that take names one after another; `good` are those whose client had the whole answer."""

    def __init__(self, house, first, last, threads=8):
        self.house, self.names, self.lock = house, iter(range(first, last)), threading.Lock()
        self.good, self.tried, self.threads = set(), 0, [threading.Thread(target=self.work) for _ in range(threads)]
        for t in self.threads:
            t.start()

    def work(self):
        while True:
            with self.lock:
                i = next(self.names, None)
                if i is None:
                    return
                self.tried += 1
            if one_request(self.house.stile, self.house.origin.http, f"r{i}.example", i % 2 == 0):
                with self.lock:
                    self.good.add(f"r{i}.example")

    def join(self):
        for t in self.threads:
            t.join(120)
            assert not t.is_alive()


def allowed(records):
    return collections.Counter(r["to"] for r in records if r["k"] == "access" and r["verdict"] == "allow")


def check_pairs(records):
    """Every access has exactly one end, and the other way round."""
    a = collections.Counter(r["id"] for r in records if r["k"] == "access" and r["verdict"] == "allow")
    e = collections.Counter(r["id"] for r in records if r["k"] == "end")
    assert a == e and set(a.values()) <= {1}


def check_chains(records):
    """No record twice, none missing within a chain."""
    seen = collections.defaultdict(list)
    for r in records:
        seen[r["chain_"]].append(r["seq_"])
    for chain, seqs in seen.items():
        assert seqs == list(range(1, len(seqs) + 1)), chain


def test_a_thousand_requests_without_redis(house):
    house.redis.stop(signal.SIGKILL)
    load = Load(house, 0, 1000)
    load.join()
    assert len(load.good) == 1000  # browsing does not notice
    house.redis.start()
    rs = wait_for("all records in Redis", lambda: (lambda x: x if sum(r["k"] == "end" for r in x) >= 1000 else None)(house.redis.records()), 40)
    assert allowed(rs) == {f"r{i}.example": 1 for i in range(1000)}
    check_pairs(rs)
    check_chains(rs)


def test_workers_and_shipper_killed_under_load(house):
    s = house.stile
    load = Load(house, 0, 3000)
    kills = 0
    for role in ("worker", "shipper", "worker", "worker", "shipper", "worker"):
        want = load.tried + 350
        wait_for("the load goes on", lambda: load.tried >= want or load.tried >= 2990, 60)
        pids = wait_for(f"a {role} is there", lambda: s.children().get(role))
        os.kill(pids[kills % len(pids)], signal.SIGKILL)
        kills += 1
    load.join()
    assert load.tried == 3000 and len(load.good) > 2800
    one_more = wait_for("it serves after all that", lambda: one_request(s, house.origin.http, "r3999.example", True))
    assert one_more
    load.good.add("r3999.example")

    def complete():
        got = allowed(house.redis.records())
        return got if all(n in got for n in load.good) else None
    got = wait_for("every success in Redis", complete, 60)
    assert {n for n in load.good if got[n] != 1} == set()
    surplus = sum(got.values()) - len(load.good)
    assert 0 <= surplus <= 8 * kills, surplus  # no more than what was in flight
    check_chains(house.redis.records())


def test_bytes_of_the_open_minute_survive_a_killed_worker(house):
    s, o = house.stile, house.origin
    (o.www / "blob").write_bytes(b"x" * 100_000)
    while time.time() % 60 > 40:
        time.sleep(0.5)
    sent = 0
    for i in range(10):
        code, _, body = s.curl(f"http://u{i}.chat.example:{o.http}/blob", user="ben")
        assert code == 200
        sent += 100_000
    before = [r for r in s.journal_records() if r["k"] == "usage"]
    for pid in s.children()["worker"]:
        os.kill(pid, signal.SIGKILL)
    wait_for("successors", lambda: len(s.children().get("worker", [])) == 2)
    rs = wait_for("usage in the journal", lambda: (lambda x: x if sum(r["down"] for r in x) >= sent else None)(
        [r for r in s.journal_records() if r["k"] == "usage"]))
    ends = sum(r["down"] for r in s.journal_records() if r["k"] == "end")
    assert not before or sum(r["down"] for r in before) < sent  # they were in the open minute
    assert sum(r["down"] for r in rs) == ends and sum(r["core_down"] for r in rs) == ends
    assert {r["service"] for r in rs} == {"chat"}
    # and they are told once: killing again adds nothing
    for pid in s.children()["worker"]:
        os.kill(pid, signal.SIGKILL)
    wait_for("successors", lambda: len(s.children().get("worker", [])) == 2)
    time.sleep(1)
    assert sum(r["down"] for r in s.journal_records() if r["k"] == "usage") == ends


def rollups(redis):
    out = {}
    for what in ("day", "min"):
        for key in redis.json("keys", f"stile:{{test}}:{what}:*"):
            got = redis.json("hgetall", key)
            got = got if isinstance(got, dict) else dict(zip(got[::2], got[1::2]))
            out[key] = {f: sorted(v.split()) if what == "min" else v for f, v in got.items()}
    return out


def quiet(house):
    """Waits until nothing more is coming, then returns (records, rollups)."""
    last = None

    def same():
        nonlocal last
        now = (len(house.redis.records()), rollups(house.redis))
        done, last = now == last, now
        return done
    wait_for("Redis comes to rest", same, 60, every=1)
    return house.redis.records(), rollups(house.redis)


def test_redis_emptied_gets_everything_back_once(house):
    load = Load(house, 0, 400)
    load.join()
    assert len(load.good) == 400
    for i in range(5):
        house.stile.curl(f"http://u{i}.chat.example:{house.origin.http}/ok", user="ben")
    while 57 < time.time() % 60 or time.time() % 60 < 2:  # no minute ends between the two looks
        time.sleep(0.5)
    before, figures = quiet(house)
    house.redis.cli("flushall")
    wait_for("records come back", lambda: len(house.redis.records()) >= len(before), 60)
    after, again = quiet(house)
    key = lambda r: (r["chain_"], r["seq_"], r["hash_"], r["body_"])
    old, new = sorted(map(key, before)), sorted(map(key, after))
    assert set(old) <= set(new) and len(new) == len(set(new))
    assert allowed(after) == allowed(before)
    extra = [r for r in after if key(r) not in set(old)]
    assert all(r["k"] in ("mark", "usage") for r in extra), extra  # a minute may have ended meanwhile
    if not any(r["k"] == "usage" or r.get("what") == "checkpoint" for r in extra):
        assert again == figures
    check_chains(after)


def test_a_journal_put_back_from_an_older_copy_raises_the_alarm(house):
    s = house.stile
    Load(house, 0, 50).join()
    quiet(house)
    s.stop()
    shutil.copytree(s.journal, house.folder / "copy")
    s.start()
    Load(house, 50, 150).join()
    s.stop()
    wait_for("shipped", lambda: sum(allowed(house.redis.records()).values()) >= 150)
    # the copy's last chains end earlier than Redis knows
    shutil.rmtree(s.journal)
    shutil.copytree(house.folder / "copy", s.journal)
    for f in sorted(s.journal.glob("[0-9]/*.jnl")):
        lines = f.read_bytes().splitlines(keepends=True)
        if len(lines) > 12:
            f.write_bytes(b"".join(lines[:-10]))
    s.start()
    wait_for("the alarm in the log", lambda: re.search(r"shipper: ship: .*chain", s.said()), 30)
    wait_for("the mark in Redis", lambda: [r for r in house.redis.records() if r["k"] == "mark" and r["what"] == "alarm"], 30)
    Load(house, 150, 200).join()
    got = wait_for("new records go on", lambda: (lambda g: g if all(g[f"r{i}.example"] == 1 for i in range(150, 200)) else None)(
        allowed(house.redis.records())), 30)
    assert all(got[f"r{i}.example"] == 1 for i in range(200))


def test_two_nodes_with_one_name(house, started):
    other = started(Stile(house.folder, policy=POLICY_HOSTS, redis=house.redis, users=("ben",),
                          names=["r0.example", "r1.example"], name="other"))
    assert one_request(house.stile, house.origin.http, "r0.example", True)
    wait_for("the first node's record", lambda: allowed(house.redis.records())["r0.example"] == 1)
    assert one_request(other, house.origin.http, "r1.example", True)  # it serves, and keeps its journal
    text = wait_for("the second says why", lambda: "node" in other.text() and re.search(r"ship: .*", other.text()) and other.text(), 20)
    assert re.search(r'ship: .*"?test"?.*(another|other|second|different)', text), text
    assert allowed(house.redis.records())["r1.example"] == 0
    # named otherwise, it ships all it has kept
    other.stop()
    other.config.write_text(other.config.read_text().replace('node = "test"', 'node = "second"'))
    other.start()
    wait_for("its records", lambda: allowed(house.redis.records("second"))["r1.example"] == 1)
