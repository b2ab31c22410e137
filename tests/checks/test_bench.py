"""The check of instruction counts fails when a hot path grows, and only then: against files that say something else than is counted."""
import importlib.util, os, pathlib, shutil, subprocess, sys
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / os.environ.get("BUILD", "build") / "bench" / "bench"
SCRIPT = ROOT / "tests/bench/instructions.py"
SECTION = "limits"
spec = importlib.util.spec_from_file_location("instructions", SCRIPT)
instructions = importlib.util.module_from_spec(spec)
spec.loader.exec_module(instructions)


@pytest.fixture(scope="module")
def counted():
    if not shutil.which("valgrind"):
        pytest.skip("there is no valgrind")
    return instructions.count(BENCH, [SECTION])


def keep(tmp_path, counted, change=lambda cases: None, built=None):
    """A file that keeps what was counted, but for a change."""
    cases = dict(counted.cases)
    change(cases)
    instructions.write(tmp_path / "kept.tsv", instructions.Counts(built or counted.built, cases))
    return tmp_path / "kept.tsv"


def run(*args):
    r = subprocess.run([sys.executable, SCRIPT, *args], capture_output=True, text=True)
    return r.returncode, r.stdout, r.stderr


@pytest.fixture
def check(tmp_path, counted, monkeypatch, capsys):
    """The check without counting once more; exit code and output."""
    def checked(*args, **more):
        monkeypatch.setattr(instructions, "count", lambda bench, sections: counted)
        return instructions.check(BENCH, keep(tmp_path, counted, *args, **more), [SECTION]), capsys.readouterr().out
    return checked


CASE = (SECTION, "ask and take: minutes, bytes, tunnels")


def scaled(factor):
    return lambda cases: cases.update({CASE: round(cases[CASE] / factor)})


def test_what_did_not_change_passes(tmp_path, counted):
    code, out, err = run("check", BENCH, keep(tmp_path, counted), SECTION)
    assert (code, err) == (0, "") and out.count(" 1.00\n") == len(counted.cases) >= 5


def test_a_case_that_grows_by_more_than_a_tenth_fails(tmp_path, counted):
    code, out, err = run("check", BENCH, keep(tmp_path, counted, scaled(1.12)), SECTION)
    assert (code, err) == (1, "")
    assert f"{SECTION}: {CASE[1]}: grew from {round(counted.cases[CASE] / 1.12)} to {counted.cases[CASE]} instructions" in out
    assert "make bench-accept" in out and out.count("grew") == 1


def test_a_case_that_grows_by_less_passes(check):
    assert check(scaled(1.08))[0] == 0


def test_a_gain_passes_and_is_to_be_kept(check):
    code, out = check(scaled(0.8))
    assert code == 0 and f"{CASE[1]}: fell from" in out and "so that the gain is kept" in out


def test_a_case_that_comes_or_goes_fails(check):
    code, out = check(lambda cases: cases.pop(CASE))
    assert code == 1 and f"{CASE[1]}: is not in the file" in out
    code, out = check(lambda cases: cases.update({(SECTION, "gone"): 100}))
    assert code == 1 and "gone: is in the file, but no longer counted" in out


def test_counts_of_another_compiler_are_not_compared(check, counted):
    code, out = check(scaled(2), built="gcc -O2 (compiler 3.4.6) x86_64")
    assert code == 0 and out.startswith("skipped: ") and "3.4.6" in out and counted.built in out


def test_a_program_that_fails_is_no_success(tmp_path, counted):
    code, out, err = run("check", "/bin/false", keep(tmp_path, counted))
    assert (code, out) == (2, "") and "exit 1" in err


def test_the_tracked_file_is_as_it_is_written(tmp_path):
    kept = instructions.read(instructions.KEPT)
    instructions.write(tmp_path / "kept.tsv", kept)
    assert (tmp_path / "kept.tsv").read_text() == instructions.KEPT.read_text()
    assert kept.built.startswith("gcc ") and len(kept.cases) >= 30
