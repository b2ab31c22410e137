"""What scenarios are made of: a private Redis, an nginx as origin, a certificate authority, and stile itself.

Everything listens on loopback ports that the system chooses, lives in the folder given, and is stopped by process id."""
import base64, json, os, pathlib, re, shutil, signal, socket, ssl, subprocess, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
os.environ["PATH"] += ":/usr/sbin:/sbin"  # where Debian has its servers, but no user's path
PROXY, POLICY, REPORT = BUILD / "stile-proxy", BUILD / "stile-policy", BUILD / "stile-report"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def loopbacks():
    """Addresses of loopback as nginx writes them; a container often has no IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
    except OSError:
        return ["127.0.0.1"]
    return ["127.0.0.1", "[::1]"]


def wait_for(what, condition, seconds=20, every=0.05):
    """Returns the first true value of condition(); fails with `what` when the time is over."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(every)


def listening(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


def run(*argv, check=True, timeout=120, **more):
    r = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=timeout, **more)
    if check and r.returncode != 0:
        raise AssertionError(f"{argv}: exit {r.returncode}\n{r.stdout}\n{r.stderr}")
    return r


class Process:
    """A server in the foreground, its output in a file."""

    def __init__(self, folder, name, argv, **more):
        self.log = pathlib.Path(folder) / f"{name}.log"
        self.name, self.argv, self.more, self.p = name, [str(a) for a in argv], more, None

    def start(self):
        self.since = len(self.text())
        with open(self.log, "ab") as out:
            self.p = subprocess.Popen(self.argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL, **self.more)
        return self

    def stop(self, sig=signal.SIGTERM, seconds=30):
        if self.p and self.p.poll() is None:
            self.p.send_signal(sig)
            try:
                self.p.wait(seconds)
            except subprocess.TimeoutExpired:
                self.p.kill()
                self.p.wait(5)
                raise AssertionError(f"{self.name} did not end within {seconds} s of signal {sig}\n{self.text()}")
        return self.p.returncode if self.p else None

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def said(self):
        """What it has printed since its last start."""
        return self.text()[self.since:]


class Redis(Process):
    def __init__(self, folder, persistent=False):
        self.folder = pathlib.Path(folder) / "redis"
        self.folder.mkdir(exist_ok=True)
        self.port = free_port()
        save = ["--appendonly", "yes", "--appendfsync", "always"] if persistent else ["--save", ""]
        super().__init__(folder, "redis", ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--dir", self.folder,
                                           "--enable-debug-command", "yes", *save])
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        super().start()
        wait_for("redis answers", lambda: self.cli("ping", check=False).stdout.strip() == "PONG")
        return self

    def cli(self, *words, check=True):
        return run("redis-cli", "-p", self.port, *words, check=check)

    def json(self, *words):
        return json.loads(self.cli("--json", *words).stdout)

    def each_record(self, node="test"):
        """The records of a node, each with its chain and seq, in the order they were stored; not all at once in memory."""
        for key in sorted(self.json("keys", f"stile:{{{node}}}:log:*")):
            since = "-"
            while batch := self.json("xrange", key, since, "+", "count", 20000):
                for _, fields in batch:
                    f = fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2]))
                    yield dict(json.loads(f["b"]), chain_=f["c"], seq_=int(f["s"]), hash_=f["h"], body_=f["b"])
                since = "(" + batch[-1][0]

    def records(self, node="test"):
        return list(self.each_record(node))


class Authority:
    """A certificate authority made with openssl, for origins of tests."""

    def __init__(self, folder):
        self.d = pathlib.Path(folder) / "ca"
        self.d.mkdir(exist_ok=True)
        self.ca = self.d / "ca.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", "/CN=stile test CA", "-keyout", self.d / "ca.key", "-out", self.ca)

    def leaf(self, names, label="origin"):
        key, csr, pem, ext = (self.d / f"{label}.{x}" for x in ("key", "csr", "pem", "ext"))
        ext.write_text("subjectAltName=" + ",".join(f"DNS:{n}" for n in names) + "\nextendedKeyUsage=serverAuth\n")
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={names[0]}",
            "-keyout", key, "-out", csr)
        run("openssl", "x509", "-req", "-in", csr, "-CA", self.ca, "-CAkey", self.d / "ca.key", "-CAcreateserial", "-days", "20",
            "-extfile", ext, "-out", pem)
        return key, pem


class Nginx(Process):
    """An origin: static files below `www`, PUT allowed below /put, http and https."""

    def __init__(self, folder, authority=None, names=("origin.example",)):
        d = pathlib.Path(folder) / "nginx"
        self.www = d / "www"
        (self.www / "put").mkdir(parents=True, exist_ok=True)
        for x in ("tmp",):
            (d / x).mkdir(exist_ok=True)
        self.http, self.https = free_port(), free_port()
        tls = ""
        if authority:
            key, pem = authority.leaf(list(names))
            tls = self.listen(self.https, " ssl") + f" ssl_certificate {pem}; ssl_certificate_key {key};"
        (d / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {d}/pid; error_log {d}/error.log warn; worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  types {{ text/html html; text/css css; text/javascript js; image/png png; }}
  access_log {d}/access.log; client_max_body_size 0; keepalive_requests 100000;
  client_body_temp_path {d}/tmp/b; proxy_temp_path {d}/tmp/p; fastcgi_temp_path {d}/tmp/f; uwsgi_temp_path {d}/tmp/u; scgi_temp_path {d}/tmp/s;
  server {{
    {self.listen(self.http)} {tls}
    root {self.www};
    location /put/ {{ dav_methods PUT DELETE; create_full_put_path on; }}
    location = /ok {{ return 200 "ok\\n"; }}
    location = /slow {{ limit_rate 65536; }}
  }}
}}
""")
        self.access = d / "access.log"
        super().__init__(folder, "nginx", ["nginx", "-p", d, "-c", d / "nginx.conf", "-e", d / "error.log"])

    @staticmethod
    def listen(port, more=""):
        return " ".join(f"listen {a}:{port}{more};" for a in loopbacks())

    def start(self):
        super().start()
        wait_for("nginx listens", lambda: listening(self.http))
        return self


POLICY_TEXT = """
zone = "UTC"; inside = [ "127.0.0.0/8", "::1/128" ]; ports = [ "80", "443", "1024-65535" ];
roles: { comms = { users = ["anna"]; }; kiosks = { networks = ["127.0.0.9/32"]; }; staff = { everyone = true; }; };
rules = (
  { name = "campaigns"; roles = ["comms"]; to = ["facebook"]; action = "allow"; purpose = "public campaigns"; owner = "Head of Communications"; },
  { name = "kiosk"; roles = ["kiosks"]; to = [".example"]; action = "allow"; purpose = "public terminals"; },
  { name = "no-social"; to = ["#social"]; action = "deny"; message = "Social media is open for communications."; },
  { name = "rest"; roles = ["staff"]; to = [".example", "127.0.0.0/8"]; action = "allow"; } );
"""


class Stile(Process):
    """The proxy with its folder; names are mapped to 127.0.0.1 by a hosts file."""

    def __init__(self, folder, policy=POLICY_TEXT, redis=None, users=("anna", "ben"), names=(), groups=None, workers=2, node="test",
                 more="", audit="", name="stile", port=None, journal=None):
        self.d = pathlib.Path(folder) / name
        self.d.mkdir(exist_ok=True)
        self.port, self.node = port or free_port(), node
        self.journal = journal or self.d / "journal"
        self.policy_file, self.config, self.hosts = self.d / "policy.cfg", self.d / "proxy.cfg", self.d / "hosts"
        self.policy_file.write_text(policy)
        self.map(names)
        identity = ""
        if users:
            for u in users:
                run(POLICY, "passwd", self.d / "users", u, input=f"{u}-secret\n")
            identity = f'users = "{self.d}/users"; '
        if groups:
            (self.d / "groups").write_text("".join(f"{g}: {' '.join(us)}\n" for g, us in groups.items()))
            identity += f'groups = "{self.d}/groups"; '
        self.config.write_text(f"""
listen = ( {{ address = "127.0.0.1:{self.port}"; }} );
workers = {workers};
policy = "{self.policy_file}";
{f'identity = {{ {identity} }};' if identity else ''}
resolver = {{ hosts = "{self.hosts}"; servers = [ "127.0.0.1@9" ]; timeout = "1s"; }};
audit = {{ node = "{node}"; journal = "{self.journal}"; redis = "{redis.url if redis else ''}"; {audit} }};
{more}
""")
        super().__init__(folder, name, [PROXY, "-c", self.config])

    def map(self, names, address="127.0.0.1"):
        self.hosts.write_text("".join(f"{address} {n}\n" for n in names))

    def start(self, seconds=30):
        super().start()
        wait_for(f"{self.name} is ready:\n{self.text()}",
                 lambda: "ready:" in self.said() or self.p.poll() is not None, seconds)
        assert self.p.poll() is None, f"{self.name} ended with {self.p.returncode}\n{self.text()}"
        return self

    def children(self):
        """Process ids by role: 'worker', 'shipper'."""
        out = {}
        for p in pathlib.Path("/proc").iterdir():
            if not p.name.isdigit():
                continue
            try:
                if int((p / "stat").read_text().rpartition(")")[2].split()[1]) == self.p.pid:
                    out.setdefault((p / "cmdline").read_bytes().split(b"\0")[1].decode(), []).append(int(p.name))
            except (OSError, IndexError):
                pass
        return out

    def reload(self):
        before = self.text().count("in force:") + self.text().count("refused")
        self.p.send_signal(signal.SIGHUP)
        wait_for("the reload is answered", lambda: self.text().count("in force:") + self.text().count("refused") > before)

    def curl(self, url, *more, user=None, source=None, check=False, timeout=120):
        """Returns (http status, CONNECT status, body) of curl through this proxy."""
        argv = ["curl", "-sS", "-m", str(timeout), "-x", f"http://127.0.0.1:{self.port}", "-w", "\n%{http_code} %{http_connect}"]
        if user:
            argv += ["--proxy-user", f"{user}:{user}-secret"]
        if source:
            argv += ["--interface", source]
        r = run(*argv, *more, url, check=check, timeout=timeout + 10)
        body, _, codes = r.stdout.rpartition("\n")
        code, _, connect = codes.partition(" ")
        return int(code or 0), int(connect or 0), body

    def journal_records(self):
        """All records of the journal, read by this file's own code from the documented format."""
        if self.p and self.p.poll() is None:
            time.sleep(0.1)  # they are in the outbox for 20 ms
        out = []
        for folder in sorted(self.journal.iterdir()):
            if not folder.is_dir():
                continue
            for segment in sorted(folder.glob("*.jnl")):
                chain = segment.name.split("-")[1]
                for line in segment.read_bytes().split(b"\n")[1:]:
                    if line:
                        seq, hash_, body = line.split(b" ", 2)
                        out.append(dict(json.loads(body), chain_=chain, seq_=int(seq), writer_=folder.name))
        return out


def basic(user):
    return "Proxy-Authorization: Basic " + base64.b64encode(f"{user}:{user}-secret".encode()).decode()


def connect(stile, authority, user=None, more="", timeout=20, listener=None):
    """A raw CONNECT; returns (socket, head text). listener: (port, TLS context) of another listener than the plain one."""
    port, tls = listener or (stile.port, None)
    s = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    if tls:
        s = tls.wrap_socket(s, server_hostname="proxy.example")
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"] + ([basic(user)] if user else []) + ([more] if more else [])
    s.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    head = b""
    while b"\r\n\r\n" not in head:
        d = s.recv(1)
        if not d:
            break
        head += d
    return s, head.decode("latin-1")


def status_of(head):
    m = re.match(r"HTTP/1\.1 (\d{3})", head)
    return int(m.group(1)) if m else 0
