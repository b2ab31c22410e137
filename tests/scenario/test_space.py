"""audit.space bounds the journal: what Redis has not taken stays, and no access is given beyond it."""
import pytest
from harness import *


def stuffed(folder, started, on_failure):
    """A proxy whose journal holds 20 MB of a dead writer under a bound of 16 MB, without Redis."""
    s = Stile(folder, names=["a.example"], audit=f'space = "16M"; on_failure = "{on_failure}";')
    (s.journal / "7").mkdir(parents=True)
    s.stuff = s.journal / "7" / f"00000001-{'ab' * 16}-1.jnl"
    s.stuff.write_bytes(b"x" * (20 << 20))
    return started(s)


def test_a_full_journal_refuses_and_recovers(folder, started):
    origin = started(Nginx(folder))
    s = stuffed(folder, started, "deny")
    url = f"http://a.example:{origin.http}/ok"
    wait_for("it is said", lambda: "has reached audit.space" in s.text())
    assert wait_for("503", lambda: s.curl(url, user="ben")[0] == 503)
    s.stuff.unlink()
    wait_for("there is room again", lambda: "there is room again" in s.text(), 30)
    assert wait_for("200", lambda: s.curl(url, user="ben")[0] == 200)
    s.stop()
    rs = [r for r in s.journal_records() if r["k"] == "access" and r["reason"] == "no-record"]
    assert rs and {r["verdict"] for r in rs} == {"fail"}


def test_allow_goes_on_recording(folder, started):
    origin = started(Nginx(folder))
    s = stuffed(folder, started, "allow")
    wait_for("it is said", lambda: "has reached audit.space" in s.text())
    assert s.curl(f"http://a.example:{origin.http}/ok", user="ben")[0] == 200
    s.stop()
    s.stuff.unlink()
    assert [r["verdict"] for r in s.journal_records() if r["k"] == "access" and r["rule"]] == ["allow"]


def test_checking_makes_nothing(folder):
    s = Stile(folder)
    r = run(PROXY, "-c", s.config, "-t")
    assert "fine" in r.stdout and "will be made" in r.stderr
    assert not (s.d / "pseudonym.key").exists() and not s.journal.exists()
