"""Every fuzzer has seeds, and every folder of seeds its fuzzer."""
import pathlib

FUZZ = pathlib.Path(__file__).resolve().parents[1] / "fuzz"


def test_every_fuzzer_has_a_corpus():
    fuzzers = {p.name.removesuffix("_fuzz.c") for p in FUZZ.glob("*_fuzz.c")}
    assert fuzzers == {p.name for p in (FUZZ / "corpus").iterdir()}
    for name in fuzzers:
        assert any((FUZZ / "corpus" / name).iterdir()), name
