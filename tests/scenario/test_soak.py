"""A soak: hours of mixed good and bad traffic, with reloads, keep memory and descriptors flat, serve every good client, and record
each of their successes once. STILE_SOAK: seconds of it (600; builds for sanitizers: 60, as their memory is not stile's).

The rates are modest; what grows with each connection, reload or login shows in the slope. STILE_LOOK keeps the table of samples."""
import collections, contextlib, itertools, resource, statistics, threading, urllib.request
import pytest
from harness import *
from mixture import NAMES, USERS, Town, policy

SANITIZED = "san" in BUILD.name
SECONDS = float(os.environ.get("STILE_SOAK", 60 if SANITIZED else 600))
WARM_UP = 0.2              # of the time
EVERY = min(10, SECONDS / 30)
RELOAD = 3                 # seconds between reloads
GROWTH = 2 << 20, 0.05     # fitted over the rest, of each process: below the larger of bytes and share
SPARES = 20                # seconds that an origin's connection waits for a request of whoever it may be, at most
SPARE = 2                  # descriptors more than after the warm-up: a look-up, a segment that is being begun
TIMES = """timeouts = { head = "4s"; keep_alive = "5s"; stall = "3s"; idle = "10s"; connect = "2s"; hello = "2s"; drain = "1s"; };
metrics = "127.0.0.1:%d"; control = "%s/c.sock";"""


@pytest.fixture
def stile(folder, started):
    ca = Authority(folder)
    key, pem = ca.leaf(["proxy.example"], "proxy")
    metrics, redis = free_port(), started(Redis(folder))
    s = Stile(folder, policy=policy(0), redis=redis, users=USERS, names=NAMES, more=TIMES % (metrics, folder))
    s.metrics, s.redis, s.ca, s.tls, s.behind = metrics, redis, ca, free_port(), free_port()
    s.config.write_text(s.config.read_text().replace("identity = {", 'identity = { remember = "30s";', 1).replace(
        "listen = (", f'listen = ( {{ address = "127.0.0.1:{s.tls}"; tls = {{ certificate = "{pem}"; key = "{key}"; }}; }},'
                      f' {{ address = "127.0.0.1:{s.behind}"; proxy_protocol = [ "127.0.0.1" ]; }},', 1))
    return started(s)


def metric(s, name):
    page = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://127.0.0.1:{s.metrics}/metrics").read().decode()
    return sum(float(v) for v in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.M))


def processes(s):
    """Process ids by name: the master, its workers in their order, the shipper."""
    kids = s.children()
    out = {"master": s.p.pid} | {f"worker{i}": p for i, p in enumerate(sorted(kids["worker"]))}
    return out | {"shipper": kids["shipper"][0]}


def memory(pid):
    """Anonymous memory, which is private, in bytes."""
    return int(re.search(r"^RssAnon:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M).group(1)) * 1024


def share(pid):
    """Its proportional part of all memory (PSS); nan where that may not be read."""
    try:
        return int(re.search(r"^Pss:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M).group(1)) * 1024
    except OSError:
        return float("nan")


def descriptors(pid):
    """Without pipes, of which a worker keeps a bounded pool for long transfers."""
    n = 0
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            n += not os.readlink(fd).startswith("pipe:")
        except OSError:
            pass  # closed meanwhile
    return n


def cpu(pid):
    """Seconds of all its threads."""
    return sum(int(x) for x in pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]) / os.sysconf("SC_CLK_TCK")


class Samples:
    """What was seen, when: of each process its memory, PSS and descriptors; of the whole its connections and backlog."""

    def __init__(self, s):
        self.s, self.of, self.begun, self.rows = s, processes(s), time.monotonic(), []

    def take(self):
        self.rows.append(dict(t=time.monotonic() - self.begun, open=metric(self.s, "stile_connections_open"),
                              backlog=metric(self.s, "stile_journal_backlog_bytes"),
                              **{n: (memory(p), share(p), descriptors(p)) for n, p in self.of.items()}))
        return self.rows[-1]

    def growth(self, name, since):
        """Bytes over the time since then: the median of all slopes (Theil-Sen), as the 8 MB of a password that is just being
        hashed are no growth."""
        points = [(r["t"], r[name][0]) for r in self.rows if r["t"] >= since]
        slopes = [(n - m) / (u - t) for (t, m), (u, n) in itertools.combinations(points, 2)]
        return statistics.median(slopes) * (points[-1][0] - points[0][0])

    def table(self):
        head = "      s   open  backlog" + "".join(f"  {n:>20}" for n in self.of) + "\n" + " " * 22 + "       anon   PSS  fds" * len(self.of)
        lines = [f"{r['t']:7.0f} {r['open']:6.0f} {r['backlog']:8.0f}" + "".join(
            f"  {r[n][0] / 1024:8.0f} {r[n][1] / 1024:6.0f} {r[n][2]:4d}" for n in self.of) for r in self.rows]
        return "\n".join(["memory in KiB", head, *lines]) + "\n"


def at_rest(s, samples):
    """Nobody is connected and all is in Redis; a sample of then."""
    wait_for("connections end", lambda: metric(s, "stile_connections_open") == 0, 30)
    wait_for("all is in Redis", lambda: metric(s, "stile_journal_backlog_bytes") == 0, 60, every=0.5)
    time.sleep(SPARES + 1.5)
    return samples.take()


def reload_again_and_again(s, stop, count):
    """Now and then with a policy that is wrong, which is refused."""
    for n in itertools.count(1):
        if stop.wait(RELOAD):
            return
        new = s.policy_file.with_suffix(".new")
        new.write_text(policy(n) if n % 10 else "rules = ( what;")
        new.rename(s.policy_file)
        s.reload()
        count[bool(n % 10)] += 1


@contextlib.contextmanager
def reloads(s, count):
    stop = threading.Event()
    t = threading.Thread(target=reload_again_and_again, args=(s, stop, count))
    t.start()
    try:
        yield
    finally:
        stop.set()
        t.join()


def soak(s, town, samples, count, seconds):
    end = time.monotonic() + seconds
    town.start()
    try:
        with reloads(s, count):
            while (left := end - time.monotonic()) > 0:
                time.sleep(min(EVERY, left))
                samples.take()
    finally:
        town.stop()


def show(samples, text):
    print(samples.table() + text)
    if look := os.environ.get("STILE_LOOK"):
        pathlib.Path(look).mkdir(parents=True, exist_ok=True)
        (pathlib.Path(look) / "soak.txt").write_text(samples.table() + text + "\n")


def recorded_once(s, town):
    """All successes of good clients, and no access that has not one end, each once. Returns the number of all records."""
    seen, given, ends = set(), {}, {}
    for n, r in enumerate(s.redis.each_record(), 1):
        seen.add((r["chain_"], r["seq_"]))
        if r["k"] == "access" and r["verdict"] == "allow":
            assert r["id"] not in given
            given[r["id"]] = r["to"] if r["rule"] == "good" else None
        if r["k"] == "end":
            assert r["id"] not in ends
            ends[r["id"]] = r["reason"]
    assert len(seen) == n and set(given) == set(ends)
    # what good clients got; the dead port is asked for under the same names, and gets nothing
    got = collections.Counter(to for i, to in given.items() if to and ends[i] != "unreachable")
    assert got == town.good, {to: (got[to], town.good[to]) for to in got | town.good if got[to] != town.good[to]}
    return n


def test_memory_and_descriptors_stay_flat(stile):
    s, count, before = stile, collections.Counter(), resource.getrusage(resource.RUSAGE_SELF)
    town, samples = Town(s), Samples(s)
    busy = sum(map(cpu, samples.of.values()))
    soak(s, town, samples, count, SECONDS * WARM_UP)
    warm = at_rest(s, samples)
    soak(s, town, samples, count, SECONDS * (1 - WARM_UP))
    rest = at_rest(s, samples)
    took = time.monotonic() - samples.begun
    growth = {n: samples.growth(n, warm["t"]) for n in samples.of}
    after = resource.getrusage(resource.RUSAGE_SELF)
    show(samples, f"fitted growth of anonymous memory after the warm-up, KiB: { {n: round(g / 1024) for n, g in growth.items()} }\n"
         f"at rest after the warm-up and in the end, KiB: { {n: (warm[n][0] >> 10, rest[n][0] >> 10) for n in samples.of} }\n"
         f"{sum(town.ends.values())} acts, {sum(town.good.values())} accesses of good clients, {count[True]} reloads, {count[False]} refused; "
         f"CPU of stile {(sum(map(cpu, samples.of.values())) - busy) / took:.0%}, of clients and origins "
         f"{(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / took:.0%} of a core\n"
         + "\n".join(f"  {act:20} {end!s:10} {n}" for (act, end), n in sorted(town.ends.items(), key=str)))
    assert not town.findings and not town.origin.troubles, (town.findings[:10], len(town.findings), town.origin.troubles[:3])
    assert processes(s) == samples.of and not metric(s, "stile_restarts_total"), "nobody died"
    assert count[True] > SECONDS / RELOAD / 4 and sum(town.good.values()) > SECONDS * 2
    for n in samples.of:
        assert rest[n][2] <= warm[n][2] + SPARE, f"descriptors of {n}: {warm[n][2]}, then {rest[n][2]}"
        bound = max(GROWTH[0], GROWTH[1] * warm[n][0])
        assert SANITIZED or growth[n] < bound and rest[n][0] - warm[n][0] < bound, f"memory of {n} grows by {growth[n]:.0f} bytes"
    assert s.stop() == 0
    print(f"{recorded_once(s, town)} records in Redis")
    assert not [p for p in samples.of.values() if pathlib.Path(f"/proc/{p}").exists()], "nothing is left running"
