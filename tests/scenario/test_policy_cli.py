"""stile-policy as people and scripts use it: every command, every exit code, the shape of its JSON."""
import concurrent.futures, ctypes, ctypes.util, json, os, pty, select, stat, subprocess, time
import pytest
from harness import POLICY

OK, FOUND, USAGE, BAD_FILE = 0, 1, 2, 78

GOOD = """zone = "Europe/London"; inside = [ "10.20.0.0/16" ];
roles: { comms = { groups = [ "comms" ]; }; kiosks = { networks = [ "192.0.2.0/24" ]; }; staff = { everyone = true; }; };
schedules: { lunch = "Mon-Fri 12:00-14:00"; };
services: { hub = { title = "Knowledge Hub"; hosts = [ "khub.example" ]; cdn = [ "khub-static.example" ]; zone = "external";
                    categories = [ "collaboration" ]; };
             forum = { hosts = [ "forum.example" ]; zone = "public"; categories = [ "talk" ]; }; };
rules = (
  { name = "campaigns"; roles = [ "comms" ]; to = [ "#talk" ]; action = "allow"; purpose = "public campaigns";
    owner = "Head of Communications"; benefit = "replies"; risk = "reputation"; risk_owner = "Monitoring Officer"; review = "2059-12-31"; },
  { name = "kiosk"; roles = [ "kiosks" ]; to = [ "hub" ]; action = "allow"; purpose = "reading room"; },
  { name = "watch"; to = [ "hub" ]; action = "deny"; mode = "observe"; },
  { name = "lunch"; roles = [ "staff" ]; to = [ "#talk" ]; schedule = "lunch"; action = "allow"; purpose = "lunch"; limits = { requests = "60/min"; }; },
  { name = "no-talk"; to = [ "#talk" ]; action = "deny"; message = "Not outside lunch."; },
  { name = "web"; roles = [ "staff" ]; action = "allow"; } );
"""


def run(*args, stdin="", **env):
    p = subprocess.run([POLICY, *map(str, args)], input=stdin, capture_output=True, text=True, timeout=60,
                       env=dict(os.environ, **env))
    assert "\033" not in p.stdout + p.stderr, "colours away from a terminal"
    return p


def said(code, *args, **more):
    p = run(*args, **more)
    assert p.returncode == code, (args, p.returncode, p.stdout, p.stderr)
    return p.stdout if code == OK else p.stdout + p.stderr


def machine(code, *args):
    p = run(*args, "--json")
    assert p.returncode == code, p.stderr
    return json.loads(p.stdout)


@pytest.fixture
def policy(folder):
    f = folder / "policy.cfg"
    f.write_text(GOOD)
    return f


# --- the program ------------------------------------------------------------------------------------

COMMANDS = ["check", "explain", "test", "diff", "service", "passwd", "redis-acl"]


def test_help_and_version():
    text = said(OK, "--help")
    assert all(f"  {c} " in text for c in COMMANDS)
    assert said(OK, "--version").split()[0] == "stile-policy"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    assert said(OK, command, "--help").startswith(f"usage: stile-policy {command} ")


@pytest.mark.parametrize("args", [(), ("chek",), ("check",), ("check", "a", "b"), ("check", "--jsno", "x"), ("explain", "a", "--user"),
                                  ("test", "p"), ("service",), ("passwd", "f"), ("passwd", "f", "u", "p"), ("check", "p", "--json=1")])
def test_wrong_usage_is_2_and_says_where_help_is(args):
    p = run(*args)
    assert p.returncode == USAGE and p.stdout == "" and "--help'" in p.stderr


def test_a_full_disk_is_no_success(policy):
    with open("/dev/full", "w") as full:
        p = subprocess.run([POLICY, "service", "khub.example", "--policy", policy], stdout=full, stderr=subprocess.PIPE, text=True)
    assert p.returncode == FOUND and "could not be written" in p.stderr


# --- check ------------------------------------------------------------------------------------------

def test_check_of_a_good_policy(policy):
    text = said(OK, "check", policy)
    assert text.count("\n") == 1 and "6 rules" in text and "Europe/London" in text and text.endswith(": ok\n")


def test_check_json_has_one_shape(folder, policy):
    good = machine(OK, "check", policy)
    (folder / "bad.cfg").write_text("rules = (")
    bad = machine(BAD_FILE, "check", folder / "bad.cfg")
    assert list(good) == list(bad)
    assert (good["usable"], good["rules"], good["errors"], good["findings"]) == (True, 6, [], [])
    assert (bad["usable"], bad["rules"], bad["zone"]) == (False, None, None)
    assert bad["errors"][0]["file"].endswith("bad.cfg") and bad["errors"][0]["line"] == 1 and bad["errors"][0]["text"]


@pytest.mark.parametrize("change, line", [
    (('"Europe/London"', '"Europe/Nowhere"'), 1), (('mode = "observe"', 'mode = "watch"'), 11), (("60/min", "sixty"), 12),
    (('to = [ "hub" ]; action = "allow"', 'to = [ "hbu" ]; action = "allow"'), 10), (("everyone", "everybody"), 2)])
def test_errors_carry_file_and_line_and_are_78(folder, policy, change, line):
    policy.write_text(GOOD.replace(*change))
    text = said(BAD_FILE, "check", policy)
    assert f"{policy}:{line}: " in text
    for other in (["explain", policy, "--host", "x.example"], ["test", policy, policy], ["service", "--policy", policy, "x.example"]):
        p = run(*other)
        assert p.returncode == BAD_FILE and f"{policy}:{line}: " in p.stderr and p.stdout == ""


def test_a_missing_policy_is_78(folder):
    assert "nowhere.cfg" in said(BAD_FILE, "check", folder / "nowhere.cfg")


def test_findings_are_1_and_the_date_can_be_chosen(policy):
    late = policy.read_text().replace("2059-12-31", "2027-03-31")
    policy.write_text(late)
    said(OK, "check", policy, "--at", "2027-03-30")
    text = said(FOUND, "check", policy, "--at", "2027-04-02 10:00")
    assert "campaigns" in text and "1 finding" in text
    found = machine(FOUND, "check", policy, "--at", "2027-04-02")
    assert found["usable"] and len(found["findings"]) == found["finding_count"] == 1
    assert found["findings"][0]["code"] and found["findings"][0]["line"] == 8
    said(USAGE, "check", policy, "--at", "soon")


# --- explain ----------------------------------------------------------------------------------------

LUNCH, MORNING = "2026-11-23 12:30", "2026-11-23 09:00"


@pytest.mark.parametrize("args, verdict, rule, more", [
    (["--user", "anna", "--group", "comms", "--host", "www.forum.example", "--at", MORNING], "allow", "campaigns", {"role": "comms"}),
    (["--user", "ben", "--host", "www.forum.example", "--at", MORNING], "deny", "no-talk", {"reason": "rule", "status": 403}),
    (["--user", "ben", "--host", "www.forum.example", "--at", LUNCH], "allow", "lunch", {"record": "forum"}),
    (["--host", "www.forum.example", "--at", MORNING], "need", "campaigns", {"need": "identity", "reason": None}),
    (["--host", "www.forum.example", "--at", MORNING, "--no-login"], "deny", "no-talk", {"role": None}),
    (["--client", "192.0.2.9", "--host", "khub.example", "--no-login"], "allow", "kiosk", {"roles": ["kiosks"]}),
    (["--user", "ben", "--host", "khub.example"], "allow", "web", {"observed": ["watch"]}),
    (["--user", "ben", "--host", "x.example", "--address", "10.20.1.1"], "deny", "web", {"reason": "inside"}),
    (["--user", "ben", "--host", "127.0.0.1:80"], "deny", "web", {"reason": "special"}),
    (["--user", "ben", "--host", "x.example:25"], "deny", None, {"reason": "port"}),
    (["--user", "ben", "--host", "WWW.BÜCHER.example."], "allow", "web", {"record": "xn--bcher-kva.example"}),
])
def test_explain(policy, args, verdict, rule, more):
    told = machine(OK, "explain", policy, *args)
    assert told["verdict"] == verdict
    assert (told["rule"] or {}).get("name") == rule
    assert {k: told[k] for k in more} == more
    text = said(OK, "explain", policy, *args)
    first = text.splitlines()[0]
    assert first.startswith({"allow": "Allowed: ", "deny": "Refused: ", "need": "Not known yet: "}[verdict])
    assert rule is None or f"'{rule}'" in first


def test_explain_tells_what_stands_on_the_rule_and_what_failed_in_others(policy):
    text = said(OK, "explain", policy, "--user", "anna", "--group", "comms", "--host", "www.forum.example")
    for piece in ("public campaigns", "Head of Communications", "replies", "reputation", "Monitoring Officer", "2059-12-31", "forum (core, public)", "#talk"):
        assert piece in text
    text = said(OK, "explain", policy, "--user", "ben", "--host", "www.forum.example", "--at", MORNING)
    for piece in ("Not outside lunch.", "not for these roles", "not for this host", "not at this time", "(1 more, not reached)"):
        assert piece in text


def test_explain_json_has_one_shape(policy):
    a = machine(OK, "explain", policy, "--user", "ben", "--host", "x.example:25")
    b = machine(OK, "explain", policy, "--user", "anna", "--group", "comms", "--host", "www.forum.example")
    assert list(a) == list(b) and list(a["asked"]) == list(b["asked"])
    assert a["rule"] is None and a["services"] == [] and a["version"] == 1
    assert [r["rule"] for r in a["rules"]] == ["campaigns", "kiosk", "watch", "lunch", "no-talk", "web"]


COACHED = """zone = "Europe/London"; conduct = "https://intranet.example/conduct"; roles: { staff = { everyone = true; }; };
services: { forum = { hosts = [ "forum.example" ]; }; };
rules = (
  { name = "daily"; roles = [ "staff" ]; to = [ "forum" ]; action = "allow"; purpose = "talk";
    limits = { minutes = 30; bytes = "2 GB"; requests = "60/min burst 9"; bandwidth = "4 MB/s"; when_spent = "next"; grace = "90s"; }; },
  { name = "more"; to = [ "forum" ]; action = "coach"; remember = "90m"; purposes = [ "casework", "advice" ];
    limits = { tunnels = 1; without_redis = "local"; minutes = 60; }; },
  { name = "web"; roles = [ "staff" ]; action = "allow"; } );
"""


@pytest.mark.parametrize("args, verdict, first, more", [
    ([], "allow", "Allowed: rule 'daily'", {"reason": "rule", "limit": None}),
    (["--spent", "daily"], "coach", "Coached: rule 'more'", {"reason": "coach", "status": 403, "limit": None}),
    (["--spent", "daily:bytes", "--acked", "more"], "allow", "Allowed: rule 'more'", {"role": "staff"}),
    (["--spent", "daily", "--acked", "more", "--spent", "more:tunnels"], "deny", "Refused: as many tunnels",
     {"reason": "tunnels-open", "status": 429, "limit": "tunnels"}),
    (["--spent", "daily", "--acked", "more", "--spent", "more"], "deny", "Refused: the minutes", {"reason": "minutes-spent", "limit": "minutes"})])
def test_explain_shows_both_sides_of_coaching_and_limits(policy, args, verdict, first, more):
    policy.write_text(COACHED)
    ask = ["explain", policy, "--user", "ben", "--host", "forum.example", *args]
    told = machine(OK, *ask)
    assert told["verdict"] == verdict and {k: told[k] for k in more} == more
    assert said(OK, *ask).startswith(first)


def test_explain_shows_limits_and_what_is_asked(policy):
    policy.write_text(COACHED)
    ask = ["explain", policy, "--user", "ben", "--host", "forum.example"]
    text = said(OK, *ask, "--at", "2026-11-23")
    for piece in ("limits     30 minutes a day: not spent", "2 GB a day: not spent", "60 requests/min burst 9: not spent", "4 MB/s: slows",
                  "when spent the next rule decides"):
        assert piece in text
    limits = machine(OK, *ask)["rule"]["limits"]
    assert limits == {"minutes": 30, "bytes": 2000000000, "tunnels": None, "requests": {"count": 60, "seconds": 60, "burst": 9},
                      "bandwidth": 4000000, "warn": 80, "when_spent": "next", "grace_s": 90, "without_redis": "local"}
    text = said(OK, *ask, "--spent", "daily:minutes")
    for piece in ("its limit is spent", "accepting  holds for 90m; not accepted yet", "https://intranet.example/conduct", "casework", "advice"):
        assert piece in text
    told = machine(OK, *ask, "--spent", "daily:minutes")
    assert told["asked"]["spent"] == [{"rule": "daily", "limit": "minutes"}] and told["asked"]["acked"] == []
    assert told["rule"]["purposes"] == ["casework", "advice"] and told["rule"]["remember_s"] == 5400


@pytest.mark.parametrize("args, piece", [(["--acked", "none"], "no rule is named"), (["--acked", "daily"], "asks for no acknowledgement"),
                                         (["--spent", "web"], "no limit that could be spent"), (["--spent", "daily:hits"], "is no limit"),
                                         (["--spent", "daily:tunnels"], "does not limit tunnels"),
                                         (["--spent", "daily:bandwidth"], "never spent")])
def test_standings_that_cannot_be_are_2(policy, args, piece):
    policy.write_text(COACHED)
    assert piece in said(USAGE, "explain", policy, "--user", "ben", "--host", "forum.example", *args)


def test_groups_come_from_an_htgroup_file(folder, policy):
    groups = folder / "groups"
    groups.write_text("# who\ncomms: carl anna\nother: ben\n")
    ask = ["--host", "www.forum.example", "--at", MORNING, "--groups-file", groups]
    assert machine(OK, "explain", policy, "--user", "anna", *ask)["rule"]["name"] == "campaigns"
    told = machine(OK, "explain", policy, "--user", "ben", *ask)
    assert told["rule"]["name"] == "no-talk" and told["asked"]["groups"] == ["other"]
    groups.write_text("comms carl anna\n")
    assert f"{groups}:1: " in said(BAD_FILE, "explain", policy, "--user", "anna", *ask)
    said(BAD_FILE, "explain", policy, "--user", "anna", "--host", "x.example", "--groups-file", folder / "none")


@pytest.mark.parametrize("args", [[], ["--host", "a b"], ["--host", "x.example:0"], ["--host", "x.example", "--address", "10.1"],
                                  ["--host", "x.example", "--client", "here"], ["--host", "x.example", "--at", "noon"],
                                  ["--host", "x.example", "--group", "comms"], ["--host", "x.example", "--user", "a", "--no-login"]])
def test_questions_that_make_no_sense_are_2(policy, args):
    said(USAGE, "explain", policy, *args)


# --- test -------------------------------------------------------------------------------------------

def test_tables_pass_fail_and_count(folder, policy):
    good, bad, empty = folder / "good", folder / "bad", folder / "empty"
    good.write_text('# cases\nuser=ben host=www.forum.example at="2026-11-23 12:30" => allow rule=lunch\n'
                    'user=anna groups=comms host=www.forum.example => allow rule=campaigns\n')
    bad.write_text("user=ben host=x.example => deny\nuser=ben host=x.example => allow rule=web\n")
    empty.write_text("# nothing yet\n")
    assert said(OK, "test", policy, good) == "2 passed, 0 failed\n"
    text = said(FOUND, "test", policy, good, bad)
    assert f"{bad}:1:" in text and "3 passed, 1 failed" in text
    assert "no case" in said(FOUND, "test", policy, empty)
    said(BAD_FILE, "test", policy, folder / "none")
    told = machine(FOUND, "test", policy, good, bad)
    assert (told["passed"], told["failed"]) == (3, 1)
    assert [(t["passed"], t["failed"], len(t["failures"])) for t in told["tables"]] == [(2, 0, 0), (1, 1, 1)]
    assert machine(OK, "test", policy, good)["tables"][0]["failures"] == []
    broken = folder / "broken"
    broken.write_text("user=ben host=x.example => allow rule=web\nuser=ben hots=x.example => allow\n")
    text = said(BAD_FILE, "test", policy, good, broken)
    assert f"{broken}:2: \"hots=x.example\" is no part of a question" in text and "1 not understood" in text
    assert machine(BAD_FILE, "test", policy, broken)["wrong"] == 1


def test_a_time_that_the_clocks_skip_is_said(policy):
    args = ["explain", policy, "--user", "ben", "--host", "x.example", "--at"]
    assert "2026-03-29 02:00 Europe/London (the clocks skip" in said(OK, *args, "2026-03-29 01:30")
    assert "skip" not in said(OK, *args, "2026-03-29 02:30") and machine(OK, *args, "2026-03-29 01:30")["asked"]["at_skipped"] is True


# --- diff -------------------------------------------------------------------------------------------

def test_diff_says_whose_answers_change_where_and_when(folder, policy):
    new = folder / "new.cfg"
    new.write_text(GOOD.replace("Mon-Fri 12:00-14:00", "Mon-Fri 12:00-13:00; Sat 10:00-11:00").replace('"60/min"', '"30/min"')
                   .replace('{ name = "web"', '{ name = "no-hub"; roles = [ "comms" ]; to = [ "hub" ]; action = "deny"; },\n  { name = "web"'))
    text = said(FOUND, "diff", policy, new)
    assert "Mon-Fri 13:00-14:00\n      - allow by lunch (60 requests/min)\n      + deny by no-talk: \"Not outside lunch.\"\n" in text
    assert "Sat 10:00-11:00\n      - deny by no-talk" in text and "Mon-Fri 12:00-13:00\n      - allow by lunch (60 requests/min)\n" in text
    assert "group comms (comms, staff)\n  hub\n    always\n      - allow by web\n      + deny by no-hub\n" in text
    told = machine(FOUND, "diff", policy, new)
    assert (told["answers"], told["limits"], told["rules"]) == (3, 1, 0)
    assert [(c["change"], c["who"]["kind"], c["who"]["name"], [t["name"] for t in c["to"]], c["when"], c["old"]["verdict"], c["new"]["verdict"])
            for c in told["changes"]] == [
        ("limits", "anybody", None, ["forum"], "Mon-Fri 12:00-13:00", "allow", "allow"),
        ("answer", "anybody", None, ["forum"], "Mon-Fri 13:00-14:00", "allow", "deny"),
        ("answer", "anybody", None, ["forum"], "Sat 10:00-11:00", "deny", "allow"),
        ("answer", "group", "comms", ["hub"], "always", "allow", "deny")]


def test_no_difference_is_0_and_other_rules_are_shown_when_asked(folder, policy):
    assert said(OK, "diff", policy, policy).startswith("0 answers and 0 limits change\n")
    new = folder / "new.cfg"
    new.write_text(GOOD.replace('"web"', '"rest"').replace("Not outside lunch.", "Come at noon."))
    assert "--rules shows them" in said(OK, "diff", policy, new)
    text = said(FOUND, "diff", policy, new, "--rules")
    assert "- allow by web\n      + allow by rest\n" in text and '+ deny by no-talk: "Come at noon."' in text
    assert machine(OK, "diff", policy, new)["changes"] == []
    new.write_text(GOOD.replace("Europe/London", "Europe/Paris") + "tls_only = true;")
    told = machine(FOUND, "diff", policy, new)
    assert told["settings"] == [{"name": "zone", "old": "Europe/London", "new": "Europe/Paris"}, {"name": "tls_only", "old": "false", "new": "true"}]
    # noon in London is one o'clock in Paris; times are those of the new policy
    assert {(c["when"], c["new"]["verdict"]) for c in told["changes"] if c["who"]["kind"] == "anybody"} == {
        ("Mon-Fri 12:00-13:00", "allow"), ("Mon-Fri 14:00-15:00", "deny")}


def test_diff_with_a_bad_file_says_what_is_wrong_with_either(folder, policy):
    bad = folder / "bad.cfg"
    bad.write_text("rules = (")
    for pair in ((policy, bad), (bad, policy), (bad, bad)):
        p = run("diff", *pair)
        assert p.returncode == BAD_FILE and f"{bad}:1: " in p.stderr and p.stdout == ""


# --- service ----------------------------------------------------------------------------------------

def test_service_says_what_a_host_is(policy):
    assert said(OK, "service", "facebook.com", "www.youtube.com", "unknown.example").splitlines() == [
        "facebook.com\tfacebook\tcore\tpublic\tsocial", "www.youtube.com\tyoutube\tcore\tpublic\tvideo", "unknown.example\t-\t-\t-\t-"]
    assert said(OK, "service", "KHUB-static.example.", "--policy", policy) == "khub-static.example\thub\tcdn\texternal\tcollaboration\n"
    assert said(OK, "service", "notfacebook.com", "facebook.com.evil.example").count("\t-\t-\t-\t-\n") == 2
    said(USAGE, "service", "no host")


def test_service_json_has_one_shape(policy):
    told = machine(OK, "service", "khub.example", "unknown.example", "10.0.0.1", "--policy", policy)
    assert [list(h) for h in told["hosts"]] == [["host", "services", "categories"]] * 3
    assert told["hosts"][0] == {"host": "khub.example", "categories": ["collaboration"], "services": [
        {"service": "hub", "title": "Knowledge Hub", "part": "core", "zone": "external"}]}
    assert told["hosts"][1]["services"] == [] and told["hosts"][1]["categories"] == []


# --- passwd -----------------------------------------------------------------------------------------

crypt = ctypes.CDLL(ctypes.util.find_library("crypt")).crypt
crypt.restype = ctypes.c_char_p


def accepts(file, user, password):
    for line in file.read_text().splitlines():
        if line.startswith(user + ":"):
            stored = line[len(user) + 1:]
            return stored.startswith("$y$") and crypt(password.encode(), stored.encode()) == stored.encode()
    return False


def test_passwd_adds_and_changes_and_keeps_the_rest(folder):
    f = folder / "users"
    assert "added" in said(OK, "passwd", f, "anna", stdin="one two\n")
    assert stat.S_IMODE(f.stat().st_mode) == 0o600 and accepts(f, "anna", "one two")
    f.chmod(0o640)
    f.write_text("# accounts\n\nben:$2y$05$abcdefghijklmnopqrstuv\n" + f.read_text() + "annabel:x\n")
    before = f.read_text().splitlines()
    assert "changed" in said(OK, "passwd", f, "anna", stdin="three")
    after = f.read_text().splitlines()
    assert accepts(f, "anna", "three") and not accepts(f, "anna", "one two")
    assert [b for b in before if not b.startswith("anna:")] == [a for a in after if not a.startswith("anna:")]
    assert [i for i, l in enumerate(after) if l.startswith("anna:")] == [3]
    assert stat.S_IMODE(f.stat().st_mode) == 0o640
    assert sorted(p.name for p in folder.iterdir()) == ["users"]


def test_passwd_follows_a_link_and_keeps_it(folder):
    (folder / "real").write_text("")
    (folder / "link").symlink_to("real")
    said(OK, "passwd", folder / "link", "anna", stdin="x\n")
    assert (folder / "link").is_symlink() and accepts(folder / "real", "anna", "x")


@pytest.mark.parametrize("user", ["", "a:b", "a\nb", "a\tb", "x" * 129, "#anna", " anna", "anna "])
def test_names_that_no_login_can_carry_are_2(folder, user):
    said(USAGE, "passwd", folder / "users", user, stdin="x\n")
    assert not (folder / "users").exists()


@pytest.mark.parametrize("password", ["", "\n", "a\tb\n", "x" * 257 + "\n"])
def test_passwords_that_no_login_can_carry_are_1(folder, password):
    said(FOUND, "passwd", folder / "users", "anna", stdin=password)
    assert not (folder / "users").exists()


def test_a_file_that_holds_no_accounts_is_78_and_stays(folder):
    f = folder / "users"
    f.write_text("ben:x\nnot an account\n")
    assert f"{f}:2: " in said(BAD_FILE, "passwd", f, "anna", stdin="x\n")
    assert f.read_text() == "ben:x\nnot an account\n"
    said(FOUND, "passwd", folder / "none" / "users", "anna", stdin="x\n")


def test_changes_at_once_are_all_kept(folder):
    f = folder / "users"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: said(OK, "passwd", f, f"user{i}", stdin="x\n"), range(16)))
    assert len(f.read_text().splitlines()) == 16


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, *args, **env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(POLICY, ["stile-policy", *map(str, args)], dict(os.environ, **env))
        self.text = ""

    def wait_for(self, what, seconds=20):
        end = time.monotonic() + seconds
        while what not in self.text:
            assert time.monotonic() < end, self.text
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.fd, 4096).decode()
                except OSError:  # the other side is gone
                    break
        assert what in self.text, self.text

    def type(self, line):
        time.sleep(0.1)  # the prompt comes before the terminal falls silent
        os.write(self.fd, line.encode())

    def end(self):
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return status


def test_on_a_terminal_the_password_is_asked_twice_and_not_shown(folder):
    f = folder / "users"
    t = Terminal("passwd", f, "anna")
    t.wait_for("Password: ")
    t.type("secret\n")
    t.wait_for("Again: ")
    t.type("secret\n")
    t.wait_for("added")
    assert os.waitstatus_to_exitcode(t.end()) == OK and "secret" not in t.text and accepts(f, "anna", "secret")


def test_two_different_passwords_change_nothing(folder):
    t = Terminal("passwd", folder / "users", "anna")
    t.wait_for("Password: ")
    t.type("secret\n")
    t.wait_for("Again: ")
    t.type("sceret\n")
    t.wait_for("differ")
    assert os.waitstatus_to_exitcode(t.end()) == FOUND and not (folder / "users").exists()


def test_an_interrupt_ends_it_and_gives_the_echo_back(folder):
    import termios
    t = Terminal("passwd", folder / "users", "anna")
    t.wait_for("Password: ")
    t.type("\x03")
    t.wait_for("\n")
    deadline = time.monotonic() + 10
    while not termios.tcgetattr(t.fd)[3] & termios.ECHO:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert os.WIFSIGNALED(t.end()) and not (folder / "users").exists()


@pytest.mark.parametrize("env, colours", [({"TERM": "xterm", "NO_COLOR": ""}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False),
                                          ({"TERM": "dumb", "NO_COLOR": ""}, False)])
def test_colours_on_a_terminal_only_and_not_where_they_are_not_wanted(policy, env, colours):
    t = Terminal("check", policy, **env)
    t.wait_for("ok")
    t.wait_for("\n")
    assert os.waitstatus_to_exitcode(t.end()) == OK and ("\033[" in t.text) == colours
