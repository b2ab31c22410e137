"""The table of metrics, the man page, the alert rules, the dashboard and the code speak of the same metrics."""
import json, pathlib, re, shutil, subprocess
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACK = ROOT / "packaging"
ROWS = re.findall(r'^METRIC\((\w+), "(\w+)", (\w+), "([^"]+)"\)$', (ROOT / "proxy/metrics.def").read_text(), re.M)
KINDS = {name: kind for _, name, kind, _ in ROWS}


def named_in(text):
    return set(re.findall(r"\bstile_\w+", text))


def unknown(names):
    """Those that the table does not have; of a histogram its three series, and only they."""
    series = {n for n, k in KINDS.items() if k != "HISTOGRAM"}
    series |= {f"{n}_{s}" for n, k in KINDS.items() if k == "HISTOGRAM" for s in ("bucket", "sum", "count")}
    return names - series


def test_the_table_is_read_whole():
    text = (ROOT / "proxy/metrics.def").read_text()
    assert len(ROWS) == len(re.findall(r"^METRIC\(", text, re.M)) > 25 and len(KINDS) == len(ROWS)
    assert all((k == "COUNTER") == n.endswith("_total") for n, k in KINDS.items())


def test_the_man_page_lists_all_with_their_texts():
    page = (PACK / "man/stile-proxy.8").read_text()
    for _, name, _, text in ROWS:
        entry = re.search(rf"^\.It Li {name}\n(.*?)(?=^\.It|^\.El)", page, re.M | re.S)
        assert entry and " ".join(entry.group(1).split()) == text, name
    assert not named_in(page) - set(KINDS)


def test_dashboard_names_only_metrics_that_exist():
    board = json.loads((PACK / "grafana.json").read_text())
    targets = [t["expr"] for p in board["panels"] for t in p["targets"]]
    used = named_in(" ".join(targets) + json.dumps(board["templating"]))
    assert len(targets) > 20 and not unknown(used), unknown(used)
    assert len({p["id"] for p in board["panels"]}) == len(board["panels"])
    at = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]]
    assert len(set(at)) == len(at) and all(p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in board["panels"])


def test_alerts_name_only_metrics_that_exist():
    text = (PACK / "alerts.yml").read_text()
    used = named_in(text)
    assert len(used) > 12 and not unknown(used), unknown(used)
    reasons = set(re.findall(r'^END\(\w+, "([\w-]+)"', (ROOT / "proxy/ends.def").read_text(), re.M))
    assert set(re.search(r'reason=~"([^"]+)"', text).group(1).split("|")) <= reasons


def test_the_check_itself_sees_a_wrong_name():
    assert unknown({"stile_up", "stile_record_seconds_bucket"}) == set()
    assert unknown({"stile_record_seconds", "stile_upp", "stile_up_bucket"}) == {"stile_record_seconds", "stile_upp", "stile_up_bucket"}


def test_promtool_accepts_the_alerts():
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (package prometheus)")
    r = subprocess.run(["promtool", "check", "rules", PACK / "alerts.yml"], capture_output=True, text=True)
    assert r.returncode == 0 and "SUCCESS" in r.stdout, r.stdout + r.stderr
