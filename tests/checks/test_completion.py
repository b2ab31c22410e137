"""bash completion offers what --help lists, for every program and every command: nothing more, nothing less."""
import os, pathlib, re, shutil, subprocess
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
PROGRAMS = ["stile-proxy", "stile-policy", "stile-report"]


def help_of(*words):
    return subprocess.run([BUILD / words[0], *words[1:], "--help"], capture_output=True, text=True, timeout=20).stdout


def commands_of(*words):
    """Those that a list names, and those that the usage names, as in: usage: stile-proxy ctl -c FILE."""
    text = help_of(*words)
    listed = re.search(r"^commands:\n(.*?)^$", text, re.M | re.S)
    return (re.findall(rf"^(?:usage:)? +{' '.join(words)} ([a-z][a-z-]*) ", text, re.M)
            + (re.findall(r"^  ([a-z][a-z-]*)\s", listed.group(1), re.M) if listed else []))


def options_of(*words):
    """Every word with a dash that begins an entry of the help, the short one and the long one."""
    heads = re.findall(r"^ {2,6}(-.*?)(?:  |$)", help_of(*words), re.M)
    return {w for h in heads for w in re.findall(r"(?<!\S)(--?[\w-]+)", h)}


CASES = [(p,) for p in PROGRAMS] + [(p, c) for p in PROGRAMS for c in commands_of(p)]


def complete(*words, cwd=None):
    """What bash offers for the last of the words."""
    script = ('set -u; source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _stile; '
              '((${#COMPREPLY[@]})) && printf "%s\\n" "${COMPREPLY[@]}"; exit 0')
    r = subprocess.run(["bash", "--norc", "-c", script, "bash", ROOT / "packaging/completion/stile", *words], cwd=cwd,
                       env={"PATH": f"{BUILD}:{os.environ['PATH']}", "HOME": "/nonexistent"}, capture_output=True, text=True, timeout=60)
    assert r.returncode == 0 and not r.stderr, r.stderr
    return r.stdout.split()


def test_the_programs_have_commands_and_options():
    assert {"check", "explain", "test", "service", "passwd"} <= set(commands_of("stile-policy"))
    assert "summary" in commands_of("stile-report")
    assert {"-c", "-t", "--help", "--version"} <= options_of("stile-proxy")
    assert {"--from", "--by", "-o", "--output", "-h", "--help"} <= options_of("stile-report", "summary")


@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_options_are_those_of_help(words):
    offered = complete(*words, "-")
    assert options_of(*words) and set(offered) == options_of(*words) and len(offered) == len(set(offered))


@pytest.mark.parametrize("words", [(p,) for p in PROGRAMS] + [("stile-proxy", c) for c in commands_of("stile-proxy")], ids=" ".join)
def test_commands_are_those_of_help(words):
    assert complete(*words, "") == commands_of(*words)
    for command in commands_of(*words):
        assert command in complete(*words, command[:2])
        assert command not in complete(*words, command, ""), "once is enough"


def test_what_an_option_takes(tmp_path):
    (tmp_path / "proxy.cfg").touch()
    (tmp_path / "journal").mkdir()
    assert set(complete("stile-proxy", "-c", "", cwd=tmp_path)) == {"proxy.cfg", "journal"}
    assert complete("stile-report", "summary", "--config", "pro", cwd=tmp_path) == ["proxy.cfg"]
    assert complete("stile-report", "summary", "--journal", "", cwd=tmp_path) == ["journal"]
    dims = re.findall(r'^DIM\(\w+, "(\w+)"', (ROOT / "admin/dims.def").read_text(), re.M)
    offered = set(complete("stile-report", "summary", "--by", ""))
    assert {"service", "role", "day"} <= offered <= set(dims)
    assert "json" in complete("stile-report", "summary", "--format", "")
    assert complete("stile-policy", "explain", "--user", "") == []


def test_operands_are_files_where_files_are_meant(tmp_path):
    (tmp_path / "policy.cfg").touch()
    assert complete("stile-policy", "check", "pol", cwd=tmp_path) == ["policy.cfg"]
    assert complete("stile-policy", "check", "--json", "pol", cwd=tmp_path) == ["policy.cfg"]
    assert complete("stile-policy", "service", "pol", cwd=tmp_path) == []


def test_it_is_registered_for_every_program():
    r = subprocess.run(["bash", "--norc", "-c", f"source {ROOT}/packaging/completion/stile && complete -p {' '.join(PROGRAMS)}"],
                       capture_output=True, text=True)
    assert r.returncode == 0 and r.stdout.count("-F _stile ") == len(PROGRAMS)


def test_the_script_is_clean():
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    r = subprocess.run(["shellcheck", "-s", "bash", ROOT / "packaging/completion/stile"], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout
