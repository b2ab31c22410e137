"""stile-report summary: its figures against a second computation from the same records, from both sources, and its manners."""
import collections, json, os, pathlib, stat, subprocess, sys
import pytest
import check_summary
from harness import REPORT, Redis, wait_for

HERE = pathlib.Path(__file__).resolve().parent
FIRST, LAST, ZONE = "2026-10-20", "2026-11-02", "Europe/London"  # over the end of summer time
ALL = [w for d in check_summary.DIMS for w in ("--by", d)]


def run(*args, **more):
    return subprocess.run([REPORT, "summary", *map(str, args)], capture_output=True, text=True, timeout=300, **more)


def report(*args):
    r = run(*args, "--json")
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    d = tmp_path_factory.mktemp("summary") / "journal"
    subprocess.run([sys.executable, HERE / "gen_demo.py", d, "--people", "70", "--days", "14", "--to", LAST, "--zone", ZONE, "--seed", "5"], check=True)
    return d


@pytest.mark.parametrize("first, last, fold", [(FIRST, LAST, 5), (FIRST, LAST, 1), ("2026-10-22", "2026-10-26", 12), ("2026-10-25", "2026-10-25", 5),
                                               ("2026-01-01", "2026-01-03", 5)])
def test_every_figure_agrees_with_a_second_computation(journal, first, last, fold):
    told = report("--journal", journal, "--from", first, "--to", last, "--fold", fold, "--zone", ZONE, *ALL)
    summary = check_summary.Summary(journal, first, last)
    assert check_summary.compare(summary, told, fold) == []
    assert [t["table"] for t in told["tables"]] == [*check_summary.DIMS, "nodes"]


def test_thirty_days_of_a_thousand_people_agree(tmp_path):
    d = tmp_path / "journal"
    subprocess.run([sys.executable, HERE / "gen_demo.py", d, "--people", "1000", "--days", "30", "--to", LAST, "--zone", ZONE], check=True)
    first = "2026-10-04"
    told = report("--journal", d, "--from", first, "--to", LAST, *ALL)
    summary = check_summary.Summary(d, first, LAST)
    assert told["total"]["people"] == 1000 and summary.records > 500_000
    assert check_summary.compare(summary, told, 5) == []


def test_a_folder_without_a_journal_is_no_empty_report(tmp_path):
    (tmp_path / "other").mkdir()
    for d in (tmp_path, tmp_path / "other"):
        r = run("--journal", d, "--from", FIRST, "--to", LAST)
        assert r.returncode == 1 and f"{d} holds no journal" in r.stderr and not r.stdout


def test_the_second_computation_finds_a_wrong_figure(journal):
    told = report("--journal", journal, "--from", FIRST, "--to", LAST, *ALL)
    summary = check_summary.Summary(journal, FIRST, LAST)
    told["total"]["active_minutes"] += 1
    told["tables"][1]["rows"][0]["bytes_up"] -= 1
    assert len(check_summary.compare(summary, told, 5)) == 2


def test_the_data_has_what_the_comparison_is_about(journal):
    """Else it would agree on nothing."""
    s = check_summary.Summary(journal, FIRST, LAST)
    total = s.total.as_row()
    assert all(total.values()), total
    assert any(len({p[0]["rule"] for p in parts}) > 1 for parts in s.core.values()), "no minute under two rules"
    services = collections.defaultdict(set)
    for user, service, minute in s.core:
        services[user, minute].add(service)
    assert any(len(v) > 1 for v in services.values()), "no minute with two services"
    assert any(len(parts) > 1 for parts in s.core.values()), "no minute in two records"
    assert s.folded("role", 5)[1] and s.folded("service", 12)[1]


def test_coverage_counts_minutes_of_the_zone(journal):
    told = report("--journal", journal, "--from", "2026-10-25", "--to", "2026-10-25", "--zone", ZONE)
    assert (told["coverage"]["minutes_in_period"], told["coverage"]["minutes_recorded"]) == (1500, 1500)
    assert report("--journal", journal, "--from", "2026-10-25", "--to", "2026-10-25")["coverage"]["minutes_in_period"] == 1440


def test_a_damaged_line_is_in_no_figure_but_in_the_coverage(journal, folder):
    subprocess.run(["cp", "-r", journal, folder / "copy"], check=True)
    segment = max((folder / "copy").glob("worker-1/*.jnl"), key=lambda p: p.stat().st_size)
    data = segment.read_bytes()
    at = data.index(b'"k":"usage"', len(data) // 2)
    segment.write_bytes(data[:at] + b'"k":"usagf"' + data[at + 11:])
    told = report("--journal", folder / "copy", "--from", FIRST, "--to", LAST, *ALL)
    summary = check_summary.Summary(folder / "copy", FIRST, LAST)
    assert told["coverage"]["bad_lines"] == summary.bad == 1
    assert check_summary.compare(summary, told, 5) == []


def test_a_period_without_a_mark_is_said_to_be_unknown(journal, redis):
    for told in (report("--journal", journal, "--from", "2020-01-01", "--to", "2020-01-02"), report("--redis", f"redis://127.0.0.1:{redis.port}")):
        assert any("not known" in n for n in told["notes"])
    assert not any("not known" in n for n in report("--journal", journal, "--from", FIRST, "--to", LAST)["notes"])


def test_generated_data_is_labelled(journal):
    told = report("--journal", journal, "--from", FIRST, "--to", LAST)
    assert any("generated data" in n for n in told["notes"])
    assert told["tables"][-1]["rows"][0]["node"] == "generated-demo"


# --- from Redis ---------------------------------------------------------------------------------------

def rollups(journal):
    """What rollup.h says that Redis holds, from the raw lines: {(what, day): {field: value}}."""
    day, minutes = collections.defaultdict(dict), collections.defaultdict(lambda: collections.defaultdict(str))
    moved = collections.defaultdict(lambda: collections.defaultdict(collections.Counter))
    for body in check_summary.lines(journal):
        r = json.loads(body)
        key = [r.get(k) or "" for k in ("user", "role", "service", "zone", "rule", "purpose")]
        def count(metric, n):
            field = json.dumps([metric, *key], separators=(",", ":"), ensure_ascii=False)
            if n:
                day["day", r["day"]][field] = day["day", r["day"]].get(field, 0) + n
        if r["k"] == "access":
            spent = r["verdict"] == "deny" and r["reason"] in check_summary.SPENT
            count("limit" if spent else r["verdict"], 1 if r["n"] is None else r["n"])
        elif r["k"] == "ack":
            count("ack", 1)
        elif r["k"] == "usage":
            moved["day", r["day"]][json.dumps(["moved", *key], separators=(",", ":"), ensure_ascii=False)].update(
                {metric: r[metric] for metric in ("up", "down", "tunnels")})
            if r["core_up"] or r["core_down"]:
                minutes["min", r["day"]][json.dumps(key, separators=(",", ":"), ensure_ascii=False)] += f"{r['minute']},{r['core_up']},{r['core_down']} "
        elif r["k"] == "ack":
            count("ack", 1)
        elif r["k"] == "mark" and r["what"] == "checkpoint":
            count("checkpoint", 1)
        elif r["k"] == "mark" and r["what"] == "gap":
            count("lost", r["n"])
    for what, fields in moved.items():
        day[what].update({field: ",".join(str(n[m]) for m in ("up", "down", "tunnels")) for field, n in fields.items()})
    return {**day, **minutes}


def resp(*words):
    words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def fill(redis, data):
    out = subprocess.run(["redis-cli", "-p", str(redis.port), "--pipe"], input=data, capture_output=True, timeout=60)
    assert b"errors: 0" in out.stdout, out.stdout


@pytest.fixture
def redis(folder, started):
    r = started(Redis(folder))
    wait_for("redis", lambda: subprocess.run(["redis-cli", "-p", str(r.port), "ping"], capture_output=True).stdout == b"PONG\n")
    return r


def former(field, value):
    """The fields in which what moved stood before it became one."""
    if not field.startswith('["moved",'):
        return {field: value}
    return {field.replace("moved", metric, 1): n for metric, n in zip(("up", "down", "tunnels"), value.split(",")) if n != "0"}


@pytest.mark.parametrize("form", ["now", "former", "both"])
def test_redis_and_journal_give_the_same_report(journal, redis, form):
    data = resp("SADD", "stile:nodes", "generated-demo")
    for (what, day), fields in rollups(journal).items():
        for field, value in fields.items():
            as_before = form == "former" or form == "both" and day < "2026-10-27"
            if form == "both" and day == "2026-10-27" and field.startswith('["moved",'):  # the day of the change has some of each
                data += resp("HSET", f"stile:{{generated-demo}}:{what}:{day}", field.replace("moved", "up", 1), 3)
                up, rest = value.split(",", 1)
                value = f"{int(up) - 3},{rest}"
            for f, v in (former(field, value) if as_before else {field: value}).items():
                data += resp("HSET", f"stile:{{generated-demo}}:{what}:{day}", f, v)
    fill(redis, data)
    period = ["--from", FIRST, "--to", LAST, "--zone", ZONE, *ALL]
    mine = report("--redis", f"redis://127.0.0.1:{redis.port}/0", *period)
    theirs = report("--journal", journal, *period)
    for told in (mine, theirs):
        told.pop("source")
        told["period"].pop("made")
    assert mine == theirs


def test_two_nodes_are_one_person_and_one_minute(redis):
    who = '"p1","staff","facebook","public","social",""'
    data = resp("SADD", "stile:nodes", "a", "b")
    for node in "ab":
        data += resp("HSET", f"stile:{{{node}}}:min:2026-11-02", f"[{who}]", "29370240,1024,8000 29370241,10,10 ")
        data += resp("HSET", f"stile:{{{node}}}:day:2026-11-02", f'["allow",{who}]', 2, f'["checkpoint","","","","","",""]', 700)
    data += resp("HSET", "stile:{b}:day:2026-11-02", "nonsense", 1)
    fill(redis, data)
    told = report("--redis", f"redis://127.0.0.1:{redis.port}/0", "--from", "2026-11-02", "--to", "2026-11-02")
    total = told["total"]
    assert (total["people"], total["accesses"], total["active_minutes"], total["idle_minutes"]) == (1, 4, 1, 1)
    assert (told["coverage"]["nodes"], told["coverage"]["minutes_recorded"], told["coverage"]["minutes_in_period"]) == (2, 1400, 2880)
    assert told["coverage"]["bad_lines"] == 1


def test_a_redis_that_refuses_or_is_away_is_1(redis):
    fill(redis, resp("SET", "stile:nodes", "no set"))
    r = run("--redis", f"redis://127.0.0.1:{redis.port}/0")
    assert r.returncode == 1 and "WRONGTYPE" in r.stderr and r.stdout == ""
    redis.stop()
    r = run("--redis", f"redis://:geheim@127.0.0.1:{redis.port}/0")
    assert r.returncode == 1 and r.stderr and "geheim" not in r.stderr + r.stdout


# --- manners ------------------------------------------------------------------------------------------

def test_json_has_one_shape_with_and_without_data(journal):
    some = report("--journal", journal, "--from", FIRST, "--to", LAST)
    none = report("--journal", journal, "--from", "2020-01-01", "--to", "2020-01-02")
    assert list(some) == list(none) == ["report", "version", "period", "source", "coverage", "parameters", "total", "tables", "method", "notes"]
    for part in ("period", "source", "coverage", "parameters", "total"):
        assert list(some[part]) == list(none[part])
    assert [list(t) for t in some["tables"]] == [list(t) for t in none["tables"]]
    assert none["tables"][0]["rows"] == [] and none["period"]["zone"] is None
    rows = some["tables"][0]["rows"]
    assert all(list(r) == [c["key"] for c in some["tables"][0]["columns"]] for r in rows)


def test_method_and_coverage_go_with_every_output(journal):
    text = run("--journal", journal, "--from", FIRST, "--to", LAST).stdout
    for piece in ("Active minutes:", "16384", "Coverage", "minutes recorded", "lost records", "Known errors", "generated data", FIRST, LAST):
        assert piece in text
    assert "\033" not in text
    assert report("--journal", journal, "--from", "2020-01-01", "--to", "2020-01-02")["method"]


def test_no_pseudonym_leaves_the_summary(journal):
    users = {json.loads(b).get("user") for b in check_summary.lines(journal)} - {None}
    for form in ("text", "json"):
        out = run("--journal", journal, "--from", FIRST, "--to", LAST, "--format", form, "--fold", "1", *ALL).stdout
        assert users and not any(u in out for u in users)


def test_output_goes_to_a_file_whole(journal, folder):
    out = folder / "report.json"
    out.write_text("old")
    r = run("--journal", journal, "--from", FIRST, "--to", LAST, "--json", "-o", out)
    assert (r.returncode, r.stdout, r.stderr) == (0, "", "")
    assert json.loads(out.read_text())["report"] == "summary" and stat.S_IMODE(out.stat().st_mode) == 0o640
    r = run("--journal", folder / "none", "-o", out)
    assert r.returncode == 1 and json.loads(out.read_text())["report"] == "summary"


def test_the_configuration_of_the_proxy_says_where_and_which_zone(journal, folder):
    (folder / "policy.cfg").write_text('zone = "Europe/London"; rules = ( { name = "rest"; action = "allow"; } );')
    (folder / "proxy.cfg").write_text(f'policy = "policy.cfg"; audit = {{ redis = ""; journal = "{journal}"; }};')
    told = report("-c", folder / "proxy.cfg", "--from", FIRST, "--to", LAST)
    assert told["period"]["zone"] == ZONE and told["total"]["people"] == 70 and told["source"]["kind"] == "journal"
    (folder / "bad.cfg").write_text("audit = { redis = 5; };")
    r = run("-c", folder / "bad.cfg")
    assert r.returncode == 78 and f"{folder}/bad.cfg:1:" in r.stderr
    assert run("-c", folder / "none.cfg").returncode == 78


@pytest.mark.parametrize("args", [[], ["--journal", ".", "--redis", "redis://x"], ["--journal", ".", "--by", "person"], ["--journal", ".", "--from", "monday"],
                                  ["--journal", ".", "--from", "2026-11-02", "--to", "2026-11-01"], ["--journal", ".", "--format", "pdf"],
                                  ["--journal", ".", "--fold", "0"], ["--journal", ".", "--zone", "Mars"], ["--journal", ".", "extra"]])
def test_wrong_usage_is_2(args):
    r = run(*args)
    assert r.returncode == 2 and r.stdout == "" and "--help'" in r.stderr


def test_a_missing_journal_and_a_wrong_url_are_1(folder):
    assert run("--journal", folder / "none").returncode == 1
    assert run("--redis", "http://x").returncode == 1
