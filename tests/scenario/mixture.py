"""A town's traffic in small: clients that are good, bad and unlucky, each doing a thing that ends within seconds, then a next one.

ACTS says what there is, how often, and how each may end; any other end is a finding. What good clients got is counted by name."""
import collections, http.client, random, ssl, threading, urllib.parse
from harness import *
from peer import Peer, Tunnel
from test_coach import fields_of
from test_portal import PORTAL
from test_wire import Origin, answer, exactly, get_head, length_of, request, reset, response, to_end

USERS = [f"u{i}" for i in range(10)]
GOOD = [f"g{i}.good.example" for i in range(40)]
NAMES = GOOD + ["www.facebook.com", "www.youtube.com", "www.instagram.com", "few.example", "wild.example"]
GUESSER, HASTY = "127.0.0.66", "127.0.0.67"
THREADS = 24
PAUSE = 0.35         # seconds between two acts of a client, at most twice as much


def policy(n):
    """Two that alternate: other words, another code of conduct, another size, the same answers to good clients."""
    odd = n % 2
    more = "".join(f'"x{i}.elsewhere.example", ' for i in range(400)) if odd else ""
    return f"""
zone = "UTC"; inside = [ "127.0.0.0/8" ]; ports = [ "80", "443", "1024-65535" ]; conduct = "Be kind, {odd}."; tls_only = true;
roles: {{ comms = {{ users = [{', '.join(f'"{u}"' for u in USERS[:5])}]; }}; staff = {{ everyone = true; }}; }};
rules = (
  {{ name = "good"; roles = ["staff"]; to = [".good.example"]; action = "allow"; record = "host"; opaque = true; purpose = "work {odd}";
    limits = {{ bytes = "1 TB"; minutes = 1440; }}; }},
  {{ name = "social"; roles = ["comms"]; to = ["facebook"]; action = "coach"; remember = "1m"; purposes = ["casework"]; }},
  {{ name = "few"; roles = ["staff"]; to = ["few.example"]; action = "allow"; limits = {{ requests = "20/min burst 5"; }}; }},
  {{ name = "no-social"; to = [{more}"#social", "youtube"]; action = "deny"; message = "Not here, {odd}."; }},
  {{ name = "rest"; roles = ["staff"]; to = [".example"]; action = "allow"; }} );
"""


def origin_script(o, s, n):
    """An http origin: what it does wrong stands in the path; /echo answers with as many bytes as it got, /get/N with N."""
    while head := get_head(s):
        path = head.split(b" ")[1].decode()
        if b"\r\nTransfer-Encoding:" in head:  # none of these bodies comes to its end
            to_end(s)
            return
        if path.startswith("/get/"):
            s.sendall(answer(b"x" * int(path[5:])))
        elif path == "/echo":
            s.sendall(answer(exactly(s, length_of(head))))
        elif path == "/stall":
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
            s.recv(1)
            return
        elif path == "/silent":
            s.recv(1)
            return
        elif path == "/break":
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
            return reset(s)
        elif path == "/babble":
            s.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 200)
        elif path == "/garbage":
            s.sendall(random.randbytes(3000) + b"\r\n\r\n")
        elif path == "/excess":
            s.sendall(answer(b"ok") + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")
        elif path == "/chunks":
            s.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")
        elif path == "/endless":
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")
            while True:
                s.sendall(b"x" * 65536)


class Town:
    """The origins, the ways into the proxy, and what came of it all. s is a proxy with .tls, .behind and .ca."""

    def __init__(self, s):
        self.s, self.peer, self.origin, self.dead = s, Peer().start(), Origin(origin_script, backlog=500), free_port()
        self.context = ssl.create_default_context(cafile=str(s.ca.ca))
        self.lock, self.stopping, self.threads = threading.Lock(), threading.Event(), []
        self.good, self.ends, self.findings = collections.Counter(), collections.Counter(), []

    def dial(self, way=None, source="127.0.0.1"):
        way = way or random.choice(["plain", "plain", "tls", "behind"])
        port = {"plain": self.s.port, "tls": self.s.tls, "behind": self.s.behind}[way]
        c = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))
        if way == "behind":
            c.sendall(b"PROXY TCP4 127.0.0.40 127.0.0.1 40000 3128\r\n")
        return self.context.wrap_socket(c, server_hostname="proxy.example") if way == "tls" else c

    def ask(self, *, source="127.0.0.1", way=None, **more):
        """Status of a request to the origin, its answer read to the end; "cut" where it is not whole."""
        with self.dial(way, source) as c:
            c.sendall(request(self.origin, **more))
            return self.whole(c)

    @staticmethod
    def whole(c):
        head, body = response(c)
        status = status_of(head.decode("latin-1"))
        return status if status and len(body) == length_of(head) else "cut"

    def got(self, name, n=1):
        with self.lock:
            self.good[name] += n

    def start(self):
        self.stopping.clear()
        self.threads = [threading.Thread(target=self.client) for _ in range(THREADS)]
        for t in self.threads:
            t.start()

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join(60)
            assert not t.is_alive()

    def client(self):
        weights = [a[0] for a in ACTS]
        while not self.stopping.wait(random.uniform(0, 2 * PAUSE)):
            _, act, allowed = random.choices(ACTS, weights)[0]
            try:
                end = act(self)
            except Exception as e:
                end = type(e).__name__
            with self.lock:
                self.ends[act.__name__, end] += 1
                if end not in allowed:
                    self.findings.append((act.__name__, end, time.strftime("%H:%M:%S")))


def login():
    return basic(random.choice(USERS)) + "\r\n"


def connect_to(t, c, authority, more=""):
    c.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{more}\r\n".encode())
    return status_of(get_head(c).decode("latin-1"))


# --- who behaves

def tunnel_of(t, name):
    """A Tunnel over any way into the proxy."""
    tunnel = Tunnel.__new__(Tunnel)
    tunnel.s, tunnel.up, tunnel.down = t.dial(), 0, 0
    tunnel.status = connect_to(t, tunnel.s, f"{name}:{t.peer.port}", login())
    return tunnel


def use_tunnel(t, work):
    name = random.choice(GOOD)
    tunnel = tunnel_of(t, name)
    try:
        if tunnel.status != 200:
            return tunnel.status
        work(tunnel)
        t.got(name)
        return "done"
    finally:
        tunnel.close()


def echoes(t):
    def work(tunnel):
        for _ in range(random.randrange(1, 8)):
            tunnel.put(random.randrange(3000)).get(random.randrange(1, 20000))
            time.sleep(random.uniform(0, 0.3))
    return use_tunnel(t, work)


def bulk(t):
    return use_tunnel(t, lambda tunnel: tunnel.get(2_000_000).put(500_000))


def kept(t):
    """Requests on a connection that is kept, some with bodies."""
    name, who = random.choice(GOOD), login()
    with t.dial() as c:
        for _ in range(random.randrange(1, 8)):
            n = random.randrange(30000)
            if random.random() < 0.5:
                c.sendall(request(t.origin, f"/get/{n}", host=name, more=who))
            else:
                c.sendall(request(t.origin, "/echo", "POST", host=name, more=f"{who}Content-Length: {n}\r\n") + b"y" * n)
            head, body = response(c)
            if not head.startswith(b"HTTP/1.1 200 ") or len(body) != n:
                return head[9:12].decode() or "cut"
            t.got(name)
            time.sleep(random.uniform(0, 0.3))
    return "done"


def pipelined(t):
    name, who = random.choice(GOOD), login()
    with t.dial() as c:
        c.sendall(b"".join(request(t.origin, f"/get/{n}", host=name, more=who) for n in range(1, 9)))
        for n in range(1, 9):
            head, body = response(c)
            if not head.startswith(b"HTTP/1.1 200 ") or len(body) != n:
                return head[9:12].decode() or "cut"
            t.got(name)
    return "done"


def portal(t):
    path = random.choice(["/", "/status.json", "/proxy.pac", "/why?host=www.facebook.com", "/why.json?host=g1.good.example"])
    with t.dial() as c:
        c.sendall(f"GET {PORTAL}{path} HTTP/1.1\r\nHost: stile.internal\r\n{login()}\r\n".encode())
        return t.whole(c)


def coached(t):
    """The form, then the word, then the host. 403: a reload came between, with another code of conduct, or nobody has accepted yet."""
    who = basic(random.choice(USERS[:5]))
    with t.dial() as c:
        def ask(method, path, more="", body=""):
            c.sendall(f"{method} {PORTAL}{path} HTTP/1.1\r\nHost: stile.internal\r\n{who}\r\n{more}\r\n{body}".encode())
            r = http.client.HTTPResponse(c, method=method)
            r.begin()
            return r.status, r.read().decode()
        status, page = ask("GET", "/coach?rule=social")
        if status != 200:
            return f"form {status}"
        if "You may go on" not in page:
            body = urllib.parse.urlencode(fields_of(page) | {"purpose": "casework"})
            status, _ = ask("POST", "/coach", f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n", body)
            if status not in (303, 403):
                return f"word {status}"
    return t.ask(path="/get/10", host="www.facebook.com", more=who + "\r\n")


# --- who is refused

def refused(t):
    host = random.choice(["www.youtube.com", "www.instagram.com"])
    if random.random() < 0.5:
        return t.ask(host=host, more=login())
    with t.dial() as c:
        return connect_to(t, c, f"{host}:443", login())


def nobody(t):
    return t.ask(host=random.choice(GOOD))


def guesses(t):
    """Wrong passwords: of a user who is there, until it is one too many, and of some who are not."""
    who = USERS[0] if random.random() < 0.5 else f"n{random.randrange(100000)}"
    word = base64.b64encode(f"{who}:{random.random()}".encode()).decode()
    return t.ask(host=GOOD[0], more=f"Proxy-Authorization: Basic {word}\r\n", source=GUESSER, way="plain")


def too_often(t):
    return t.ask(path="/get/5", host="few.example", more=login())


def not_tls(t):
    """A tunnel that is not what the rule wants."""
    with t.dial() as c:
        status = connect_to(t, c, f"wild.example:{t.peer.port}", login())
        if status != 200:
            return status
        c.sendall(random.choice([b"d 5\n", b"\x16\x03\x01\x00\xf0\x01\x00\x00\xec" + random.randbytes(236), b"\x16\x03\x01\x02\0\x01"]))
        return ended(c)


def dead_name(t):
    return t.ask(host=f"d{random.randrange(10**9)}.example", more=login())


def dead_port(t):
    with t.dial() as c:
        return connect_to(t, c, f"{random.choice(GOOD)}:{t.dead}", login())


# --- who means harm, or vanishes

def ended(c, limit=1 << 24):
    """Reads to the end: "ended", or "open" where none comes in time."""
    try:
        while limit > 0:
            d = c.recv(65536)
            if not d:
                return "ended"
            limit -= len(d)
        return "endless"
    except TimeoutError:
        return "open"
    except OSError:
        return "ended"


def sent(t, data, way=None, source="127.0.0.1"):
    """The status of what is said to these bytes, or how it ends."""
    with t.dial(way, source) as c:
        try:
            c.sendall(data)
            head = get_head(c)
        except TimeoutError:
            return "open"
        except OSError:
            return "ended"
        return status_of(head.decode("latin-1")) or "ended"


def slow_head(t):
    with t.dial(source=HASTY, way="plain") as c:
        c.sendall(request(t.origin, more=login())[:-2])
        for _ in range(40):
            try:
                c.send(b"X")
            except OSError:
                return "ended"
            if t.stopping.wait(0.25):
                return "left"
        return "open"


def half_heads(t):
    conns = [t.dial() for _ in range(6)]
    for c in conns:
        c.sendall(request(t.origin, more=login() + "X-Long: " + "y" * random.randrange(9000))[:-2])
    time.sleep(random.uniform(0, 1))
    for c in conns:
        random.choice([reset, socket.socket.close])(c)
    return "left"


def resets(t):
    name = f"wild.example:{t.peer.port}"
    tunnel = f"CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n{login()}\r\n".encode()
    ask = lambda path: request(t.origin, path, host="wild.example", more=login())
    moments = [b"", b"GET", ask("/get/5"), ask("/endless"), tunnel, tunnel + b"\x16\x03\x01", ask("/silent"),
               request(t.origin, "/echo", "POST", host="wild.example", more=login() + "Content-Length: 99999\r\n") + b"y" * 5000]
    for data in moments:
        c = t.dial()
        try:
            c.sendall(data)
            time.sleep(random.choice([0, 0.002, 0.05]))
        except OSError:
            pass
        reset(c)
    return "left"


def vanishes(t):
    """Asks for what has no end, reads nothing, says nothing."""
    with socket.socket() as c:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c.settimeout(20)
        c.connect(("127.0.0.1", t.s.port))
        c.sendall(request(t.origin, "/endless", host="wild.example", more=login()))
        t.stopping.wait(random.uniform(1, 6))
        return ended(c)


def too_large(t):
    return sent(t, request(t.origin, more=login() + "".join(f"X-{i}: {'y' * 900}\r\n" for i in range(60))))


BODIES = [b"zz\r\nhello\r\n0\r\n\r\n", b"5;" + b"e" * 9000, b"0" * 5000, b"5\r\nhelloXX0\r\n\r\n", b"0\r\n" + b"X-T: " + b"t" * 20000, b"-1\r\n"]


def chunked_garbage(t):
    return sent(t, request(t.origin, "/echo", "POST", host="wild.example", more=login() + "Transfer-Encoding: chunked\r\n")
                + random.choice(BODIES))


def two_lengths(t):
    more = random.choice(["Content-Length: 3\r\nContent-Length: 4\r\n", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
                          "Transfer-Encoding: xchunked\r\n", "Content-Length: +3\r\n", " folded\r\n", "A\0B: c\r\n"])
    return sent(t, request(t.origin, "/echo", "POST", host="wild.example", more=login() + more) + b"abc")


def garbage(t):
    return sent(t, b"\x7f" + random.randbytes(random.randrange(4000)) + b"\r\n\r\n", way="plain")


def garbage_for_tls(t):
    data = random.choice([random.randbytes(600), b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + random.randbytes(90)])
    with socket.create_connection(("127.0.0.1", t.s.tls), timeout=20) as c:
        c.sendall(data)
        return ended(c)


def garbage_for_proxied(t):
    data = random.choice([b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 127.0.0.300 127.0.0.1 1 2\r\n", b"PROXY " + b"x" * 200, b"PROXY TC",
                          b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", random.randbytes(300)])
    with socket.create_connection(("127.0.0.1", t.s.behind), timeout=20) as c:
        c.sendall(data)
        return ended(c)


def bad_origin(t):
    """The request is good, the origin is not."""
    path = random.choice(["/stall", "/silent", "/break", "/babble", "/garbage", "/excess", "/chunks"])
    with t.dial() as c:
        c.sendall(request(t.origin, path, host="wild.example", more=login()))
        try:
            head = get_head(c)
        except OSError:
            return "ended"
        status = status_of(head.decode("latin-1"))
        while status == 100:
            status = status_of(get_head(c).decode("latin-1"))
        ended(c)
        return status or "ended"


ANY_END = {"ended", 400, 408, 431, 413, 414, 501, 502}
ACTS = [
    (20, echoes, {"done"}), (3, bulk, {"done"}), (15, kept, {"done"}), (5, pipelined, {"done"}),
    (5, portal, {200}), (4, coached, {200, 403}),
    (6, refused, {403}), (4, nobody, {407}), (3, guesses, {407, 429}), (3, too_often, {200, 429}), (3, not_tls, {"ended"}),
    (3, dead_name, {502, 504}), (3, dead_port, {502, 503, 504}),
    (3, slow_head, {"ended", "left"}), (3, half_heads, {"left"}), (4, resets, {"left"}), (3, vanishes, {"ended", "endless"}),
    (3, too_large, {431, "ended"}), (3, chunked_garbage, ANY_END), (3, two_lengths, {400, 501, "ended"}), (3, garbage, ANY_END),
    (3, garbage_for_tls, {"ended"}), (3, garbage_for_proxied, {"ended"}), (5, bad_origin, {200, 502, 504, "ended"}),
]
