"""The golden traces (tests/traces) through a whole proxy: a person for each scene opens tunnels and moves, minute by minute of a clock that
tests set, what the browser moved. Usage records, limits and reports give the minutes that expected.txt names, whether a scene's bytes go
through one tunnel or are split over two hosts of its service at once, which is what two tabs do."""
import collections, datetime, sys
import pytest
from harness import *
from peer import Peer, Tunnel
from wallclock import WallClock

sys.path.insert(0, str(ROOT / "tests/traces"))
from record import NAMES, SCENES, by_trace, policy  # noqa: E402

MINUTES = 12
EXPECTED = {name: counted for name, _, _, _, counted in
            (line.split() for line in (ROOT / "tests/traces/expected.txt").read_text().splitlines() if not line.startswith("#"))}
START = "2026-11-27 09:00:00"


def minutes_of(text):
    return {m for part in text.split(",") if part != "-" for a, _, b in [part.partition("-")] for m in range(int(a), int(b or a) + 1)}


def move(t, up, down):
    """So many bytes each way; a tunnel's peer takes at least a line and gives at least two bytes."""
    t.get(max(down - 2, 0))
    t.put(max(up - 20, 0))


class Person:
    """Who plays a scene: tunnels to the core, all in one or half in each of two, and one to the cdn."""

    def __init__(self, s, peer, name, hosts):
        self.name = name
        self.core = [Tunnel(s, f"{h}.{name}.example", peer, name) for h in hosts]
        self.cdn = Tunnel(s, f"cdn.{name}.example", peer, name)
        assert all(t.status == 200 for t in (*self.core, self.cdn))

    def minute(self, core_up, core_down, up, down):
        for t in self.core:
            if core_up or core_down:
                move(t, core_up // len(self.core), core_down // len(self.core))
        if up > core_up or down > core_down:
            move(self.cdn, up - core_up, down - core_down)


def played(records, first):
    """{user: {minute: [core up, core down]}} of the usage records."""
    out = collections.defaultdict(lambda: collections.defaultdict(lambda: [0, 0]))
    for r in records:
        if r["k"] == "usage":
            sums = out[r["user"]][r["minute"] - first]
            sums[0] += r["core_up"]
            sums[1] += r["core_down"]
    return out


@pytest.mark.parametrize("hosts", [("www",), ("www", "m")], ids=["one tunnel", "two hosts at once"])
def test_a_whole_proxy_counts_the_scenes_as_expected(folder, started, hosts):
    clock = WallClock(folder, "UTC")
    clock.set(START)
    s = Stile(folder, policy=policy("limits = { minutes = 600; };"), users=SCENES, names=NAMES)
    s.more["env"] = clock.environment()
    peer = started(Peer())
    started(s)
    people = [Person(s, peer, n, hosts) for n in SCENES]
    trace = by_trace()
    for m in range(MINUTES):
        clock.set(f"2026-11-27 09:{m:02}:05")
        for p in people:
            p.minute(*trace[p.name, m])
    clock.set(f"2026-11-27 09:{MINUTES:02}:05")
    told = {n: json.loads(run(PROXY, "ctl", "-c", s.config, "limits", n, "--json").stdout) for n in SCENES}
    for p in people:
        for t in (*p.core, p.cdn):
            t.close()
    s.stop()
    first = int(datetime.datetime.fromisoformat(START + "+00:00").timestamp()) // 60
    usage = played(s.journal_records(), first)
    for n in SCENES:
        who, expected = told[n]["person"], minutes_of(EXPECTED[n])
        sums = usage[who]
        assert {m for m, (up, down) in sums.items() if up + down >= 16384 and up >= 2048} == expected, n
        assert told[n]["rules"][0]["minutes"]["used"] == len(expected), n
        report = json.loads(run(REPORT, "person", who, "--journal", s.journal, "--from", "2026-11-27", "--to", "2026-11-27", "--json").stdout)
        idle = sum(1 for m, sum_ in sums.items() if any(sum_) and m not in expected)
        assert (report["total"]["active_minutes"], report["total"]["idle_minutes"]) == (len(expected), idle), n
