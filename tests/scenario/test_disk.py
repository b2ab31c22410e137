"""A journal disk that fails, turns read-only or is slow. The system calls of the journal's files are answered so by strace: nothing in
stile knows of it."""
import contextlib
import errno
import os
import re
import shutil
import time

import pytest
from disk import small_disk
from harness import *
from test_operations import House, metrics

WRITES, SYNCS = "write,writev,pwrite64", "fdatasync,fsync"


@pytest.fixture
def house(folder, started):
    if os.geteuid() != 0 or not shutil.which("strace"):
        pytest.skip("answering for the kernel needs strace and root")
    if run("strace", "-o", "/dev/null", "true", check=False).returncode:
        pytest.skip("nothing may be traced here")
    return House(folder, started, workers=1)


@contextlib.contextmanager
def calls(house, which, how):
    """`how` becomes of these calls of the worker, where they are about the segments of its journal."""
    worker, = house.stile.children()["worker"]
    segments = [x for f in house.stile.journal.rglob("*.jnl") for x in ("-P", f)]
    said = house.stile.d / "strace.txt"
    said.unlink(missing_ok=True)
    p = subprocess.Popen(["strace", "-f", "-o", said, "-e", f"trace={which}", "-e", f"inject={which}:{how}", *segments, "-p", str(worker)],
                         stderr=subprocess.PIPE, text=True)
    try:
        assert "attached" in p.stderr.readline()
        yield lambda: said.read_text().count("INJECTED") + said.read_text().count("DELAYED") if said.exists() else 0
    finally:
        p.terminate() if house.stile.p.poll() is None else p.kill()  # it never learns of a death in a delay
        p.wait(20)


def failing(house):
    return metrics(house.stile)[0]["stile_journal_failing"] == 1


def whole(house):
    """The journal after the stop: each access that was given has its one end, or a gap mark counts that end; each loss is told."""
    house.stile.stop()
    rs = house.stile.journal_records()
    given = [r["id"] for r in rs if r["k"] == "access" and r["verdict"] == "allow"]
    ends = [r["id"] for r in rs if r["k"] == "end"]
    lost = sum(r["n"] for r in rs if r.get("what") == "gap")
    assert len(set(given)) == len(given) and len(set(ends)) == len(ends) and len(set(given) - set(ends)) <= lost
    return rs, given


@pytest.mark.parametrize("error", ["EIO", "EROFS", "EDQUOT"])
def test_writes_that_fail(house, error):
    assert house.get("news.example", user="ben") == 200
    tunnel, head = connect(house.stile, f"t.example:{house.origin.http}", "anna")
    assert status_of(head) == 200
    brief, head = connect(house.stile, f"t.example:{house.origin.http}", "anna")
    assert status_of(head) == 200
    early = []  # given before it was known: kept, and written when that works again
    with calls(house, WRITES, f"error={error}") as injected:
        wait_for("nothing more is given", lambda: early.append(house.get("news.example", user="ben")) or early[-1] == 503)
        wait_for("it is shown", lambda: failing(house))
        assert injected() and os.strerror(getattr(errno, error)) in house.stile.said()
        # an open tunnel goes on
        tunnel.sendall(f"GET /ok HTTP/1.1\r\nHost: t.example:{house.origin.http}\r\n\r\n".encode())
        assert tunnel.recv(4096).startswith(b"HTTP/1.1 200")
        # and what ends meanwhile has its end in the end
        brief.close()
        assert house.get("news.example", user="ben") == 503
        time.sleep(0.5)
        # who asks is refused at once, and is no reason to try the disk more often than ten times a second
        since, tries = time.monotonic(), injected()
        for _ in range(200):
            assert status_of(connect(house.stile, f"t.example:{house.origin.http}", "anna")[1]) == 503
        assert injected() - tries <= (time.monotonic() - since) / 0.1 + 2
    wait_for("it recovers by itself", lambda: not failing(house))
    assert house.get("news.example", user="ben") == 200
    tunnel.close()
    time.sleep(0.3)
    rs, given = whole(house)
    assert early[:-1] == [200] * (len(early) - 1) and len(given) == 4 + len(early) - 1
    assert set(given) == {r["id"] for r in rs if r["k"] == "end"}
    assert [r for r in rs if r.get("what") == "gap" and r["n"] > 0], "what was not recorded is told"


def test_syncs_that_fail(house):
    """Records stand in the file, but nobody can promise them: that is told, and browsing goes on, since only writing was promised."""
    with calls(house, SYNCS, "error=EIO") as injected:
        assert house.get("news.example", user="ben") == 200
        wait_for("it is seen", lambda: failing(house))
        assert injected() and "Input/output error" in house.stile.said()
    wait_for("it recovers by itself", lambda: not failing(house))
    assert house.get("news.example", user="ben") == 200
    rs, given = whole(house)
    assert [r for r in rs if r.get("what") == "gap" and "would not outlive a loss of power" in r["text"]]


def test_a_slow_disk_holds_up_nobody_who_has_a_tunnel(house):
    tunnel, head = connect(house.stile, f"t.example:{house.origin.http}", "anna")
    assert status_of(head) == 200
    tunnel.settimeout(1.5)
    with calls(house, SYNCS, "delay_enter=2000000") as injected:
        asked = 0
        while injected() < 2:
            assert house.get("news.example", user="ben") == 200
            asked += 1
            tunnel.sendall(f"GET /ok HTTP/1.1\r\nHost: t.example:{house.origin.http}\r\n\r\n".encode())
            assert tunnel.recv(4096).startswith(b"HTTP/1.1 200")
    tunnel.close()
    time.sleep(0.3)
    rs, given = whole(house)
    assert len(given) == asked + 1 and not [r for r in rs if r.get("what") == "gap"]


def test_writes_that_take_long_hold_up_nobody(house):
    """Records are kept in the outbox meanwhile."""
    slowest = 0
    with calls(house, WRITES, "delay_enter=3000000") as injected:
        asked = 0
        while injected() < 2:
            began = time.monotonic()
            assert house.get("news.example", user="ben") == 200
            slowest = max(slowest, time.monotonic() - began)
            asked += 1
    assert slowest < 2.5, "a write takes 3 s"
    rs, given = whole(house)
    assert len(given) == asked and not [r for r in rs if r.get("what") == "gap"]


def accesses(house):
    return [r for r in house.stile.journal_records() if r["k"] == "access" and r["verdict"] == "allow"]


@contextlib.contextmanager
def given_while_writes_hang(house, n):
    with calls(house, WRITES, "delay_enter=8000000"):
        for _ in range(n):
            assert house.get("news.example", user="ben") == 200
        time.sleep(0.2)  # handed over long since
        assert not accesses(house)
        yield


def test_all_is_killed_while_writes_hang(house):
    """No process is left and nothing was written: what was given stands in the journal after the next start, once."""
    with given_while_writes_hang(house, 12):
        for pid in [p for ps in house.stile.children().values() for p in ps] + [house.stile.p.pid]:
            os.kill(pid, signal.SIGKILL)
        house.stile.p.wait(20)
    house.stile.start()
    assert "from the outbox of the worker before" in house.stile.said()
    assert house.get("news.example", user="ben") == 200
    house.stile.stop()
    ids = [r["id"] for r in accesses(house)]
    assert len(set(ids)) == len(ids) == 13
    assert [r for r in house.stile.journal_records() if "records from its outbox follow" in (r.get("text") or "")]


def orphans(house, n):
    """All is killed with n accesses in the outbox of a second worker, of which the next start knows nothing. Returns that outbox."""
    with given_while_writes_hang(house, n):
        for pid in [p for ps in house.stile.children().values() for p in ps] + [house.stile.p.pid]:
            os.kill(pid, signal.SIGKILL)
        house.stile.p.wait(20)
    outbox, other = (house.stile.d / f"stile.sock.outbox-{i}" for i in range(2))
    outbox.rename(other)
    return other


def test_a_start_with_fewer_workers_journals_what_the_others_left(house):
    other = orphans(house, 12)
    house.stile.start()
    n, = re.findall(r"(\d+) records from the outbox of a worker that there was", house.stile.said())
    assert int(n) >= 12
    assert not other.exists()
    assert house.get("news.example", user="ben") == 200
    house.stile.stop()
    ids = [r["id"] for r in accesses(house)]
    assert len(set(ids)) == len(ids) == 13
    house.stile.start()
    house.stile.stop()
    assert len(accesses(house)) == 13


def test_what_fewer_workers_cannot_journal_stays_for_the_next_start(house):
    other = orphans(house, 12)
    folder = house.stile.journal / "1"
    folder.rmdir() if folder.exists() else None
    folder.write_text("in the way")
    house.stile.start()
    assert f"{other} still holds records of a worker that there was" in house.stile.said()
    assert house.get("news.example", user="ben") == 200  # and all the same it serves
    house.stile.stop()
    assert other.exists() and len(accesses(house)) == 1
    folder.unlink()
    house.stile.start()
    house.stile.stop()
    assert not other.exists() and len(accesses(house)) == 13


def test_a_stop_leaves_nothing_of_a_worker_that_has_just_died(house):
    """The master learns of the death and of its own end at once, so that nobody has followed the worker."""
    with given_while_writes_hang(house, 12):
        worker, = house.stile.children()["worker"]
        house.stile.p.send_signal(signal.SIGSTOP)
        os.kill(worker, signal.SIGKILL)
        house.stile.p.send_signal(signal.SIGTERM)
        house.stile.p.send_signal(signal.SIGCONT)
        assert house.stile.p.wait(20) == 0
    ids = [r["id"] for r in accesses(house)]
    assert len(set(ids)) == len(ids) == 12
    assert "records from the outbox of the worker before" in house.stile.said()


def test_a_disk_that_is_slower_than_timeouts_record_loses_nothing(folder, started, house):
    """Where a disk is promised, who waited in vain was refused; the record says what became of it."""
    house.stile.stop()
    text = house.stile.config.read_text().replace("audit = {", 'audit = { sync = "disk";', 1)
    house.stile.config.write_text(text + '\ntimeouts = { record = "500ms"; };\n')
    house.stile.start()
    with calls(house, WRITES, "delay_enter=1500000") as injected:
        assert house.get("news.example", user="ben") == 503
        wait_for("writes were slow", injected)
    wait_for("served again", lambda: house.get("news.example", user="ben") == 200)
    rs, given = whole(house)
    ends = {r["id"]: r["reason"] for r in rs if r["k"] == "end"}
    assert "no-record" in [ends[i] for i in given] or [r for r in rs if r.get("reason") == "no-record"]


def test_a_folder_that_is_read_only_is_told_at_the_start(folder):
    with small_disk(folder, more=",ro") as d:
        s = Stile(folder, names=["a.example"], journal=d / "journal")
        r = run(PROXY, "-c", s.config, check=False, timeout=30)
        assert r.returncode == 1 and f"{d}/journal" in r.stderr and "Read-only file system" in r.stderr
