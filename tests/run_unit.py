#!/usr/bin/env python3
"""Runs the unit test programs named on the command line and adds up cmocka's counts.

Each program runs in its own empty folder. What a test says of being skipped is passed on; the closing line counts passed,
failed and skipped."""
import concurrent.futures, os, pathlib, re, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


AT_ONCE = 2 * (os.cpu_count() or 1)  # many of them wait most of the time


def run(program):
    """What one program printed, and its exit code."""
    with tempfile.TemporaryDirectory(prefix="stile-unit-") as folder:
        env = dict(os.environ, STILE_ROOT=str(ROOT), STILE_BUILD=str((ROOT / os.environ.get("BUILD", "build")).resolve()))
        try:
            r = subprocess.run([program], cwd=folder, env=env, capture_output=True, timeout=600)
            return (r.stdout + r.stderr).decode("utf-8", "replace"), r.returncode
        except subprocess.TimeoutExpired as e:
            return f"{(e.stdout or b'').decode('utf-8', 'replace')}\ntimed out", -1


def main(programs):
    passed = failed = skipped = 0
    paths = [pathlib.Path(program).resolve() for program in programs]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        results = pool.map(run, paths)
        for path, (out, code) in zip(paths, results):
            ok = len(re.findall(r"^\[       OK \]", out, re.M))
            bad = len(set(re.findall(r"^\[  FAILED  \] (?!.*test\(s\)|tests?:)(\S+)", out, re.M)))
            skip = len(set(re.findall(r"^\[  SKIPPED \] (?!.*test\(s\)|tests?:)(\S+)", out, re.M)))
            if code != 0 and bad == 0:
                bad = 1
            if code == 0 and ok == 0 and skip == 0:
                bad, out = 1, out + "\nthe program ran no test"
            passed, failed, skipped = passed + ok, failed + bad, skipped + skip
            print(f"{'ok  ' if not bad else 'FAIL'} {path.name}: {ok} passed, {bad} failed, {skip} skipped", flush=True)
            if bad:
                print(out, flush=True)
            elif skip:
                print("\n".join("     " + why for why in re.findall(r"^skipped: .*", out, re.M)), flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not programs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
