"""Too many: connections in all, of one client, and more than descriptors allow. Others are served, and nothing is lost."""
import resource, threading
import pytest
from harness import *

NAMES = ["www.origin.example"]
MORE = 'timeouts = { head = "30s"; keep_alive = "60s"; drain = "1s"; }; metrics = "127.0.0.1:%d";'


def proxy(folder, started, limits="", workers=2, nofile=None, **more):
    metrics = free_port()
    s = Stile(folder, names=NAMES, users=(), workers=workers, policy=POLICY_TEXT.replace('roles = ["staff"]; to', "to"),
              more=MORE % metrics + (f"limits = {{ {limits} }};" if limits else ""), **more)
    if nofile:
        s.more["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))
    s.metrics, s.origin = metrics, started(Nginx(folder))
    return s


def metric(s, name):
    page = run("curl", "-sS", f"http://127.0.0.1:{s.metrics}/metrics").stdout
    return sum(float(v) for v in re.findall(rf"^{re.escape(name)} (\S+)$", page, re.M))


def dial(s, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", s.port), timeout=20, source_address=(source, 0))


def request(s):
    host = f"www.origin.example:{s.origin.http}"
    return f"GET http://{host}/ok HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def ask(s, source="127.0.0.1", c=None):
    """Status of a request; 0 where the connection is closed without an answer."""
    with c or dial(s, source) as c:
        try:
            c.sendall(request(s))
            return status_of(c.recv(4096).decode())
        except (ConnectionResetError, BrokenPipeError):
            return 0


def test_connections_in_all(folder, started):
    s = started(proxy(folder, started, "connections = 10;"))
    held = [dial(s, f"127.0.0.{i + 1}") for i in range(10)]
    wait_for("all are taken", lambda: metric(s, "stile_connections_open") == 10)
    c = dial(s)
    head = c.recv(4096).decode()
    assert status_of(head) == 503 and "Retry-After:" in head and "error=connection_limit_reached" in head
    assert c.recv(1) == b""
    assert metric(s, 'stile_connections_dropped_total{reason="connections"}') == 1
    for n, c in enumerate(held):
        if n % 2:
            c.close()
    wait_for("there is room", lambda: metric(s, "stile_connections_open") == 5)
    assert ask(s) == 200
    for c in held[::2]:  # who was in is served as ever
        assert ask(s, c=c) == 200
    # a reload takes another limit, without a restart
    s.config.write_text(s.config.read_text().replace("connections = 10", "connections = 0"))
    s.reload()
    held = [dial(s) for _ in range(30)]
    assert ask(s) == 200
    assert metric(s, 'stile_connections_dropped_total{reason="connections"}') == 1


def test_connections_of_one_client(folder, started):
    s = proxy(folder, started, "per_client = 4;")
    told = free_port()
    s.config.write_text(s.config.read_text().replace(
        "listen = (", f'listen = ( {{ address = "127.0.0.1:{told}"; proxy_protocol = [ "127.0.0.1" ]; }},', 1))
    started(s)
    held = [dial(s, "127.0.0.7") for _ in range(4)]
    wait_for("all are taken", lambda: metric(s, "stile_connections_open") == 4)
    assert ask(s, "127.0.0.7") == 503
    assert metric(s, 'stile_connections_dropped_total{reason="per-client"}') == 1
    assert ask(s, "127.0.0.8") == 200, "another client is not in the way"
    # behind a balancer the client that is told is counted, not the balancer
    behind = []
    for client, n in (("127.0.0.7", 1), ("127.0.0.20", 4), ("127.0.0.21", 4)):
        for _ in range(n):
            c = socket.create_connection(("127.0.0.1", told), timeout=20)
            c.sendall(f"PROXY TCP4 {client} 127.0.0.1 40000 3128\r\n".encode())
            behind.append(c)
    assert status_of(behind[0].recv(4096).decode()) == 503
    for c in behind[1:]:
        c.sendall(request(s))
        assert status_of(c.recv(4096).decode()) == 200
    for c in held + behind:
        c.close()
    wait_for("they are gone", lambda: metric(s, "stile_connections_open") == 0)
    assert [ask(s, "127.0.0.7") for _ in range(8)] == [200] * 8, "each that ended is counted off"
    # a worker that dies takes its counts with it
    wait_for("they are gone", lambda: metric(s, "stile_connections_open") == 0)
    held = [dial(s, "127.0.0.7") for _ in range(4)]
    wait_for("all are taken", lambda: metric(s, "stile_connections_open") == 4)
    for pid in s.children()["worker"]:
        os.kill(pid, signal.SIGKILL)
    wait_for("successors serve", lambda: len(s.children().get("worker", [])) == 2 and ask(s, "127.0.0.7") == 200)
    for c in held:
        c.close()


def tunnel(s, source):
    """A tunnel that has carried a request, or None where the answer is no."""
    host = f"www.origin.example:{s.origin.http}"
    c = dial(s, source)
    c.sendall(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return c


def worked(s, c):
    c.sendall(f"GET /ok HTTP/1.1\r\nHost: www.origin.example:{s.origin.http}\r\n\r\n".encode())
    return c.recv(4096).startswith(b"HTTP/1.1 200")


def ticks(pid):
    return sum(int(x) for x in pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])


def test_all_who_came_at_once_are_taken(folder, started):
    """More than are accepted in one turn, and nobody else comes whose arrival would be told of."""
    s = started(proxy(folder, started, workers=1))
    worker = s.children()["worker"][0]
    assert ask(s) == 200
    os.kill(worker, signal.SIGSTOP)
    waiting = [tunnel(s, f"127.0.1.{1 + i % 5}") for i in range(300)]
    os.kill(worker, signal.SIGCONT)
    for c in waiting:
        assert status_of(c.recv(4096).decode()) == 200
        c.close()


def test_more_than_descriptors_allow(folder, started):
    s = proxy(folder, started, workers=1, nofile=256)
    room = (256 - 32 - 32 - 16 - 32) // 2  # proxy/descriptors.c
    room -= room // 64 + (room // 32 + 1) // 2  # a pipe, and origins' connections that wait
    started(s)
    worker = s.children()["worker"][0]
    many = [tunnel(s, f"127.0.1.{1 + i % 5}") for i in range(room + 30)]
    taken = many[:room]
    for c in taken:
        assert status_of(c.recv(4096).decode()) == 200
    assert metric(s, "stile_connections_open") == room
    assert max(int(f.name) for f in pathlib.Path(f"/proc/{worker}/fd").iterdir()) < 256 - 32, "the journal's are kept"
    # accepting pauses: no time is spent on those who wait, and those who are in are served
    before = ticks(worker)
    time.sleep(1.5)
    assert ticks(worker) - before < os.sysconf("SC_CLK_TCK") / 2
    pauses = metric(s, "stile_accept_pauses_total")
    assert pauses > 3 and "descriptors are short" in s.said() and s.said().count("descriptors are short") == 1
    assert all(worked(s, c) for c in taken)
    # what needs a descriptor of the worker works: a bundle, a list
    s.reload()
    assert "refused" not in s.said()
    listed = json.loads(run(PROXY, "ctl", "-c", s.config, "connections", "--json").stdout)
    assert len(listed["connections"] if isinstance(listed, dict) else listed) == room
    # without a restart: who leaves makes room for who waits
    for c in taken[:40]:
        c.close()
    for c in many[room:]:
        assert status_of(c.recv(4096).decode()) == 200 and worked(s, c)
    assert ask(s, "127.0.0.9") == 200
    assert worker == s.children()["worker"][0]
    for c in many:
        c.close()
    s.stop()
    records = s.journal_records()
    assert len([r for r in records if r["k"] == "access" and r["verdict"] == "allow"]) == len(many) + 1
    assert not [r for r in records if r.get("what") == "gap"]


def pipelined(s, c, n):
    """So many requests on one connection; True where each was answered 200."""
    c.sendall(request(s) * n)
    got = b""
    while got.count(b"HTTP/1.1 200") < n or not got.endswith(b"ok\n"):
        d = c.recv(65536)
        if not d:
            return False
        got += d
    return True


def test_a_segment_ends_while_descriptors_are_short(folder, started):
    """The journal's own are kept: the next segment is begun, and nothing is lost, though nobody else gets one."""
    s = proxy(folder, started, workers=1, nofile=256)
    started(s)
    asking = [dial(s, "127.0.2.1") for _ in range(4)]
    assert all(pipelined(s, c, 1) for c in asking)
    many = [tunnel(s, f"127.0.1.{1 + i % 5}") for i in range(130)]
    wait_for("descriptors are short", lambda: "descriptors are short" in s.said())
    segments = lambda: sorted((s.journal / "0").glob("*.jnl"))
    asked = 0
    while len(segments()) < 2:
        assert all(pipelined(s, c, 50) for c in asking)
        asked += 50 * len(asking)
    assert all(pipelined(s, c, 50) for c in asking), "it goes on in the next one"
    for c in asking + many:
        c.close()
    s.stop()
    records = s.journal_records()
    assert len([r for r in records if r["k"] == "access" and r["verdict"] == "allow"]) >= asked + 50 * len(asking)
    assert not [r for r in records if r.get("what") == "gap"]
    numbers = [r["seq_"] for r in records if r["writer_"] == "0"]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "one chain goes through both"


def test_one_client_cannot_take_all_descriptors(folder, started):
    """Half is the most that one address gets, whatever it does."""
    s = started(proxy(folder, started, workers=1, nofile=256))
    greedy = [dial(s, "127.0.0.66") for _ in range(300)]
    assert ask(s, "127.0.0.9") == 200
    assert metric(s, 'stile_connections_dropped_total{reason="per-client"}') > 100
    for c in greedy:
        c.close()
