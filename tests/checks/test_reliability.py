"""docs/reliability.md names tests that exist, and says of each fault what happens and which test shows it."""
import pathlib, re

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/reliability.md").read_text()


def functions(file):
    """Names of the tests in a file, of either kind."""
    at = ROOT / "tests" / ("scenario" if file.endswith(".py") else "unit") / file
    assert at.exists(), file
    return set(re.findall(r"^(?:def|static void) (\w+)\((?:void \*\*state\))?", at.read_text(), re.M))


def test_what_it_names_is_there():
    named = set(re.findall(r"`(test_\w+\.py|\w+_test\.c)(?:::(\w+))?`", TEXT))
    assert len(named) > 40
    missing = [f"{file}::{f}" for file, f in named if f not in functions(file) | {""}]
    assert not missing, missing


def test_each_fault_has_its_behaviour_and_a_test():
    table = TEXT.partition("## Fault by fault")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in re.findall(r"^\| .*\|$", table, re.M)][1:]
    assert len(rows) > 20
    for row in rows:
        assert len(row) == 3 and all(row), row
        assert re.search(r"`(test_\w+\.py|\w+_test\.c)::\w+`", row[2]), row[0]
    assert len({row[0] for row in rows}) == len(rows)
