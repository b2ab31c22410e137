"""Fixtures of the scenarios: everything started for a test is stopped after it, by process id."""
import pathlib, shutil, sys, tempfile
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness


@pytest.fixture
def folder():
    d = pathlib.Path(tempfile.mkdtemp(prefix="stile-scenario-"))
    yield d
    shutil.rmtree(d, ignore_errors=True)


@pytest.fixture
def started(request):
    """started(process) starts it and stops it after the test; sanitizer reports fail the test."""
    running = []

    def start(process, **more):
        running.append(process)
        return process.start(**more)

    yield start
    trouble = []
    for p in reversed(running):
        try:
            p.stop()
        except AssertionError as e:
            trouble.append(str(e))
        text = p.text()
        found = [text.find(w) for w in ("Sanitizer", "runtime error:") if w in text]
        if found:
            trouble.append(f"{p.name}:\n{text[max(0, min(found) - 500):min(found) + 5000]}")
    assert not trouble, "\n".join(trouble)
