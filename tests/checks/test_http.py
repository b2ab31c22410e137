"""docs/http.md names tests and tables that exist, and every duty once."""
import pathlib, re

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/http.md").read_text()


def test_what_it_names_is_there():
    named = set(re.findall(r"`(test_\w+\.py)(?:::(\w+))?`", TEXT))
    assert len(named) > 40
    for file, function in named:
        text = (ROOT / "tests/scenario" / file).read_text()
        assert not function or re.search(rf"^def {function}\(", text, re.M), f"{file}::{function}"
    for table in set(re.findall(r"`(\w+\.txt)`", TEXT)):
        assert (ROOT / "tests/tables" / table).exists(), table


def test_every_duty_has_a_row_and_a_test():
    rows = re.findall(r"^\| (\d+) \|(.*)\|$", TEXT, re.M)
    assert [int(n) for n, _ in rows] == list(range(1, 44))
    for n, row in rows:
        assert re.search(r"`(test_\w+\.py|\w+\.txt)", row.split(" | ")[-1]), n
