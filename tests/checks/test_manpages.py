"""What people read says the same as the tables: settings, reasons, ends, fields and kinds stand in their man pages."""
import pathlib, re, subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAN = ROOT / "packaging/man"


def words(table, macro, column=1):
    """The quoted string in that column (counted from 0, the name being 0) of each row."""
    text = (ROOT / table).read_text()
    rows = re.findall(rf'^{macro}\((.*)', text, re.M)
    return [re.findall(r'"((?:[^"\\]|\\.)*)"', r)[column - 1] for r in rows]


def page(name):
    return (MAN / name).read_text()


def missing(names, text):
    return [n for n in names if not re.search(rf"(^|[\s(]){re.escape(n)}($|[\s,.;)])", text, re.M)]


def test_settings():
    names = words("proxy/settings.def", "SETTING")
    assert len(names) > 20
    assert not missing(names, page("proxy.cfg.5"))


def test_defaults_in_page_and_sample_are_those_of_the_table():
    text = (ROOT / "proxy/settings.def").read_text()
    sample = (ROOT / "proxy.cfg").read_text()
    for path, typ, default in re.findall(r'^SETTING\("([^"]+)", (\w+), \w+, "((?:[^"\\]|\\.)*)"', text, re.M):
        key = path.split(".")[-1]
        assert re.search(rf"^\s*(#\s*)?{key}\s*=", sample, re.M), f"proxy.cfg does not show {path}"
        entry = page("proxy.cfg.5").split(f".It Li {path}\n")[1].split(".It")[0]
        assert f"Default: {default or 'none'}.".replace('\\"', "\\(dq") in entry, path
        if path != "policy":
            shown = re.search(rf"^\s*{key}\s*=\s*(.*?);", sample, re.M)
            if shown and typ not in ("LISTEN", "SERVERS", "NAMES"):
                assert shown.group(1).strip().strip('"') == default, f"proxy.cfg shows another default for {path}"


def test_reasons_of_verdicts_and_ends():
    text = page("stile-records.5")
    assert not missing(words("policy/reasons.def", "REASON"), text)
    assert not missing(words("proxy/ends.def", "END"), text)


def test_fields_and_kinds_of_records():
    text = page("stile-records.5")
    assert not missing(words("audit/fields.def", "FIELD"), text)
    assert not missing(words("audit/kinds.def", "KIND"), text)


def test_pages_of_the_portal():
    paths = words("proxy/portal.def", "PORTAL", 2)
    section = page("stile-proxy.8").split(".Sh THE PORTAL")[1].split(".Sh ")[0]
    assert "/proxy.pac" in paths and [p for p in paths if p] == re.findall(r"^\.It Li (/\S*)$", section, re.M)


def test_keys_of_the_policy():
    text = (ROOT / "policy/policy_keys.def").read_text()
    keys = re.findall(r"^KEY\((?!CATALOGUE)\w+, (\w+),", text, re.M)
    assert len(keys) > 20
    assert not missing(keys, page("stile-policy.5"))


def test_causes_of_trouble_with_redis():
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/redis.md").read_text().split("## Trouble")[1].split("\n## ")[0], re.M)
    assert ["none", *rows] == words("audit/causes.def", "CAUSE")
    alerts = re.search(r'stile_ship_troubles_total{cause=~"([^"]+)"}', (ROOT / "packaging/alerts.yml").read_text()).group(1)
    assert set(alerts.split("|")) <= set(rows)


def test_pages_are_well_formed():
    for p in sorted(MAN.iterdir()):
        r = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", p], capture_output=True, text=True)
        assert r.returncode == 0, r.stdout


def test_help_of_the_proxy_is_in_its_page():
    import os
    build = (ROOT / os.environ.get("BUILD", "build")).resolve()
    r = subprocess.run([build / "stile-proxy", "--help"], capture_output=True, text=True)
    assert r.returncode == 0
    for option in re.findall(r"^  (--?[\w-]+)", r.stdout, re.M):
        assert f"Fl {option[1:]}" in page("stile-proxy.8"), option


def test_cross_references_lead_somewhere_and_every_page_is_led_to():
    pages = {f"{p.stem} {p.suffix[1:]}" for p in MAN.iterdir()}
    named = {p.name: set(re.findall(r"^\.Xr (\S+ \d)", p.read_text(), re.M)) for p in MAN.iterdir()}
    assert not {x for refs in named.values() for x in refs if x.startswith(("stile", "proxy"))} - pages
    for p in MAN.iterdir():
        others = set().union(*(refs for name, refs in named.items() if name != p.name))
        assert f"{p.stem} {p.suffix[1:]}" in others, f"no page leads to {p.name}"
