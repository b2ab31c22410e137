"""docs/limits.md says what the code does: every deadline and limit of the settings stands in it with its default, every constant with
its value, every state of a connection with what bounds it."""
import pathlib, re

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/limits.md").read_text()
SETTINGS = re.findall(r'^SETTING\("([^"]+)", (\w+), (\w+), "([^"]*)"', (ROOT / "proxy/settings.def").read_text(), re.M)


def rows(heading):
    """(first cell, second cell, all of it) of each row of the table under a heading."""
    part = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [l for l in part.splitlines() if l.startswith("| `")]
    return [(*[c.strip() for c in l.split("|")[1:3]], l) for l in lines]


def defined(text, name):
    """The number that a #define of that name stands for, or None."""
    m = re.search(rf"^#define[ \t]+{name}\b[ \t]*(?:\\\n)?[ \t]*(.*)$", text, re.M)
    if not m:
        return None
    words = re.sub(r"/\*.*", "", m.group(1)).replace("(size_t)", "")
    words = re.sub(r"U?INT64_C\((\d+)\)", r"\1", words)
    words = re.sub(r"(\d)[uUlL]+\b", r"\1", words)
    assert re.fullmatch(r"[\d\s()*+<-]+", words), (name, words)
    return int(eval(words))


def wrong(first, second):
    """What does not fit in a row about a setting or a constant; None where all does."""
    setting = re.fullmatch(r"`([\w.]+)`", first)
    if setting:
        default = {p: d for p, _, _, d in SETTINGS}.get(setting.group(1))
        return None if default == second else f"{first}: the default is {default}"
    constant = re.fullmatch(r"`([\w/.]+)` (\w+)", first)
    value = defined((ROOT / constant.group(1)).read_text(), constant.group(2))
    return None if value == int(second.split()[0]) else f"{first}: the value is {value}"


def test_every_row_says_what_the_code_says():
    found = [wrong(first, second) for heading in ("Deadlines", "Limits") for first, second, _ in rows(heading)]
    assert len(found) > 50 and not [f for f in found if f]


def test_every_deadline_and_limit_of_the_settings_is_there():
    deadlines, limits = {r[0] for r in rows("Deadlines")}, {r[0] for r in rows("Limits")}
    assert not {f"`{p}`" for p, t, _, _ in SETTINGS if t == "DURATION"} - deadlines
    assert not {f"`{p}`" for p, t, _, _ in SETTINGS if t in ("COUNT", "SIZE")} - limits


def test_every_state_has_its_bound():
    setting = {m: p for p, _, m, _ in SETTINGS}
    of = {first: line for first, _, line in rows("Deadlines")}
    states = re.findall(r"^STATE\((\w+), \w+, (?:BOUND\((\w+)\)|NO_BOUND)", (ROOT / "proxy/states.def").read_text(), re.M)
    assert len(states) > 10
    for state, member in states:
        if member:
            assert re.search(rf"states? [\w, ]*\b{state.lower()}\b", of[f"`{setting[member]}`"]), state
        else:
            assert f"*{state.lower()}*" in PAGE, state


def test_the_check_itself_sees_a_wrong_value():
    assert wrong("`timeouts.head`", "16s") and not wrong("`timeouts.head`", "15s")
    assert wrong("`proxy/head.h` HEAD_MAX", "32769 bytes") and not wrong("`proxy/head.h` HEAD_MAX", "32768 bytes")
    assert wrong("`proxy/head.h` HEAD_MAXIMUM", "32768 bytes") and wrong("`timeouts.heads`", "15s")
