"""Chaos: workers, shipper and Redis are killed, Redis is paused and emptied, the policy is reloaded every 100 ms with another
content and the journal's disk is filled, while clients open tunnel after tunnel. Their own list of successes is compared with
what Redis has in the end: each success once, and beside them no more than what was in flight when something died."""
import collections, itertools, random, threading
import pytest
from disk import small_disk
from harness import *

TUNNELS = 20_000  # at least
THREADS = 12
NAMES = [f"r{i}.example" for i in range(200)]
SECONDS = 75      # of chaos, at least
SPACE = "512m"    # the journal of all these tunnels is not to fill it


def policy(n):
    return f"""
zone = "UTC"; inside = [ "127.0.0.0/8" ]; ports = [ "1024-65535" ];
rules = ( {{ name = "all"; to = [".example"]; action = "allow"; record = "host"; purpose = "chaos {n}";
            limits = {{ bytes = "1 TB"; minutes = 1440; }}; }} );
"""


@pytest.fixture
def disk(folder):
    """A small disk of its own for the journal."""
    with small_disk(folder, SPACE) as d:
        yield d


class Clients:
    """Each takes the next name, opens a tunnel, asks through it and counts what was answered in full."""

    def __init__(self, stile, port):
        self.stile, self.port, self.stop = stile, port, threading.Event()
        self.good, self.tried, self.why, self.lock = collections.Counter(), itertools.count(), collections.Counter(), threading.Lock()
        self.n = 0
        self.threads = [threading.Thread(target=self.work) for _ in range(THREADS)]
        for t in self.threads:
            t.start()

    def work(self):
        while not self.stop.is_set():
            with self.lock:
                self.n = next(self.tried)
            name = NAMES[self.n % len(NAMES)]
            why = self.one(name)
            with self.lock:
                self.why[why] += 1
                if why == "good":
                    self.good[name] += 1
            if why != "good":
                time.sleep(0.01)

    def one(self, name):
        try:
            with socket.create_connection(("127.0.0.1", self.stile.port), timeout=20) as s:
                s.sendall(f"CONNECT {name}:{self.port} HTTP/1.1\r\nHost: {name}:{self.port}\r\n\r\n".encode())
                head = self.until(s, lambda d: b"\r\n\r\n" in d)
                if not head.startswith(b"HTTP/1.1 200"):
                    return head[9:12].decode() or "cut"
                s.sendall(f"GET /ok HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
                return "good" if self.until(s, lambda d: False).endswith(b"ok\n") else "cut"
        except OSError as e:
            return type(e).__name__

    @staticmethod
    def until(s, enough):
        data = b""
        while not enough(data):
            d = s.recv(4096)
            if not d:
                break
            data += d
        return data

    def join(self):
        self.stop.set()
        for t in self.threads:
            t.join(60)
            assert not t.is_alive()


class Chaos:
    def __init__(self, stile, redis, disk, seed):
        self.stile, self.redis, self.disk, self.random = stile, redis, disk, random.Random(seed)
        self.kills, self.done = 0, collections.Counter()

    def kill(self, role):
        pids = self.stile.children().get(role)
        if pids:
            os.kill(self.random.choice(pids), signal.SIGKILL)
            self.kills += role == "worker"

    def kill_redis(self):
        self.redis.stop(signal.SIGKILL)
        time.sleep(self.random.uniform(0, 2))
        self.redis.start()

    def pause_redis(self):
        self.redis.p.send_signal(signal.SIGSTOP)
        time.sleep(self.random.uniform(0.5, 6))
        self.redis.p.send_signal(signal.SIGCONT)

    def empty_redis(self):
        self.redis.cli("flushall")

    def fill_disk(self):
        file = self.disk / "fill"
        try:
            with open(file, "wb", 0) as f:
                while f.write(b"x" * 65536):
                    pass
        except OSError:
            pass
        time.sleep(self.random.uniform(1, 3))
        self.kill("worker")  # a successor finds no room to begin
        time.sleep(1)
        file.unlink()

    def everything(self, seconds):
        acts = [lambda: self.kill("worker"), lambda: self.kill("worker"), lambda: self.kill("shipper"), self.kill_redis, self.pause_redis,
                self.empty_redis, self.fill_disk]
        names = ["worker", "worker", "shipper", "redis killed", "redis paused", "redis emptied", "disk full"]
        end = time.monotonic() + seconds
        while time.monotonic() < end or len(self.done) < len(set(names)):
            i = self.random.randrange(len(acts))
            acts[i]()
            self.done[names[i]] += 1
            time.sleep(self.random.uniform(0.2, 1))


def reload_again_and_again(stile, stop, count):
    for n in itertools.count():
        if stop.wait(0.1):
            return
        new = stile.policy_file.with_suffix(".new")
        new.write_text(policy(n))
        new.rename(stile.policy_file)
        stile.p.send_signal(signal.SIGHUP)
        count.append(n)


def key(r):
    return r["chain_"], r["seq_"]


def test_whatever_dies_each_success_is_recorded_once(folder, started, disk):
    seed = int(os.environ.get("SEED", time.time()))
    redis, origin = started(Redis(folder, persistent=True)), started(Nginx(folder))
    s = started(Stile(folder, policy=policy(0), redis=redis, users=(), names=NAMES, journal=disk / "journal",
                      more=f'control = "{folder}/c.sock";'))
    clients, chaos = Clients(s, origin.http), Chaos(s, redis, disk, seed)
    stop, reloads = threading.Event(), []
    reloading = threading.Thread(target=reload_again_and_again, args=(s, stop, reloads))
    reloading.start()
    try:
        chaos.everything(SECONDS)
        wait_for("enough tunnels", lambda: sum(clients.good.values()) >= TUNNELS, 90, every=0.5)
    finally:
        stop.set()
        reloading.join()
        clients.join()
    good = clients.good
    print(f"seed {seed}: {sum(good.values())} tunnels of {clients.n + 1}, {dict(clients.why)}; {dict(chaos.done)}; {len(reloads)} reloads")
    assert s.p.poll() is None, s.text()[-3000:]

    def at_rest():
        status = json.loads(run(PROXY, "ctl", "-c", s.config, "status", "--json").stdout)
        return status["shipper"]["state"] == "idle" and status["journal"]["backlog_bytes"] == 0
    wait_for("all is in Redis", at_rest, 60, every=0.5)
    s.stop()
    records, journal = redis.records(), s.journal_records()
    counted = collections.Counter(map(key, records))
    assert set(counted.values()) == {1} and set(counted) <= set(map(key, journal))
    late = [r for r in journal if key(r) not in counted]  # the last words of those that end after the shipping
    assert all(r["k"] == "mark" and r["what"] == "stop" for r in late), late
    chains = collections.defaultdict(list)
    for r in records:
        chains[r["chain_"]].append(r["seq_"])
    assert all(sorted(v) == list(range(1, len(v) + 1)) for v in chains.values())
    given = [r for r in records if r["k"] == "access" and r["verdict"] == "allow"]
    assert len({r["id"] for r in given}) == len(given)
    got = collections.Counter(r["to"] for r in given)
    missing = {n: (good[n], got[n]) for n in good if got[n] < good[n]}
    assert not missing, missing
    surplus = sum(got.values()) - sum(good.values())
    print(f"{len(records)} records in {len(chains)} chains, surplus {surplus} at {chaos.kills} killed workers")
    assert surplus <= THREADS * chaos.kills
