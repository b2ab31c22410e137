"""Headless Chromium for tests: Debian's, driven by small scripts for node; what they print is one line of JSON.

The npm packages stand beside the build (packaging/setup check) or where NODE_PATH says. HOME is the test's own folder, so the
browser's trust store and profile are private. STILE_LOOK=FOLDER keeps what tests have to show."""
import json, os, pathlib, shutil, subprocess
import pytest
from harness import BUILD, ROOT, run

HERE = pathlib.Path(__file__).resolve().parent
CHROMIUM = shutil.which("chromium")


def modules(*packages):
    """The node_modules that has all of them, or None."""
    for d in (BUILD / "npm/node_modules", ROOT / "build/npm/node_modules", *map(pathlib.Path, filter(None, [os.environ.get("NODE_PATH")]))):
        if all((d / p).is_dir() for p in packages):
            return d


def needs_browser(*packages, programs=()):
    """Skips the whole file where something is missing."""
    missing = [p for p in ("chromium", "node", *programs) if not shutil.which(p)]
    missing += [f"{p} (npm)" for p in packages if not modules(p)]
    if missing or not modules(*packages):
        pytest.skip("not there, see packaging/setup check: " + ", ".join(missing or packages), allow_module_level=True)


def drive(script, *argv, packages, home, timeout=120):
    """Runs a script of this folder; returns what it saw."""
    r = subprocess.run(["node", HERE / script, *map(str, argv)], capture_output=True, text=True, timeout=timeout,
                       env=dict(os.environ, NODE_PATH=str(modules(*packages)), HOME=str(home)))
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


def trust(home, ca):
    """Makes the browser of this HOME trust a certificate authority."""
    store = pathlib.Path(home) / ".pki/nssdb"
    store.mkdir(parents=True)
    run("certutil", "-d", f"sql:{store}", "-N", "--empty-password")
    run("certutil", "-d", f"sql:{store}", "-A", "-t", "C,,", "-n", "stile test CA", "-i", ca)


def keep(file, name):
    """For the eyes of whoever set STILE_LOOK."""
    if os.environ.get("STILE_LOOK"):
        shutil.copy(file, pathlib.Path(os.environ["STILE_LOOK"]) / name)
