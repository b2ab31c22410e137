"""Real clients through the proxy: curl, git, WebSocket; bytes arrive as they were sent, and each access has its records."""
import base64, hashlib, os, pathlib, socket, ssl, struct, threading
import pytest
from harness import *

NAMES = ["www.origin.example", "git.origin.example", "ws.origin.example"]


@pytest.fixture
def house(folder, started):
    """Origin with TLS, Redis, proxy; names mapped by resolver.hosts."""
    ca = Authority(folder)
    redis = started(Redis(folder))
    origin = started(Nginx(folder, ca, names=["*.origin.example"]))
    stile = started(Stile(folder, redis=redis, names=NAMES))
    return type("House", (), dict(ca=ca, redis=redis, origin=origin, stile=stile, folder=folder))


def shipped_pairs(house, n):
    """Waits until n allowed accesses and their ends are in Redis; returns (accesses, ends) by id."""
    def ready():
        rs = house.redis.records()
        a = [r for r in rs if r["k"] == "access" and r["verdict"] == "allow"]
        e = [r for r in rs if r["k"] == "end"]
        return (a, e) if len(a) >= n and len(e) >= n else None
    return wait_for(f"{n} accesses and ends in Redis", ready)


def test_curl_over_http_and_https(house):
    s, o = house.stile, house.origin
    (o.www / "page.txt").write_text("a page\n")
    code, _, body = s.curl(f"http://www.origin.example:{o.http}/page.txt", user="ben")
    assert (code, body) == (200, "a page\n")
    code, connect_code, body = s.curl(f"https://www.origin.example:{o.https}/page.txt", "--cacert", house.ca.ca, user="ben")
    assert (code, connect_code, body) == (200, 200, "a page\n")
    a, e = shipped_pairs(house, 2)
    assert sorted(r["proto"] for r in a) == ["connect", "http"]
    assert {r["to"] for r in a} == {"origin.example"} and {r["rule"] for r in a} == {"rest"}
    assert sorted(r["id"] for r in a) == sorted(r["id"] for r in e)
    assert {r["tls"] for r in e} == {"tls", None}
    assert all(len(r["user"]) == 24 and "ben" not in r["body_"] for r in a)


def test_a_hundred_megabytes_each_way_byte_for_byte(house):
    s, o = house.stile, house.origin
    big = house.folder / "big"
    with open(big, "wb") as f:
        for i in range(100):
            f.write(hashlib.sha256(str(i).encode()).digest() * 32768)
    want = hashlib.sha256(big.read_bytes()).hexdigest()
    for scheme, port in (("http", o.http), ("https", o.https)):
        url = f"{scheme}://www.origin.example:{port}/put/{scheme}"
        code, _, _ = s.curl(url, "--cacert", house.ca.ca, "-T", big, user="ben")
        assert code == 201
        assert hashlib.sha256((o.www / "put" / scheme).read_bytes()).hexdigest() == want
        back = house.folder / f"back-{scheme}"
        code, _, _ = s.curl(url, "--cacert", house.ca.ca, "-o", back, user="ben")
        assert code == 200
        assert hashlib.sha256(back.read_bytes()).hexdigest() == want
    # chunked upload: no length known beforehand
    code, _, _ = s.curl(f"http://www.origin.example:{o.http}/put/chunked", "-T", big, "-H", "Transfer-Encoding: chunked", user="ben")
    assert code == 201
    assert hashlib.sha256((o.www / "put" / "chunked").read_bytes()).hexdigest() == want
    a, e = shipped_pairs(house, 5)
    assert sum(r["up"] >= 100 << 20 for r in e) == 3 and sum(r["down"] >= 100 << 20 for r in e) == 2


def test_git_clone_over_https(house):
    d, o = house.folder, house.origin
    env = dict(os.environ, GIT_AUTHOR_NAME="t", GIT_AUTHOR_EMAIL="t@example", GIT_COMMITTER_NAME="t", GIT_COMMITTER_EMAIL="t@example",
               GIT_SSL_CAINFO=str(house.ca.ca), HOME=str(d), GIT_CONFIG_NOSYSTEM="1")
    src = d / "src"
    run("git", "init", "-q", src, env=env)
    for i in range(40):
        (src / f"f{i}").write_text(f"file {i}\n" * 1000)
    run("git", "-C", src, "add", ".", env=env)
    run("git", "-C", src, "commit", "-qm", "first", env=env)
    run("git", "clone", "-q", "--bare", src, o.www / "repo.git", env=env)
    run("git", "-C", o.www / "repo.git", "update-server-info", env=env)
    env["https_proxy"] = f"http://ben:ben-secret@127.0.0.1:{house.stile.port}"
    run("git", "clone", "-q", f"https://git.origin.example:{o.https}/repo.git", d / "copy", env=env)
    run("git", "-C", d / "copy", "fsck", "--full", env=env)
    assert (d / "copy" / "f39").read_text() == "file 39\n" * 1000


def test_parallel_transfers(house):
    s, o = house.stile, house.origin
    for i in range(40):
        (o.www / f"p{i}").write_bytes(os.urandom(200000))
    argv = []
    for i in range(40):
        scheme, port = (("http", o.http), ("https", o.https))[i % 2]
        argv += ["-o", house.folder / f"got{i}", f"{scheme}://www.origin.example:{port}/p{i}"]
    run("curl", "-sS", "-Z", "--parallel-max", "20", "-f", "--cacert", house.ca.ca, "-x", f"http://127.0.0.1:{s.port}", "--proxy-user", "ben:ben-secret", *argv)
    for i in range(40):
        assert (house.folder / f"got{i}").read_bytes() == (o.www / f"p{i}").read_bytes()


# --- WebSocket (RFC 6455) over TLS: an echo server of our own, as Debian packages none ---------------------------------------

MORE = 0x80  # with an opcode: this frame is not the last of its message (on the wire the bit means the opposite)


def frame(payload, mask=False, opcode=2):
    n = len(payload)
    head = bytes([0x80 ^ opcode])
    bit = 0x80 if mask else 0
    head += bytes([bit | n]) if n < 126 else bytes([bit | 126]) + struct.pack(">H", n) if n < 65536 else bytes([bit | 127]) + struct.pack(">Q", n)
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))


def exactly(s, n):
    out = b""
    while len(out) < n:
        d = s.recv(n - len(out))
        assert d, "closed early"
        out += d
    return out


def read_frame(s):
    head = exactly(s, 2)
    n = head[1] & 127
    n = struct.unpack(">H", exactly(s, 2))[0] if n == 126 else struct.unpack(">Q", exactly(s, 8))[0] if n == 127 else n
    key = exactly(s, 4) if head[1] & 0x80 else None
    data = exactly(s, n)
    opcode = (head[0] & 15) | (~head[0] & MORE)
    return opcode, bytes(b ^ key[i % 4] for i, b in enumerate(data)) if key else data


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


class EchoServer(threading.Thread):
    def __init__(self, context=None):
        super().__init__(daemon=True)
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port, self.context = self.sock.getsockname()[1], context
        self.start()

    def run(self):
        while True:
            s, _ = self.sock.accept()
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        s = self.context.wrap_socket(s, server_side=True) if self.context else s
        head = b""
        while b"\r\n\r\n" not in head:
            head += s.recv(4096)
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", head).group(1).decode()
        s.sendall(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept_of(key)}\r\n\r\n".encode())
        while True:
            op, data = read_frame(s)
            s.sendall(frame(data, opcode=op))
            if op == 8:
                return s.close()


def websocket_talk(s, host, target):
    key = base64.b64encode(os.urandom(16)).decode()
    s.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
              f"Sec-WebSocket-Version: 13\r\n{basic('ben')}\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += s.recv(1)
    assert head.startswith(b"HTTP/1.1 101") and accept_of(key).encode() in head
    for size in (0, 1, 125, 126, 65535, 65536, 1 << 20):
        data = os.urandom(size)
        s.sendall(frame(data, mask=True))
        assert read_frame(s) == (2, data)
    s.sendall(frame(b"", mask=True, opcode=8))
    assert read_frame(s)[0] == 8


def test_websocket_over_tls(house):
    key, pem = house.ca.leaf(["ws.origin.example"], "ws")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem, key)
    echo = EchoServer(server)
    raw, head = connect(house.stile, f"ws.origin.example:{echo.port}", "ben")
    assert status_of(head) == 200
    s = ssl.create_default_context(cafile=str(house.ca.ca)).wrap_socket(raw, server_hostname="ws.origin.example")
    websocket_talk(s, "ws.origin.example", "/chat")
    s.close()


def test_websocket_without_tls_upgrades_a_plain_request(house):
    echo = EchoServer()
    s = socket.create_connection(("127.0.0.1", house.stile.port), timeout=20)
    websocket_talk(s, "ws.origin.example", f"http://ws.origin.example:{echo.port}/chat")
    s.close()


def test_keep_alive_many_requests_on_one_connection(house):
    s, o = house.stile, house.origin
    url = f"http://www.origin.example:{o.http}/ok"
    r = run("curl", "-sS", "-x", f"http://127.0.0.1:{s.port}", "--proxy-user", "ben:ben-secret", "-w", "%{num_connects} %{http_code}\n", "-o", "/dev/null",
            *[x for _ in range(50) for x in (url, "-o", "/dev/null")][:-2])
    codes = [line.split() for line in r.stdout.strip().splitlines()]
    assert len(codes) == 50 and all(c == "200" for _, c in codes)
    assert sum(int(n) for n, _ in codes) <= 2  # one, and perhaps one more for the challenge
    shipped_pairs(house, 50)
