"""Workers and the shipper as they run: confined, under the account that is set, and able to do all of their work there.

What a confined process cannot do is tried by tests/unit/proxy_sandbox_test.c with the same function."""
import fcntl, pwd, threading
import pytest
from harness import *

NAMES = ["www.origin.example"]
confined = pytest.mark.skipif("san" in BUILD.name, reason="builds for sanitizers are not confined")
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has an account to give up")


def status(pid):
    return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def children(s):
    kids = s.children()
    assert len(kids["worker"]) == 2 and len(kids["shipper"]) == 1
    return kids["worker"] + kids["shipper"]


@confined
def test_children_are_confined_and_the_master_says_so(folder, started):
    s = started(Stile(folder, redis=started(Redis(folder))))
    for pid in children(s):
        st = status(pid)
        assert (st["Seccomp"], st["NoNewPrivs"]) == ("2", "1")
        assert all(int(st[c], 16) == 0 for c in ("CapEff", "CapPrm", "CapInh", "CapAmb"))
        assert re.search(r"^Max core file size +0 +0 ", pathlib.Path(f"/proc/{pid}/limits").read_text(), re.M)
        for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
            assert status(f"{pid}/task/{thread.name}")["Seccomp"] == "2"
    assert status(s.p.pid)["Seccomp"] == "0", "the master reads files"
    assert "confined: user" in s.said() and "system calls filtered" in s.said()


@confined
@root
def test_shared_memory_keeps_its_size(folder, started):
    """A child may write into what it shares, but cannot cut it off under those who have mapped it."""
    s = started(Stile(folder))
    seen = {}
    for fd in pathlib.Path(f"/proc/{s.p.pid}/fd").iterdir():
        if os.readlink(fd).startswith("/memfd:stile-"):
            with open(fd, "rb") as f:
                seen[os.readlink(fd).split()[0].removeprefix("/memfd:stile-")] = fcntl.fcntl(f, fcntl.F_GET_SEALS)
    assert {"usage", "logins", "standing", "crowd", "counters"} <= set(seen), seen
    for name, seals in seen.items():
        assert seals & fcntl.F_SEAL_SHRINK and seals & fcntl.F_SEAL_SEAL, name


@confined
def test_another_account_does_all_the_work(folder, started):
    """Records, shipping by name, logins, reloads, a new log, a killed worker, a second start as root."""
    nobody = pwd.getpwnam("nobody")
    redis, origin = started(Redis(folder)), started(Nginx(folder))
    s = Stile(folder, redis=redis, names=NAMES, more=f'user = "nobody"; log_file = "{folder}/stile.log";')
    s.config.write_text(s.config.read_text().replace(redis.url, redis.url.replace("127.0.0.1", "localhost")))
    log = folder / "stile.log"
    Process.start(s)
    wait_for("it is ready", lambda: log.exists() and "ready:" in log.read_text())
    for pid in children(s):
        assert status(pid)["Uid"].split() == [str(nobody.pw_uid)] * 4 and status(pid)["Gid"].split() == [str(nobody.pw_gid)] * 4
        assert status(pid)["Groups"].split() in ([], [str(nobody.pw_gid)])
    url = f"http://www.origin.example:{origin.http}/ok"
    assert s.curl(url, user="ben")[::2] == (200, "ok\n")
    for pid in s.children()["worker"]:
        os.kill(pid, signal.SIGKILL)
    wait_for("successors serve", lambda: len(s.children().get("worker", [])) == 2 and s.curl(url, user="ben")[0] == 200)
    log.rename(folder / "old.log")
    s.p.send_signal(signal.SIGUSR1)
    wait_for("the log is opened anew", lambda: log.exists() and "opened anew" in log.read_text())
    s.p.send_signal(signal.SIGHUP)
    wait_for("a reload is taken", lambda: "in force:" in log.read_text())
    assert s.curl(url, user="ben")[0] == 200
    for f in s.journal.rglob("*"):
        assert f.stat().st_uid == nobody.pw_uid, f
    s.stop()
    given = [r for r in s.journal_records() if r["k"] == "access" and r["verdict"] == "allow"]
    assert len(given) >= 3
    stored = [r for r in redis.records() if r["k"] == "access" and r["verdict"] == "allow"]
    assert len(stored) == len(given)
    # once more under root's own name, and back again: each start gives the journal to who writes it
    for user, uid in (("root", 0), ("nobody", nobody.pw_uid)):
        s.config.write_text(re.sub(r'user = "\w+"', f'user = "{user}"', s.config.read_text()))
        before = log.read_text().count("ready:")
        Process.start(s)
        wait_for("it is ready again", lambda: log.read_text().count("ready:") > before)
        assert s.curl(url, user="ben")[0] == 200
        assert all(f.stat().st_uid == uid for f in s.journal.rglob("*"))
        s.stop()


@root
def test_a_file_with_a_second_name_is_not_given_away(folder, started):
    s = Stile(folder, more='user = "nobody";')
    (s.journal / "0").mkdir(parents=True)
    elsewhere = folder / "elsewhere"
    elsewhere.write_text("root's own")
    os.link(elsewhere, s.journal / "0" / "link")
    (s.journal / "0" / "symlink").symlink_to(elsewhere)
    started(s)
    assert elsewhere.stat().st_uid == 0


def test_an_account_that_is_not_there_is_an_error_of_the_file(folder):
    s = Stile(folder, more='user = "no-such-account";')
    r = run(PROXY, "-c", s.config, "-t", check=False)
    assert r.returncode == 78 and "user: there is no account" in r.stderr
