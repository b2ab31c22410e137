"""stile-proxy ctl: help, man page and the code know the same commands and options."""
import os, pathlib, re, subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
HELP = subprocess.run([BUILD / "stile-proxy", "ctl", "--help"], capture_output=True, text=True, check=True).stdout
PAGE = re.search(r"^\.Sh CTL\n(.*?)(?=^\.Sh )", (ROOT / "packaging/man/stile-proxy.8").read_text(), re.M | re.S).group(1)


def test_commands():
    told = re.findall(r"^  ([a-z]+)  ", HELP.split("commands:")[1].split("options:")[0], re.M)
    assert told == re.findall(r"^\.It Cm (\w+)", PAGE, re.M)
    assert told == re.findall(r'\{"(\w+)", say_', (ROOT / "proxy/ctl.c").read_text())


def test_options():
    told = re.findall(r"^  (--?[a-z]+)(?: ([A-Z]+))?  ", HELP.split("options:")[1], re.M)
    shown = [(f"-{f}", v) for f, v in re.findall(r"^\.It Fl (-?\w+)(?: Ar (\w+))?$", PAGE, re.M)]
    assert len(told) == 8 and told == shown
