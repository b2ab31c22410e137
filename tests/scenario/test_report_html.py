"""The HTML of reports in a real browser: no violation that axe-core knows, nothing fetched, light, dark, narrow and on A4.

Needs Chromium and two npm packages, which packaging/setup puts beside the build; where they are not, the test says so and is skipped.
STILE_LOOK=FOLDER keeps the screenshots and the printed pages."""
import json, os, pathlib, re, shutil, subprocess
import pytest
from harness import BUILD
from test_reports import commands, journal, policy, run, someone  # noqa: F401

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BROWSER = shutil.which("chromium")


def modules():
    for d in (BUILD / "npm/node_modules", ROOT / "build/npm/node_modules", *map(pathlib.Path, filter(None, [os.environ.get("NODE_PATH")]))):
        if (d / "playwright-core").is_dir() and (d / "axe-core").is_dir():
            return d


if not (BROWSER and shutil.which("node") and modules()):
    pytest.skip("chromium, node, or the npm packages playwright-core and axe-core are not there (packaging/setup check)", allow_module_level=True)


@pytest.mark.parametrize("name", ["summary", "denied", "person", "rules"])
def test_the_page_is_accessible_and_stands_alone(journal, policy, someone, folder, name):
    html = folder / "page.html"
    r = run(*commands(journal, policy, someone)[name], "--format", "html", "-o", html)
    assert (r.returncode, r.stderr) == (0, "")
    r = subprocess.run(["node", HERE / "page.js", html, folder, BROWSER], capture_output=True, text=True, timeout=120,
                       env=dict(os.environ, NODE_PATH=str(modules()), HOME=str(folder)))
    assert r.returncode == 0, r.stderr
    seen = json.loads(r.stdout)
    assert seen["violations"] == [] and seen["passes"] > 15
    assert seen["console"] == [] and set(seen["requests"]) == {f"file://{html}"}
    facts = seen["facts"]
    assert (facts["h1"], facts["scripts"], facts["lang"], facts["wide"]) == (1, 0, "en", False)
    assert facts["charts"] == facts["named"] == facts["followed"] > 0 and facts["captions"] == facts["tables"]
    assert seen["background"]["light"] == "rgb(255, 255, 255)" != seen["background"]["dark"]
    sizes = re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", (folder / "page.pdf").read_bytes())
    assert sizes and all(abs(float(w) - 595) < 1.5 and abs(float(h) - 842) < 1.5 for w, h in sizes), "A4, upright"
    if os.environ.get("STILE_LOOK"):
        for f in ("light.png", "dark.png", "page.pdf"):
            shutil.copy(folder / f, pathlib.Path(os.environ["STILE_LOOK"]) / f"{name}-{f}")
