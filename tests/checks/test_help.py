"""--help, the man pages and the tables say the same: no option and no word is told in one place only."""
import os, pathlib, re, subprocess
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
MAN = ROOT / "packaging/man"
PROGRAMS = {"stile-policy": ["check", "explain", "test", "diff", "service", "passwd", "redis-acl"], "stile-report": ["summary", "person", "denied", "rules"]}
COMMANDS = [(p, c) for p, commands in PROGRAMS.items() for c in commands]


def help_of(program, *command):
    return subprocess.run([BUILD / program, *command, "--help"], capture_output=True, text=True, check=True, timeout=20).stdout


def options_in_help(text):
    """--name → (letter, value) from the lines of a help text."""
    found = re.findall(r"^  (?:-(\w), |    )--([\w-]+)(?: ([A-Z\[\]:=]+))?(?: \.\.\.)?(?:  |$)", text, re.M)
    return {name: (letter, value) for letter, name, value in found}


def options_in_man(program, command):
    section = re.search(rf"^\.Sh {command.upper()}\n(.*?)(?=^\.Sh )", (MAN / f"{program}.1").read_text(), re.M | re.S).group(1)
    found = {}
    for item in re.findall(r"^\.It (Fl .*)", section, re.M):
        forms = [re.match(r"Fl (-?[\w-]+)(?: Ar (\S+))?", f) for f in item.split(" , ")]
        letter = "".join(f.group(1) for f in forms if not f.group(1).startswith("-"))
        long = next(f for f in forms if f.group(1).startswith("-"))
        assert len({f.group(2) for f in forms}) == 1, item
        found[long.group(1)[1:]] = (letter, long.group(2) or "")
    return found


@pytest.mark.parametrize("program, command", COMMANDS)
def test_man_page_and_help_list_the_same_options(program, command):
    told = options_in_help(help_of(program, command))
    assert "help" in told and told == options_in_man(program, command)


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_of_the_program_lists_its_commands(program):
    text = help_of(program)
    assert re.findall(r"^  ([a-z-]+) ", text.split("commands:")[1].split("options:")[0], re.M) == PROGRAMS[program]
    for command in PROGRAMS[program]:
        assert f"usage: {program} {command} " in help_of(program, command) + " "


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_man_page_is_clean(program):
    r = subprocess.run(["mandoc", "-T", "lint", f"{program}.1"], cwd=MAN, capture_output=True, text=True)
    assert not [l for l in r.stdout.splitlines() if "referenced manual not found" not in l], r.stdout


def test_every_finding_is_in_the_man_page():
    codes = set(re.findall(r'\bfound\(\s*l, [^"]*"([a-z-]+)"', (ROOT / "policy/lint.c").read_text()))
    told = re.findall(r"^\.It Li (.+)", re.search(r"^\.Sh CHECK\n(.*?)^\.Sh ", (MAN / "stile-policy.1").read_text(), re.M | re.S).group(1), re.M)
    assert codes and codes == {c for line in told for c in line.split(" , ")}


def test_every_dimension_is_in_help_and_man_page():
    dims = re.findall(r'^DIM\(\w+, "(\w+)"', (ROOT / "admin/dims.def").read_text(), re.M)
    man = " ".join((MAN / "stile-report.1").read_text().split())
    text = " ".join((help_of("stile-report", "summary") + help_of("stile-report", "denied")).split())
    assert dims and all(d in text and re.search(rf"Li [\w ,]*\b{d}\b", man) for d in dims)
