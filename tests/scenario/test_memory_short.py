"""Allocations that fail at random in workers and shipper: nobody crashes, who got an answer has a record, and all is well afterwards."""
import collections, random, threading
import pytest
from harness import *

NAMES = ["www.origin.example", "b.example"]


def build():
    run("make", "-s", "-C", ROOT, f"BUILD={os.path.relpath(BUILD, ROOT)}", "faults", timeout=600)
    return BUILD / "faults/stile-proxy"


class Client(threading.Thread):
    """Asks in every way there is; counts what was answered, by the path that it asked for or the tunnel it had."""

    def __init__(self, s, origin, number, seconds):
        super().__init__()
        self.s, self.origin, self.number, self.until = s, origin, number, time.monotonic() + seconds
        self.served, self.others, self.random = 0, collections.Counter(), random.Random(number)

    def run(self):
        while time.monotonic() < self.until:
            try:
                status = self.random.choice([self.get, self.get, self.put, self.tunnel])()
            except OSError as e:
                status = type(e).__name__
            self.served += status == 200
            self.others[status] += status != 200

    def dial(self):
        return socket.create_connection(("127.0.0.1", self.s.port), timeout=20)

    def head(self, c):
        data = b""
        while b"\r\n\r\n" not in data:
            d = c.recv(4096)
            if not d:
                break
            data += d
        return status_of(data.decode("latin-1"))

    def ask(self, method, path, more="", body=b""):
        host = f"www.origin.example:{self.origin.http}"
        with self.dial() as c:
            c.sendall(f"{method} http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n{basic('ben')}\r\n{more}\r\n".encode() + body)
            return self.head(c)

    def get(self):
        return self.ask("GET", "/ok")

    def put(self):
        body = b"x" * self.random.choice([1, 5000, 300000])
        status = self.ask("PUT", f"/put/{self.number}", f"Content-Length: {len(body)}\r\n", body)
        return 200 if status in (201, 204) else status

    def tunnel(self):
        host = f"b.example:{self.origin.http}"
        with self.dial() as c:
            c.sendall(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{basic('ben')}\r\n\r\n".encode())
            status = self.head(c)
            if status == 200:
                c.sendall(b"GET /ok HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n")
                self.head(c)
            return status


@pytest.mark.parametrize("one_in", [300, 25])
def test_allocations_fail_at_random(folder, started, one_in):
    redis, origin = started(Redis(folder)), started(Nginx(folder))
    s = Stile(folder, redis=redis, names=NAMES, more='timeouts = { drain = "1s"; head = "3s"; stall = "3s"; };')
    s.argv[0] = str(build())
    s.more["env"] = dict(os.environ, STILE_FAIL_ALLOC=str(one_in))
    started(s)
    before = s.children()
    clients = [Client(s, origin, n, 8) for n in range(6)]
    for c in clients:
        c.start()
    for _ in range(6):
        time.sleep(1)
        s.p.send_signal(signal.SIGHUP)  # bundles, too, need memory: one that cannot be taken is refused
    for c in clients:
        c.join()
    after = s.children()
    assert after == before, "nobody died\n" + s.said()[-3000:]
    served, others = sum(c.served for c in clients), sum((c.others for c in clients), collections.Counter())
    assert served > 100 and sum(others.values()) > 3, (served, others)
    assert not others[400] and not others[407], "nobody is blamed for it"
    assert s.stop() == 0
    records = s.journal_records()
    given = [r for r in records if r["k"] == "access" and r["verdict"] == "allow"]
    print(f"one in {one_in}: {served} served, others {dict(others)}, {len(given)} accesses in the journal")
    assert len(given) >= served, "who was answered has a record"
    reasons = collections.Counter(r.get("reason") for r in records if r["k"] == "access")
    assert not {"no-address", "dns-failed", "dns-timeout"} & set(reasons), "names are in the hosts file: nothing is wrong with them"
    lost = sum(r["n"] for r in records if r.get("what") == "gap")
    assert len(given) + lost >= served
    # with memory again all that the journal has gets to Redis, once
    del s.more["env"]
    s.start()
    wait_for("Redis has all", lambda: len([r for r in redis.records() if r["k"] == "access" and r["verdict"] == "allow"]) == len(given), 30)
