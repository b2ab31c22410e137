"""The sample policies: check finds nothing in them, and each answers as the table beside it says."""
import json, os, pathlib, re, subprocess
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
POLICY = (ROOT / os.environ.get("BUILD", "build")).resolve() / "stile-policy"
SAMPLES = ROOT / "packaging/samples"
WRITTEN = "2026-11-23"  # looked at on the day they were written: review dates pass, and are meant to


def stile_policy(*words):
    return subprocess.run([POLICY, *words], capture_output=True, text=True, timeout=60)


def test_the_samples_are_there():
    assert {p.stem for p in SAMPLES.glob("*.cfg")} == {p.stem for p in SAMPLES.glob("*.test")} == {"small-office", "council"}


@pytest.mark.parametrize("policy", [*sorted(SAMPLES.glob("*.cfg")), ROOT / "packaging/policy.cfg"], ids=lambda p: p.name)
def test_check_finds_nothing(policy):
    r = stile_policy("check", "--at", WRITTEN, policy)
    assert r.returncode == 0, r.stdout + r.stderr


@pytest.mark.parametrize("policy", sorted(SAMPLES.glob("*.cfg")), ids=lambda p: p.name)
def test_each_answers_as_its_table_says(policy):
    table = policy.with_suffix(".test")
    r = stile_policy("test", policy, table)
    assert r.returncode == 0, r.stdout + r.stderr
    # every rule is in some expectation: a table that leaves one out protects nothing
    rules = set(re.findall(r'name = "([\w-]+)"', policy.read_text()))
    assert rules == set(re.findall(r"rule=([\w-]+)", table.read_text()))


@pytest.mark.parametrize("policy", sorted(SAMPLES.glob("*.cfg")), ids=lambda p: p.name)
def test_a_changed_policy_fails_its_table(policy, tmp_path):
    changed = tmp_path / "changed.cfg"
    changed.write_text(policy.read_text().replace('"no-social"; to = [ "#social"', '"no-social"; to = [ "#events"'))
    assert stile_policy("test", changed, policy.with_suffix(".test")).returncode == 1


# --- what the guides show can be typed in -------------------------------------------------------------

def shown(page):
    """The indented blocks of a page of docs/."""
    return re.findall(r"(?:^    .*\n|^\n(?=    ))+", (ROOT / "docs" / page).read_text(), re.M)


def test_rules_and_roles_of_the_guide_to_unblocking_make_a_policy(tmp_path):
    text = "".join(shown("unblock.md"))
    roles = re.search(r"^ *roles: \{.*\};$", text, re.M).group()
    rules = re.findall(r"^ *\{ name = .*?\},?$(?=\n *(?:\{|$|stile|\n)|\n\Z)", text, re.M | re.S)
    assert len(rules) >= 5
    policy = tmp_path / "policy.cfg"
    policy.write_text('zone = "Europe/London";\nschedules: { lunch = "Mon-Fri 12:00-14:00"; };\n' + roles
                      + "\nrules = (\n" + ",\n".join(r.rstrip(",") for r in rules) + ");\n")
    r = stile_policy("check", "--at", WRITTEN, policy)
    assert r.returncode in (0, 1), r.stdout + r.stderr + policy.read_text()


def test_browser_policies_of_the_guide_are_json():
    blocks = [b for b in shown("deploy.md") if "ProxyMode" in b or '"policies"' in b]
    assert len(blocks) == 2 and all(json.loads(b) for b in blocks)
