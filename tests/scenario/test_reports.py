"""stile-report denied, person and rules: against a second computation, from both sources, in every format."""
import csv, datetime, io, json, subprocess, sys, pathlib
import pytest
import check_reports, check_summary
from harness import REPORT, Redis

HERE = pathlib.Path(__file__).resolve().parent
FIRST, LAST, ZONE = "2026-10-20", "2026-11-02", "Europe/London"
DENIED_BY = ("rule", "reason", "destination", "day", "role", "service", "zone", "purpose")
NOBODY = "0" * 24
TODAY = datetime.date.today()
RULES = ["campaigns", "youth", "kiosks", "gambling", "museum", "staff-social"]
POLICY = f"""
zone = "{ZONE}";
roles: {{ communications = {{ groups = ["comms"]; }}; youth = {{ groups = ["youth-work"]; }}; kiosks = {{ networks = ["192.0.2.0/24"]; }};
         staff = {{ everyone = true; }}; }};
rules = (
  {{ name = "campaigns"; roles = ["communications"]; to = ["#social"]; action = "allow"; purpose = "public campaigns and civic debate";
     owner = "Head of Communications"; benefit = "replies within one working day"; risk = "reputation"; risk_owner = "Monitoring Officer";
     review = "{TODAY + datetime.timedelta(days=40)}"; }},
  {{ name = "youth"; roles = ["youth"]; to = ["facebook"]; action = "allow"; purpose = "=HYPERLINK(\\"http://x.example\\")"; owner = "-1+1";
     review = "{TODAY - datetime.timedelta(days=40)}"; }},
  {{ name = "kiosks"; roles = ["kiosks"]; to = ["facebook"]; action = "allow"; purpose = "<b>information, \\"open\\"</b>"; }},
  {{ name = "gambling"; to = ["casino.example"]; action = "deny"; }},
  {{ name = "museum"; to = ["museum.example"]; action = "allow"; purpose = "@museum"; }},
  {{ name = "staff-social"; roles = ["staff"]; to = ["#social"]; action = "allow"; purpose = "breaks"; }} );
"""


def run(*args, **more):
    return subprocess.run([REPORT, *map(str, args)], capture_output=True, text=True, timeout=300, **more)


def report(*args):
    r = run(*args, "--json")
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    d = tmp_path_factory.mktemp("reports") / "journal"
    subprocess.run([sys.executable, HERE / "gen_demo.py", d, "--people", "70", "--days", "14", "--to", LAST, "--zone", ZONE, "--seed", "5"], check=True)
    return d


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    p = tmp_path_factory.mktemp("policy") / "policy.cfg"
    p.write_text(POLICY)
    return p


@pytest.fixture(scope="module")
def someone(journal):
    """The pseudonym with most records."""
    users = [r["user"] for r in check_reports.records(journal, FIRST, LAST) if r.get("user")]
    return max(set(users), key=users.count)


def period(journal, first=FIRST, last=LAST):
    return ["--journal", journal, "--from", first, "--to", last, "--zone", ZONE]


def commands(journal, policy, someone):
    return {"denied": ["denied", *period(journal)], "person": ["person", someone, *period(journal)],
            "rules": ["rules", "--policy", policy, *period(journal)], "summary": ["summary", *period(journal), "--by", "service", "--by", "day"]}


# --- the figures ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("first, last, fold", [(FIRST, LAST, 5), (FIRST, LAST, 1), (FIRST, LAST, 20), ("2026-10-22", "2026-10-26", 2), ("2020-01-01", "2020-01-02", 5)])
def test_denied_agrees_with_a_second_computation(journal, first, last, fold):
    told = report("denied", *period(journal, first, last), "--fold", fold, *[w for d in DENIED_BY for w in ("--by", d)])
    assert check_reports.compare_denied(journal, first, last, told, fold) == []
    assert [t["table"] for t in told["tables"]] == [*DENIED_BY, "nodes"]


def test_the_data_has_retries_and_folds(journal):
    """Else the comparison would agree on nothing."""
    attempts = list(check_reports.attempts_of(journal, FIRST, LAST))
    refusals = sum(len(a) for a in attempts)
    assert 20 < len(attempts) < refusals and any(len(a) > 3 for a in attempts)
    told = report("denied", *period(journal), "--fold", 20)
    assert any(r["folded"] for t in told["tables"][:-1] for r in t["rows"])
    told["total"]["attempts"] += 1
    assert len(check_reports.compare_denied(journal, FIRST, LAST, told, 20)) == 1


def test_person_agrees_with_a_second_computation(journal, someone):
    assert check_reports.compare_person(journal, FIRST, LAST, someone, report("person", someone, *period(journal))) == []


@pytest.mark.parametrize("fold", [5, 1, 30])
def test_rules_agrees_with_a_second_computation(journal, policy, fold):
    told = report("rules", "--policy", policy, *period(journal), "--fold", fold)
    assert check_reports.compare_rules(journal, FIRST, LAST, told, fold, RULES) == []
    states = {r["rule"]: r["state"] for r in check_reports.table_of(told, "rules")}
    assert states["museum"] == "never used" and states["staff-social"] == "used" and (fold < 30 or states["youth"] == "used; figures folded")
    assert fold == 30 or {r["rule"] for r in check_reports.table_of(told, "rest")} >= {"rest"}, "what the policy does not have is told too"


def test_reviews_and_unused_rules_are_said_in_words(journal, policy):
    told = report("rules", "--policy", policy, *period(journal))
    written = {r["rule"]: r for r in check_reports.table_of(told, "written")}
    assert written["youth"]["overdue"] and written["youth"]["review_state"].startswith("overdue by ")
    assert not written["campaigns"]["overdue"] and written["campaigns"]["review_state"].startswith("in ") and written["kiosks"]["review_state"] == "no date"
    assert written["campaigns"]["risk_owner"] == "Monitoring Officer" and written["kiosks"]["owner"] is None
    assert "Review overdue: youth." in told["notes"] and "Never used in this period: museum." in told["notes"]
    assert (told["total"]["rules"], told["total"]["never_used"], told["total"]["reviews_overdue"]) == (6, 1, 1)


def test_no_pseudonym_leaves_but_the_one_that_was_asked_for(journal, policy, someone):
    users = {r["user"] for r in check_reports.records(journal, FIRST, LAST) if r.get("user")}
    assert len(users) > 50 and all(len(u) == 24 for u in users)
    for name, command in commands(journal, policy, someone).items():
        for form in ("text", "json", "csv", "html"):
            out = run(*command, "--format", form, *([] if name == "person" else ["--fold", 1])).stdout
            assert {u for u in users if u in out} == ({someone} if name == "person" else set()), (name, form)


def test_a_person_without_a_record_is_1_and_part_of_one_is_2(journal, someone):
    r = run("person", NOBODY, *period(journal))
    assert r.returncode == 1 and r.stdout == "" and "no record of " + NOBODY in r.stderr and "recorded: 20220 minutes of 20220" in r.stderr
    for wrong in (someone[:-1], someone + "0", someone.upper() if someone.upper() != someone else "X" * 24, "", "%" * 24):
        assert run("person", wrong, *period(journal)).returncode == 2
    assert run("person", *period(journal)).returncode == 2


# --- from Redis -----------------------------------------------------------------------------------------

def resp(*words):
    words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def ship(redis, journal, keep=lambda day: True):
    """What docs/redis.md says that Redis holds; raw records only of days to keep."""
    import test_summary
    data = bytearray(resp("SADD", "stile:nodes", "generated-demo"))
    for (what, day), fields in test_summary.rollups(journal).items():
        for field, value in fields.items():
            data += resp("HSET", f"stile:{{generated-demo}}:{what}:{day}", field, value)
    for i, body in enumerate(check_summary.lines(journal)):
        day = json.loads(body)["day"]
        if keep(day):
            data += resp("XADD", f"stile:{{generated-demo}}:log:{day}", "*", "c", "0" * 32, "s", i + 1, "h", "0" * 64, "b", body)
    out = subprocess.run(["redis-cli", "-p", str(redis.port), "--pipe"], input=data, capture_output=True, timeout=60)
    assert b"errors: 0" in out.stdout, out.stdout


def test_redis_and_journal_give_the_same_reports(journal, policy, someone, folder, started):
    redis = started(Redis(folder))
    ship(redis, journal)
    for command in commands(journal, policy, someone).values():
        at = command.index("--journal")
        mine, theirs = report(*command), report(*command[:at], "--redis", redis.url, *command[at + 2:])
        for told in (mine, theirs):
            told.pop("source")
            told["period"].pop("made")
        assert mine == theirs


def test_denied_says_what_retention_left(journal, folder, started):
    redis = started(Redis(folder))
    ship(redis, journal, lambda day: day >= "2026-10-28")
    where = ["--redis", redis.url, "--from", FIRST, "--to", LAST, "--zone", ZONE]
    told = report("denied", *where)
    every = report("denied", *period(journal))["coverage"]
    left = report("denied", *period(journal, "2026-10-28"))
    assert told["total"] == left["total"] and told["coverage"]["raw_days"] == 6 and every["raw_days"] == 14
    assert told["coverage"]["refusals_counted"] == every["refusals_counted"] > told["coverage"]["refusals_raw"] == left["coverage"]["refusals_raw"] > 0
    assert any("older than what is kept" in n for n in told["notes"])
    assert not any("older than what is kept" in n for n in left["notes"])


# --- formats --------------------------------------------------------------------------------------------

def cell(v):
    """A value of JSON as CSV has it."""
    if v is None:
        return ""
    if isinstance(v, bool):
        return "true" if v else "false"
    return "'" + v if isinstance(v, str) and v[:1] in tuple("=+-@\t\r\n") and v else str(v)


@pytest.mark.parametrize("name", ["summary", "denied", "person", "rules"])
def test_csv_reads_back_as_the_same_report(journal, policy, someone, name):
    command = commands(journal, policy, someone)[name]
    raw = subprocess.run([REPORT, *map(str, command), "--format", "csv"], capture_output=True, check=True).stdout
    assert raw.count(b"\n") == raw.count(b"\r\n") and raw.endswith(b"\r\n") and not raw.startswith(b"\xef\xbb\xbf")
    header, *rows = csv.reader(io.StringIO(raw.decode("utf-8"), newline=""), strict=True)
    assert header[:3] == ["section", "item", "value"] and len(set(header)) == len(header)
    assert all(len(r) == len(header) for r in rows)
    rows = [dict(zip(header, r)) for r in rows]
    told = report(*command)
    for part in ("period", "coverage", "total"):
        mine = {r["item"]: r["value"] for r in rows if r["section"] == part}
        theirs = {k: cell(v) for k, v in told[part].items()}
        assert {k: v for k, v in mine.items() if k != "made"} == {k: v for k, v in theirs.items() if k != "made"}
    for table in told["tables"]:
        mine = [[r[c["key"]] for c in table["columns"]] for r in rows if r["section"] == table["table"]]
        assert mine == [[cell(r[c["key"]]) for c in table["columns"]] for r in table["rows"]]
    assert [r["value"] for r in rows if r["section"] == "method"] == told["method"] and told["method"]


def test_no_cell_of_csv_is_a_formula(journal, policy):
    raw = run("rules", "--policy", policy, *period(journal), "--format", "csv").stdout
    cells = [c for row in csv.reader(io.StringIO(raw, newline="")) for c in row]
    assert "'=HYPERLINK(\"http://x.example\")" in cells and "'@museum" in cells and "'-1+1" in cells
    assert not [c for c in cells if c[:1] in ("=", "+", "-", "@", "\t", "\r") and c]
    assert run("rules", "--policy", policy, *period(journal), "--format", "csv", "--bom").stdout.startswith("\ufeffsection,")


@pytest.mark.parametrize("name", ["denied", "person", "rules"])
def test_json_has_one_shape_with_and_without_data(journal, policy, someone, name):
    command = commands(journal, policy, someone)[name]
    some = report(*command)
    head = {"denied": ["period", "source", "coverage"], "person": ["period", "source", "person", "coverage"], "rules": ["period", "source", "policy", "coverage"]}
    assert list(some) == ["report", "version", *head[name], "parameters", "total", "tables", "method", "notes"] and some["report"] == name
    for t in some["tables"]:
        assert all(list(r) == [c["key"] for c in t["columns"]] for r in t["rows"])
    if name != "person":
        none = report(*[{FIRST: "2020-01-01", LAST: "2020-01-02"}.get(w, w) for w in command])
        assert list(none) == list(some) and [[c["key"] for c in t["columns"]] for t in none["tables"]] == [[c["key"] for c in t["columns"]] for t in some["tables"]]
        assert none["method"] and any("not known" in n for n in none["notes"])


@pytest.mark.parametrize("name", ["summary", "denied", "person", "rules"])
@pytest.mark.parametrize("form", ["text", "csv", "html"])
def test_method_and_coverage_go_with_every_output(journal, policy, someone, name, form):
    out = run(*commands(journal, policy, someone)[name], "--format", form).stdout
    for piece in ("each node leaves a mark", "lost", "generated data", FIRST, LAST, ZONE):
        assert piece in " ".join(out.split()), piece


def test_the_policy_and_the_zone_come_from_the_configuration(journal, policy, folder):
    (folder / "proxy.cfg").write_text(f'policy = "{policy}"; audit = {{ redis = ""; journal = "{journal}"; }};')
    told = report("rules", "-c", folder / "proxy.cfg", "--from", FIRST, "--to", LAST)
    assert told["period"]["zone"] == ZONE and told["policy"]["file"] == str(policy) and len(check_reports.table_of(told, "rules")) == 6
    (folder / "other.cfg").write_text('zone = "Europe/Berlin"; rules = ( { name = "rest"; action = "allow"; } );')
    told = report("rules", "-c", folder / "proxy.cfg", "--policy", folder / "other.cfg", "--from", FIRST, "--to", LAST)
    assert told["period"]["zone"] == "Europe/Berlin" and [r["rule"] for r in check_reports.table_of(told, "rules")] == ["rest"]
    (folder / "bad.cfg").write_text("rules = 5;")
    r = run("rules", "--policy", folder / "bad.cfg", *period(journal))
    assert r.returncode == 78 and "bad.cfg:1" in r.stderr and r.stdout == ""


@pytest.mark.parametrize("args", [["denied"], ["rules", "--journal", "."], ["denied", "--journal", ".", "--by", "person"], ["denied", "--journal", ".", "--format", "pdf"],
                                  ["denied", "--journal", ".", "--bom"], ["denied", "--journal", ".", "--json", "--format", "csv"], ["rules", "--journal", ".", "extra"],
                                  ["person", NOBODY], ["person", "--journal", "."], ["summary", "--journal", ".", "--by", "reason"]])
def test_wrong_usage_is_2(args):
    r = run(*args)
    assert r.returncode == 2 and r.stdout == "" and "--help'" in r.stderr
