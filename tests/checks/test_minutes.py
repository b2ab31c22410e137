"""docs/minutes.md says of the golden traces what they give: scenes.json, expected.txt, the traces and the page are held together."""
import collections, json, pathlib, re

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRACES = ROOT / "tests/traces"
SCENES = json.loads((TRACES / "scenes.json").read_text())
PAGE = (ROOT / "docs/minutes.md").read_text()
FLOOR, FLOOR_UP = (int(re.search(rf"#define {name}\s+(\d+)", (ROOT / "audit/active.h").read_text())[1]) for name in ("ACTIVE_BYTES", "ACTIVE_BYTES_UP"))


def span(minutes):
    out = []
    for m in minutes:
        if out and out[-1][1] == m - 1:
            out[-1][1] = m
        else:
            out.append([m, m])
    return ",".join(f"{a}-{b}" if b > a else f"{a}" for a, b in out) or "-"


def core(name):
    """Bytes up and down of the core, by minute."""
    sums = collections.defaultdict(lambda: [0, 0])
    for line in (TRACES / f"{name}.trace").read_text().splitlines():
        if not line.startswith("#"):
            second, part, up, down = line.split()
            if part == "core":
                sums[int(second) // 60][0] += int(up)
                sums[int(second) // 60][1] += int(down)
    return sums


def counted(name, floor=FLOOR, floor_up=FLOOR_UP):
    return [m for m, (up, down) in sorted(core(name).items()) if up + down >= floor and up >= floor_up]


def test_expectations_are_what_was_observed_and_what_the_floor_gives():
    lines = [l.split() for l in (TRACES / "expected.txt").read_text().splitlines() if l and not l.startswith("#")]
    assert [[s["name"], "observed", span(s["observed"]), "counted", span(counted(s["name"]))] for s in SCENES["scenes"]] == lines


def test_the_page_shows_both():
    for s in SCENES["scenes"]:
        got = counted(s["name"])
        assert re.search(rf"^\| {s['name']} \|.*\| {len(s['observed'])} \| {len(got)} \|", PAGE, re.M), s["name"]


def test_the_page_shows_other_floors():
    for total, up in re.findall(r"^\| (\d+) KiB, (\d+) KiB up \|", PAGE, re.M):
        cells = []
        for s in SCENES["scenes"]:
            got = set(counted(s["name"], int(total) * 1024, int(up) * 1024))
            cells.append((len(set(s["observed"]) - got), len(got - set(s["observed"]))))
        row = f"| {total} KiB, {up} KiB up | {sum(a for a, _ in cells)} | {sum(b for _, b in cells)} |"
        assert row in PAGE, row
    assert f"| {FLOOR // 1024} KiB, {FLOOR_UP // 1024} KiB up |" in PAGE
