"""Redis as an office runs it: TLS, a user for each purpose, the default user switched off; and every trouble with it is
said in words that name the remedy, while browsing goes on and nothing is lost."""
import json, os, pathlib, re, signal, subprocess, time, urllib.request
import pytest
from harness import Authority, Nginx, POLICY, PROXY, Process, REPORT, Redis, Stile, free_port, run, wait_for

ROLES = ("shipper", "report", "auditor", "retention")
SECRET = {r: f"{r}-s3cret-{os.getpid()}" for r in (*ROLES, "admin")}
DAY = time.strftime("%Y-%m-%d", time.gmtime())


def passwords(folder):
    d = pathlib.Path(folder) / "passwords"
    d.mkdir(exist_ok=True)
    for role, secret in SECRET.items():
        (d / role).write_text(secret + "\n")
        (d / role).chmod(0o600)
    return d


def acl(folder, *more, form="command"):
    d = passwords(folder)
    named = [a for r in ROLES for a in ("--password-file", f"{r}={d / r}")]
    return run(POLICY, "redis-acl", "--format", form, *named, *more).stdout


class Office(Process):
    """redis-server with TLS beside the plain port, and no way in but by users that were made."""

    def __init__(self, folder, authority, names=("localhost",), label="redis", more=()):
        self.folder = pathlib.Path(folder) / label
        self.folder.mkdir(exist_ok=True)
        self.port, self.tls, self.ca = free_port(), free_port(), authority.ca
        key, pem = authority.leaf(list(names), label)
        super().__init__(folder, label, [
            "redis-server", "--port", self.port, "--tls-port", self.tls, "--bind", "127.0.0.1", "--dir", self.folder, "--save", "",
            "--tls-cert-file", pem, "--tls-key-file", key, "--tls-ca-cert-file", authority.ca, "--tls-auth-clients", "no",
            "--enable-debug-command", "yes", "--user", "default", "off", "--user", "admin", "on", ">" + SECRET["admin"], "~*", "&*", "+@all", *more])
        self.url = f"rediss://localhost:{self.tls}/0"

    def start(self):
        super().start()
        wait_for("redis answers", lambda: self.cli("ping").stdout.strip() == "PONG")
        return self

    def cli(self, *words, user="admin", role=None, stdin=None):
        env = dict(os.environ, REDISCLI_AUTH=SECRET[role or user])
        return subprocess.run([str(w) for w in ("redis-cli", "--no-auth-warning", "--user", user, "-p", self.port, *words)],
                              capture_output=True, text=True, timeout=30, env=env, input=stdin)

    def make_users(self, lines):
        out = self.cli(stdin=lines).stdout
        assert out.split() == ["OK"] * len(lines.splitlines()), out

    def as_role(self, role, *words):
        return self.cli(*words, user=f"stile-{role}", role=role).stdout.strip()


def audit(folder, office, role="shipper", user="stile-shipper"):
    return f'redis_user = "{user}"; redis_password_file = "{passwords(folder) / role}"; redis_ca = "{office.ca}"; '


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def keep():
    running = []
    yield lambda p: running.append(p) or p
    for p in reversed(running):
        if p.p and p.p.poll() is None:
            p.p.send_signal(signal.SIGCONT)
        p.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    n = Nginx(tmp_path_factory.mktemp("origin")).start()
    yield n
    n.stop()


def browse(s, origin, n=1):
    for _ in range(n):
        assert s.curl(f"http://origin.example:{origin.http}/ok", user="anna")[0] == 200


def accesses(s):
    return sum(r.get("verdict") == "allow" for r in s.journal_records())


def shipped(office, node="test"):
    return sum(int(office.cli("xlen", k).stdout) for k in office.cli("keys", f"stile:{{{node}}}:log:*").stdout.split())


def all_shipped(s, count):
    """Everything in the journal is in Redis, and two looks after another see the same."""
    wait_for("all records are in Redis", lambda: count() == len(s.journal_records()) and count() > 0, 40)


# --- the lines of redis-acl -------------------------------------------------------------------------

def test_the_printed_lines_are_enough_for_proxy_report_and_auditor(tmp_path, keep, authority, origin):
    office = keep(Office(tmp_path, authority).start())
    office.make_users(acl(tmp_path))
    s = keep(Stile(tmp_path, names=["origin.example"], audit=audit(tmp_path, office)))
    text = s.config.read_text().replace('redis = ""', f'redis = "{office.url}"')
    s.config.write_text(text)
    s.start()
    browse(s, origin, 5)
    all_shipped(s, lambda: shipped(office))
    assert "warn" not in s.said() and "error" not in s.said(), s.said()

    report = s.config.with_name("report.cfg")
    report.write_text(text.replace("stile-shipper", "stile-report").replace("passwords/shipper", "passwords/report"))
    said = run(REPORT, "summary", "-c", report, "--json", "--from", DAY).stdout
    assert '"accesses": 5' in said or '"accesses":5' in said, said
    assert run(REPORT, "summary", "--redis", office.url, "--redis-user", "stile-report", "--redis-password-file", tmp_path / "passwords/report",
               "--redis-ca", office.ca, "--json", "--from", DAY).stdout.count("accesses") == said.count("accesses")
    assert run(REPORT, "denied", "-c", report, "--from", DAY, check=False).returncode == 0
    used = office.cli("info", "commandstats").stdout  # nothing was refused, for which reports would scan
    assert "cmdstat_hgetall:" in used and re.search(r"cmdstat_hlen:.*rejected_calls=0,", used), used
    for word in (["hget", f"stile:{{test}}:day:{DAY}", "f"], ["hset", f"stile:{{test}}:day:{DAY}", "f", "v"]):  # else it counts as versions before
        assert office.cli("acl", "dryrun", "stile-shipper", *word).stdout == "OK\n"

    log, tips = f"stile:{{test}}:log:{DAY}", "stile:{test}:tips"
    assert "c" in office.as_role("auditor", "xrange", log, "-", "+", "count", 1)
    assert ":" in office.as_role("auditor", "hgetall", tips)
    # what the shipper does to days that are too old, and who deletes by hand
    assert office.as_role("shipper", "zrangebylex", "stile:{test}:days", "[log:", f"(log:{DAY}z").split() == [f"log:{DAY}"]
    assert office.as_role("shipper", "unlink", "stile:{test}:min:2020-01-01") == "0"
    assert office.as_role("shipper", "zrem", "stile:{test}:days", "min:2020-01-01") == "0"
    assert office.as_role("retention", "smembers", "stile:nodes") == "test"
    assert f"log:{DAY}" in office.as_role("retention", "zrange", "stile:{test}:days", 0, -1).split()
    assert office.as_role("retention", "unlink", log) == "1"

    refused = [("shipper", "del", tips), ("shipper", "unlink", tips), ("shipper", "unlink", "stile:{test}:id"), ("shipper", "xtrim", log, "maxlen", 0),
               ("shipper", "xrange", log, "-", "+"), ("shipper", "hdel", f"stile:{{test}}:day:{DAY}", "a"), ("shipper", "get", "other"),
               ("shipper", "srem", "stile:nodes", "test"), ("shipper", "keys", "*"), ("shipper", "flushall"), ("shipper", "config", "get", "*"),
               ("report", "hset", f"stile:{{test}}:day:{DAY}", "a", 1), ("report", "get", "stile:{test}:id"), ("report", "unlink", log),
               ("report", "keys", "*"), ("auditor", "hset", tips, "a", 1), ("auditor", "unlink", log), ("auditor", "get", "other"),
               ("retention", "xrange", log, "-", "+"), ("retention", "unlink", tips), ("retention", "hgetall", f"stile:{{test}}:day:{DAY}")]
    for role, *words in refused:
        assert "NOPERM" in office.as_role(role, *words), (role, words)
    assert "WRONGPASS" in office.cli("ping", user="default", role="admin").stderr + office.cli("ping", user="default", role="admin").stdout


def test_a_shipper_of_one_node_cannot_write_for_another(tmp_path, keep, authority):
    office = keep(Office(tmp_path, authority).start())
    lines = acl(tmp_path, "--node", "edge1", "--node", "edge2", "--prefix", "x-")
    assert [l.split()[2] for l in lines.splitlines()] == ["x-shipper-edge1", "x-shipper-edge2", "x-report", "x-auditor", "x-retention"]
    office.make_users(lines)
    as_edge1 = lambda *w: office.cli(*w, user="x-shipper-edge1", role="shipper").stdout.strip()
    assert as_edge1("set", "stile:{edge1}:id", "1") == "OK"
    assert "NOPERM" in as_edge1("set", "stile:{edge2}:id", "1")
    assert "NOPERM" in as_edge1("xadd", f"stile:{{edge2}}:log:{DAY}", "*", "c", "x")
    # totals of the others are read, nothing else of theirs, and never written
    for words in (("xread", "count", 1, "streams", "stile:{edge2}:standing", "0-0"), ("xrevrange", "stile:{edge2}:standing", "+", "-", "count", 1)):
        assert as_edge1(*words) == "", words
    assert as_edge1("hscan", f"stile:{{edge2}}:standing:{DAY}", 0) == "0"
    assert as_edge1("xadd", "stile:{edge1}:standing", "*", "r", "1") != "" and as_edge1("expire", "stile:{edge1}:standing", 9) == "1"
    assert as_edge1("hset", f"stile:{{edge1}}:standing:{DAY}", "a", "b") == "1"
    for words in (("xadd", "stile:{edge2}:standing", "*", "r", "1"), ("hset", f"stile:{{edge2}}:standing:{DAY}", "a", "b"),
                  ("expire", "stile:{edge2}:standing", 1), ("del", "stile:{edge2}:standing"), ("hscan", f"stile:{{edge2}}:day:{DAY}", 0),
                  ("xread", "streams", f"stile:{{edge2}}:log:{DAY}", "0-0"), ("xrevrange", f"stile:{{edge2}}:log:{DAY}", "+", "-")):
        assert "NOPERM" in as_edge1(*words), words


def test_the_aclfile_is_what_redis_loads(tmp_path, keep, authority):
    file = tmp_path / "users.acl"
    file.write_text(acl(tmp_path, form="aclfile") + f"user admin on >{SECRET['admin']} ~* &* +@all\nuser default off\n")
    office = Office(tmp_path, authority)
    office.argv = office.argv[:office.argv.index("--user")] + ["--aclfile", str(file)]
    keep(office.start())
    assert "stile-retention" in office.cli("acl", "users").stdout
    assert office.as_role("shipper", "set", "stile:{a}:id", "1") == "OK"


def test_no_password_is_printed_and_a_role_without_one_is_said(tmp_path):
    r = run(POLICY, "redis-acl", "--password-file", f"shipper={passwords(tmp_path) / 'shipper'}")
    assert SECRET["shipper"] not in r.stdout + r.stderr and "#" in r.stdout.splitlines()[0]
    assert "report has no password" in r.stderr and "shipper has" not in r.stderr
    for wrong in (["--node", "a b"], ["--prefix", "a b"], ["--password-file", "nobody=x"], ["--password-file", "shipper"], ["--format", "xml"], ["--role", "x"]):
        assert run(POLICY, "redis-acl", *wrong, check=False).returncode == 2, wrong
    assert run(POLICY, "redis-acl", "--password-file", f"shipper={tmp_path}/none", check=False).returncode == 78


# --- who holds the credentials ----------------------------------------------------------------------

def memory_has(pid, needle):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, mode = line.split()[:2]
            if not mode.startswith("r") or "[v" in line:
                continue
            a, b = (int(x, 16) for x in span.split("-"))
            if b - a > 1 << 28:  # a sanitizer's shadow: terabytes of nothing
                continue
            try:
                mem.seek(a)
                if needle in mem.read(b - a):
                    return True
            except (OSError, ValueError, OverflowError):
                pass
    return False


@pytest.mark.parametrize("way", ["file", "url"])
def test_workers_hold_no_credentials(tmp_path, keep, authority, origin, way):
    office = keep(Office(tmp_path, authority).start())
    office.make_users(acl(tmp_path))
    s = keep(Stile(tmp_path, names=["origin.example"], audit=audit(tmp_path, office) if way == "file" else f'redis_ca = "{office.ca}";'))
    url = office.url if way == "file" else office.url.replace("//", f"//stile-shipper:{SECRET['shipper']}@")
    s.config.write_text(s.config.read_text().replace('redis = ""', f'redis = "{url}"'))
    s.start()
    browse(s, origin)
    s.reload()
    browse(s, origin)
    all_shipped(s, lambda: shipped(office))
    children = s.children()
    assert memory_has(children["shipper"][0], SECRET["shipper"].encode())
    for worker in children["worker"]:
        for secret in (SECRET["shipper"], "stile-shipper"):
            assert not memory_has(worker, secret.encode())
    assert SECRET["shipper"] not in s.text()


# --- what is wrong with the configuration -----------------------------------------------------------

@pytest.mark.parametrize("redis, more, code, words", [
    ("redis://localhost/0", 'redis_password_file = "{d}/open";', 0, r"open: .*\[mode\].*mode 0644\): chmod 600"),
    ("redis://localhost/0", 'redis_password_file = "{d}/none";', 78, "none: .*No such file"),
    ("redis://localhost/0", 'redis_password_file = "{d}/two";', 78, "expected one line of 1-255 bytes"),
    ("redis://localhost/0", 'redis_password_file = "{d}/empty";', 78, "expected one line of 1-255 bytes"),
    ("redis://localhost/0", 'redis_user = "x";', 78, "a user of Redis is named, but no password"),
    ("redis://localhost/0", 'redis_ca = "{d}/ca";', 78, "does not begin with rediss://"),
    ("rediss://localhost/0", "", 78, "rediss:// needs redis_ca"),
    ("rediss://localhost/0", 'redis_ca = "{d}/two";', 78, "expected certificates in PEM form"),
    ("http://localhost/0", "", 78, "not a Redis address"),
])
def test_what_is_wrong_is_found_before_the_start(tmp_path, redis, more, code, words):
    for name, text, mode in (("open", "geheim\n", 0o644), ("two", "a\nb\n", 0o600), ("empty", "\n", 0o600), ("ca", "x", 0o600)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    s = Stile(tmp_path, users=(), audit=more.replace("{d}", str(tmp_path)))
    s.config.write_text(s.config.read_text().replace('redis = ""', f'redis = "{redis}"'))
    r = run(PROXY, "-c", s.config, "-t", check=False)
    assert r.returncode == code and re.search(words, r.stderr), (r.returncode, r.stderr)
    assert "geheim" not in r.stderr
    if code:
        r = run(REPORT, "summary", "-c", s.config, check=False)
        assert r.returncode == 78 and re.search(words, r.stderr), (r.returncode, r.stderr)


# --- trouble ----------------------------------------------------------------------------------------

def said(s, *words):
    wait_for(f"{words}:\n{s.text()}", lambda: all(w in s.said() for w in words), 30)


def test_a_wrong_password_is_said_and_a_reload_with_the_right_one_helps(tmp_path, keep, authority, origin):
    office = keep(Office(tmp_path, authority).start())
    office.make_users(acl(tmp_path))
    s = keep(Stile(tmp_path, names=["origin.example"], audit=audit(tmp_path, office)))
    s.config.write_text(s.config.read_text().replace('redis = ""', f'redis = "{office.url}"'))
    (tmp_path / "passwords/shipper").write_text("wrong-one\n")
    s.start()
    said(s, "WRONGPASS", "check redis_user and redis_password_file", "then reload")
    browse(s, origin, 3)
    assert shipped(office) == 0 and "wrong-one" not in s.text()
    passwords(tmp_path)
    s.reload()
    said(s, "takes records again")
    all_shipped(s, lambda: shipped(office))


@pytest.mark.parametrize("trouble", ["authority", "name"])
def test_a_server_that_cannot_prove_itself_gets_nothing(tmp_path, keep, authority, origin, trouble):
    (tmp_path / "others").mkdir()
    other = Authority(tmp_path / "others")
    office = keep(Office(tmp_path, authority, names=("localhost",) if trouble == "authority" else ("redis.example",)).start())
    office.make_users(acl(tmp_path))
    ca = other.ca if trouble == "authority" else authority.ca
    s = keep(Stile(tmp_path, names=["origin.example"], audit=audit(tmp_path, office).replace(str(office.ca), str(ca))))
    s.config.write_text(s.config.read_text().replace('redis = ""', f'redis = "{office.url}"'))
    s.start()
    said(s, "certificate of localhost is not accepted", *(
        ["redis_ca must hold the certificate"] if trouble == "authority" else ["must carry the name or address"]))
    browse(s, origin)
    assert shipped(office) == 0
    if trouble == "authority":
        s.config.write_text(s.config.read_text().replace(str(other.ca), str(authority.ca)))
        s.reload()
        all_shipped(s, lambda: shipped(office))


class Plain(Redis):
    def __init__(self, folder, label, *more):
        (pathlib.Path(folder) / label).mkdir(exist_ok=True)
        super().__init__(pathlib.Path(folder) / label)
        self.argv += [str(m) for m in more]

    def count(self):
        return len(self.records())


TROUBLES = {  # how it begins, how it ends, what is said; the cause is the first word of the name
    "memory": (lambda r: r.cli("config", "set", "maxmemory", "1"), lambda r: r.cli("config", "set", "maxmemory", "0"), ["OOM", "raise maxmemory of Redis"]),
    "acl": (lambda r: r.cli("acl", "setuser", "default", "-sadd"), lambda r: r.cli("acl", "setuser", "default", "+sadd"),
            ["NOPERM", "stile-policy redis-acl prints"]),
    "acl in-script": (lambda r: r.cli("acl", "setuser", "default", "-xadd"), lambda r: r.cli("acl", "setuser", "default", "+xadd"),
                          ["stile-policy redis-acl prints"]),
    "slow": (lambda r: subprocess.Popen(["redis-cli", "-p", str(r.port), "debug", "sleep", "8"], stdout=subprocess.DEVNULL), lambda r: None,
             ["no answer within 5000 ms", "SLOWLOG"]),
    "slow stopped": (lambda r: r.p.send_signal(signal.SIGSTOP), lambda r: r.p.send_signal(signal.SIGCONT), ["no answer within 5000 ms", "stopped, overloaded"]),
    "unreachable": (lambda r: r.stop(), lambda r: r.start(), ["Connection refused", "is Redis running"]),
}


def metric(port, cause):
    page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    return int(re.search(rf'^stile_ship_troubles_total{{cause="{cause}"}} (\d+)$', page, re.M).group(1))


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_is_said_with_its_remedy_and_costs_no_record(tmp_path, keep, origin, trouble):
    begin, end, words = TROUBLES[trouble]
    redis = keep(Plain(tmp_path, "r").start())
    port = free_port()
    s = keep(Stile(tmp_path, redis=redis, names=["origin.example"], more=f'metrics = "127.0.0.1:{port}"; control = "{tmp_path}/c";').start())
    browse(s, origin, 2)
    all_shipped(s, redis.count)
    cause = trouble.split()[0]
    assert metric(port, cause) == 0
    begin(redis)
    browse(s, origin, 3)
    said(s, *words)
    wait_for("the metrics tell the cause", lambda: metric(port, cause) > 0)
    shipper = json.loads(run(PROXY, "ctl", "-c", s.config, "status", "--json").stdout)["shipper"]
    assert shipper["cause"] == cause and words[-1] in shipper["trouble"]
    browse(s, origin)
    end(redis)
    said(s, "takes records again")
    all_shipped(s, redis.count) if trouble != "unreachable" else wait_for("records are shipped", lambda: redis.count() > 0)
    assert accesses(s) == 6


def test_a_replica_is_refused_until_it_is_the_primary(tmp_path, keep, origin):
    primary = keep(Plain(tmp_path, "primary").start())
    replica = keep(Plain(tmp_path, "replica", "--replicaof", f"127.0.0.1 {primary.port}"))
    replica.start()
    wait_for("the replica is in step", lambda: "master_link_status:up" in replica.cli("info", "replication").stdout)
    s = keep(Stile(tmp_path, redis=replica, names=["origin.example"]).start())
    said(s, "READONLY", "this is a replica: audit.redis must name the primary")
    browse(s, origin, 2)
    replica.cli("replicaof", "no", "one")
    said(s, "takes records again")
    all_shipped(s, replica.count)


def test_a_redis_that_still_loads_is_waited_for(tmp_path, keep, origin):
    first = Plain(tmp_path, "r")
    first.start()
    first.cli("debug", "populate", "3000", "k", "100")
    first.cli("save")
    first.stop()
    redis = keep(Plain(tmp_path, "r", "--key-load-delay", 2000, "--loading-process-events-interval-bytes", 1024))
    redis.port = first.port
    redis.argv[redis.argv.index("--port") + 1] = str(first.port)
    redis.url = first.url
    Process.start(redis)
    wait_for("redis is loading", lambda: "LOADING" in redis.cli("get", "x", check=False).stdout)
    s = keep(Stile(tmp_path, redis=redis, names=["origin.example"]).start())
    said(s, "LOADING", "this passes by itself")
    browse(s, origin, 2)
    said(s, "takes records again")
    all_shipped(s, redis.count)
