"""The HTML of reports in a real browser: no violation that axe-core knows, nothing fetched, light, dark, narrow and on A4.

Needs Chromium and two npm packages, which packaging/setup puts beside the build; where they are not, the test says so and is skipped.
STILE_LOOK=FOLDER keeps the screenshots and the printed pages."""
import re
import pytest
from browser import CHROMIUM, drive, keep, needs_browser
from test_reports import commands, journal, policy, run, someone  # noqa: F401

PACKAGES = ["playwright-core", "axe-core"]
needs_browser(*PACKAGES)


@pytest.mark.parametrize("name", ["summary", "denied", "person", "rules"])
def test_the_page_is_accessible_and_stands_alone(journal, policy, someone, folder, name):
    html = folder / "page.html"
    r = run(*commands(journal, policy, someone)[name], "--format", "html", "-o", html)
    assert (r.returncode, r.stderr) == (0, "")
    seen = drive("page.js", html, folder, CHROMIUM, packages=PACKAGES, home=folder)
    assert seen["violations"] == [] and seen["passes"] > 15
    assert seen["console"] == [] and set(seen["requests"]) == {f"file://{html}"}
    facts = seen["facts"]
    assert (facts["h1"], facts["scripts"], facts["lang"], facts["wide"]) == (1, 0, "en", False)
    assert facts["charts"] == facts["named"] == facts["followed"] > 0 and facts["captions"] == facts["tables"]
    assert seen["background"]["light"] == "rgb(255, 255, 255)" != seen["background"]["dark"]
    sizes = re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", (folder / "page.pdf").read_bytes())
    assert sizes and all(abs(float(w) - 595) < 1.5 and abs(float(h) - 842) < 1.5 for w, h in sizes), "A4, upright"
    for f in ("light.png", "dark.png", "page.pdf"):
        keep(folder / f, f"{name}-{f}")
