"""The design is visible from the tree: includes point left, foreign headers stay in their files, names are unique."""
import pathlib, re

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAYERS = {"base": ["base"], "policy": ["base", "policy"], "audit": ["base", "policy", "audit"],
          "proxy": ["base", "policy", "audit", "proxy"], "admin": ["base", "policy", "audit", "admin"]}
SYSTEM = set("""assert.h ctype.h dirent.h errno.h fcntl.h getopt.h grp.h inttypes.h limits.h locale.h math.h poll.h pwd.h sched.h signal.h spawn.h
stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h termios.h time.h unistd.h threads.h
arpa/inet.h ifaddrs.h netdb.h netinet/in.h netinet/tcp.h sys/epoll.h sys/eventfd.h sys/file.h sys/fsuid.h sys/ioctl.h sys/mman.h sys/prctl.h sys/queue.h sys/random.h
sys/resource.h sys/socket.h sys/stat.h sys/statvfs.h sys/syscall.h sys/time.h sys/timerfd.h sys/types.h sys/uio.h sys/un.h sys/vfs.h sys/wait.h
linux/capability.h linux/limits.h linux/magic.h linux/tcp.h langinfo.h stdnoreturn.h""".split())


def sources():
    return [f for d in LAYERS for f in sorted((ROOT / d).glob("*.[ch]")) + sorted((ROOT / d).glob("*.def"))]


def includes(f):
    return re.findall(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', f.read_text(), re.M)


def test_includes_point_left():
    wrong = []
    for f in sources():
        seen = {p.name for d in LAYERS[f.parent.name] for p in (ROOT / d).iterdir()}
        wrong += [f"{f.relative_to(ROOT)} includes {name}" for kind, name in includes(f) if kind == '"' and name not in seen]
    assert not wrong, "\n".join(wrong)


def test_foreign_headers_stay_in_their_files():
    rows = re.findall(r'^FOREIGN\("([^"]+)", "([^"]+)"\)', (ROOT / "tests/checks/foreign.def").read_text(), re.M)
    assert rows
    wrong, used = [], set()
    for f in sources():
        me = str(f.relative_to(ROOT))
        for kind, name in includes(f):
            if kind == '"' or name in SYSTEM:
                continue
            row = [(h, files.split()) for h, files in rows if name.startswith(h)]
            used.update((h, me) for h, _ in row)
            if not row or me not in row[0][1]:
                wrong.append(f"{me} includes <{name}>")
    wrong += [f"foreign.def lets {me} see {h}, which it does not" for h, files in rows for me in files.split() if (h, me) not in used]
    assert not wrong, "\n".join(wrong)


def test_header_names_are_unique():
    names = [f.name for f in sources() if f.suffix in (".h", ".def")]
    assert sorted(names) == sorted(set(names))


def test_the_check_itself_sees_a_wrong_include(tmp_path):
    f = tmp_path / "x.c"
    f.write_text('#include "conn.h"\n#  include <libconfig.h>\n')
    assert includes(f) == [('"', "conn.h"), ("<", "libconfig.h")]


def test_top_level_is_what_the_design_names():
    import subprocess
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    top = {t.split("/")[0] for t in tracked}
    allowed = set("""base policy audit proxy admin tests packaging systemd docs Makefile proxy.cfg README.md CONTRIBUTING.md
    CHANGELOG.md LICENSE SECURITY.md .ci .clang-format .editorconfig .gitignore""".split())
    assert top <= allowed, top - allowed
