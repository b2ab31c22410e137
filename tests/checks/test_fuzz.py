"""Every fuzzer has seeds, and every folder of seeds its fuzzer."""
import pathlib, re

FUZZ = pathlib.Path(__file__).resolve().parents[1] / "fuzz"


def test_every_fuzzer_has_a_corpus():
    fuzzers = {p.name.removesuffix("_fuzz.c") for p in FUZZ.glob("*_fuzz.c")}
    assert fuzzers == {p.name for p in (FUZZ / "corpus").iterdir()}
    for name in fuzzers:
        assert any((FUZZ / "corpus" / name).iterdir()), name


ROOT = FUZZ.parents[1]
PARSERS = re.findall(r'^PARSER\("([^"]+)", (\w+), "(\w+)"\)', (FUZZ / "parsers.def").read_text(), re.M)


def test_what_reads_bytes_from_outside_has_its_fuzzer():
    for file, function, fuzzer in PARSERS:
        assert re.search(rf"^\w.*\b{function}\(", (ROOT / file).read_text(), re.M), f"{file}: {function}"
        assert (FUZZ / f"{fuzzer}_fuzz.c").exists(), fuzzer
    assert {f for _, _, f in PARSERS} == {p.name.removesuffix("_fuzz.c") for p in FUZZ.glob("*_fuzz.c")}


def test_no_parser_is_forgotten():
    named = {function for _, function, _ in PARSERS}
    for folder in ("base", "policy", "audit", "proxy", "admin"):
        for header in (ROOT / folder).glob("*.h"):
            declared = set(re.findall(r"^\w[\w *]*?\b(\w+_(?:parse|decode))\(", header.read_text(), re.M))
            assert declared <= named, f"{header.name}: {declared - named}"
