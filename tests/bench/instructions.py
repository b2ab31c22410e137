#!/usr/bin/env python3
"""Instructions of the hot paths, counted by callgrind and compared with those that are kept.

  instructions.py check BENCH [FILE [SECTION...]]    exit 1 when one grew by more than 10 %, or the cases are not those of the file
  instructions.py accept BENCH [FILE]                writes what is counted now to the file

BENCH is build/bench/bench, FILE is instructions.tsv beside this script. Counts are of one compiler with its options; where the
program was built with others, nothing is compared, and that is said."""
import pathlib, platform, re, shutil, subprocess, sys, tempfile

KEPT = pathlib.Path(__file__).resolve().parent / "instructions.tsv"
OPERATIONS = 1024  # of each case; what a case does once besides is divided by that
MAY_GROW = 1.10
WORTH_KEEPING = 0.90
CALL = "bench_counted_call"  # bench_rounds.h

HEAD = """# Instructions of one operation, by callgrind. Written by `make bench-accept`, compared by `make bench-check`: a number here
# changes on purpose only. docs/performance.md, "Instruction counts", tells how to read them.
"""
# The whole environment. Libraries choose among variants of a function by what the processor can do: here all get the same.
ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX,-ERMS,-BMI2", "OPENSSL_ia32cap": "0:0"}


class Counts:
    """What a program was built with, and {(section, case): instructions}."""

    def __init__(self, built, cases):
        self.built, self.cases = built, cases


def read(path):
    text = pathlib.Path(path).read_text()
    built = re.search(r"^# built with: (.*)$", text, re.M)
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    return Counts(built[1] if built else "", {(section, case): int(n) for section, case, n in rows})


def write(path, counts):
    rows = "".join(f"{section}\t{case}\t{n}\n" for (section, case), n in counts.cases.items())
    pathlib.Path(path).write_text(f"{HEAD}# built with: {counts.built}\n{rows}")


def built_with(bench):
    """Without callgrind, which cannot read every compiler's programs."""
    r = subprocess.run([bench, "--count", "1"], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    if r.returncode:
        raise RuntimeError(f"{bench}: exit {r.returncode}")
    return " ".join(r.stdout.partition("\n")[0].split()) + f" {platform.machine()}"


def count(bench, sections=()):
    """Runs the program; each call of CALL is a part of callgrind's file, in the order in which the program names the cases."""
    with tempfile.TemporaryDirectory(prefix="stile-instructions-") as folder:
        out = pathlib.Path(folder) / "out"
        # names of one length: where the stack begins is not to differ
        (pathlib.Path(folder) / "bench").symlink_to(pathlib.Path(bench).resolve())
        watch = [f"--{what}={CALL}" for what in ("toggle-collect", "zero-before", "dump-after")]
        r = subprocess.run([shutil.which("valgrind"), "-q", "--vgdb=no", "--tool=callgrind", "--collect-atstart=no", "--combine-dumps=yes",
                            f"--callgrind-out-file={out}", *watch, "./bench", "--count", str(OPERATIONS), *sections],
                           cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        if r.returncode:
            raise RuntimeError(f"{bench} under callgrind: exit {r.returncode}")
        parts = re.findall(rf"^desc: Trigger: --dump-after={CALL}$.*?^summary: (\d+)$", out.read_text(), re.M | re.S)
    names = r.stdout.splitlines()[1:]
    if len(parts) != len(names):
        raise RuntimeError(f"{len(names)} cases, but callgrind saw {len(parts)}")
    return Counts(built_with(bench), {tuple(name.split("\t")): max(1, round(int(n) / OPERATIONS)) for name, n in zip(names, parts)})


def compare(kept, now):
    """A table, what is to be said of it, and whether all is well."""
    table, notes, well = [f"{'section':8} {'operation':50} {'kept':>8} {'now':>8} {'ratio':>6}"], [], True
    for key in list(now.cases) + [k for k in kept.cases if k not in now.cases]:
        old, new = kept.cases.get(key), now.cases.get(key)
        ratio = new / old if old and new else None
        table.append(f"{key[0]:8} {key[1]:50} {old or '-':>8} {new or '-':>8} {f'{ratio:.2f}' if ratio else '-':>6}")
        name = f"{key[0]}: {key[1].strip()}"
        if ratio is None:
            notes.append(f"{name}: " + ("is not in the file" if new else "is in the file, but no longer counted"))
        elif ratio > MAY_GROW:
            notes.append(f"{name}: grew from {old} to {new} instructions")
        elif ratio < WORTH_KEEPING:
            notes.append(f"{name}: fell from {old} to {new} instructions; `make bench-accept`, so that the gain is kept")
        well = well and ratio is not None and ratio <= MAY_GROW
    if not well:
        notes.append("If that is meant: `make bench-accept` writes what is counted now to tests/bench/instructions.tsv; "
                     "the commit says why.")
    return table, notes, well


def check(bench, path, sections):
    kept, built = read(path), built_with(bench)
    if kept.built != built:
        print(f"skipped: instruction counts are kept for\n  {kept.built}\nand this was built with\n  {built}")
        return 0
    now = count(bench, sections)
    if sections:
        kept.cases = {key: n for key, n in kept.cases.items() if key[0] in sections}
    table, notes, well = compare(kept, now)
    print("\n".join(table + notes))
    return 0 if well else 1


def accept(bench, path):
    before = read(path) if pathlib.Path(path).exists() else Counts("", {})
    now = count(bench)
    print("\n".join(compare(before, now)[0]))
    write(path, now)
    return 0


def main(args):
    if len(args) < 2 or args[0] not in ("check", "accept") or (args[0] == "accept" and len(args) > 3):
        print(__doc__, file=sys.stderr)
        return 2
    if not shutil.which("valgrind"):
        print("skipped: instruction counts need valgrind")
        return 0 if args[0] == "check" else 2
    path = args[2] if len(args) > 2 else KEPT
    try:
        return check(args[1], path, args[3:]) if args[0] == "check" else accept(args[1], path)
    except (OSError, RuntimeError, ValueError) as e:
        print(f"instructions.py: {e}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
