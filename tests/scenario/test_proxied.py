"""The PROXY protocol: the client that a named balancer tells of is the one that the policy meets; nobody else is believed."""
import struct
import pytest
from harness import *

NAMES = ["www.origin.example"]
TIMEOUTS = 'timeouts = { head = "2s"; drain = "1s"; }; metrics = "127.0.0.1:%d";'
KIOSK, STRANGER = "127.0.0.9", "127.0.0.8"  # the policy's role kiosks is the first one's network
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v1(client):
    return f"PROXY TCP4 {client} 127.0.0.1 40000 3128\r\n".encode()


def v2(client, command=0x21, tail=b""):
    block = socket.inet_aton(client) + socket.inet_aton("127.0.0.1") + struct.pack(">HH", 40000, 3128) + tail
    return SIGNATURE + bytes([command, 0x11]) + struct.pack(">H", len(block)) + block


@pytest.fixture
def proxy(folder, started):
    """Two listeners behind a balancer at 127.0.0.1: .port plain, .tls over TLS; .origin answers /ok."""
    ca = Authority(folder)
    key, pem = ca.leaf(["proxy.example"], "proxy")
    s = Stile(folder, names=NAMES, users=("ben",), workers=1, more=TIMEOUTS % free_port())
    s.metrics = int(re.search(r'metrics = "127.0.0.1:(\d+)"', s.config.read_text()).group(1))
    s.tls, s.ca, s.origin = free_port(), ca, started(Nginx(folder))
    named = 'proxy_protocol = [ "127.0.0.1", "192.0.2.0/24" ];'
    s.config.write_text(s.config.read_text().replace(
        f'address = "127.0.0.1:{s.port}"; }}', f'address = "127.0.0.1:{s.port}"; {named} }}, {{ address = "127.0.0.1:{s.tls}"; {named} '
        f'tls = {{ certificate = "{pem}"; key = "{key}"; }}; }}'))
    return started(s)


def dropped(s):
    page = run("curl", "-sS", f"http://127.0.0.1:{s.metrics}/metrics").stdout
    return int(re.search(r'^stile_connections_dropped_total\{reason="proxy-header"\} (\d+)$', page, re.M).group(1))


def request(s):
    return f"GET http://www.origin.example:{s.origin.http}/ok HTTP/1.1\r\nHost: www.origin.example:{s.origin.http}\r\n\r\n".encode()


def dial(s, source="127.0.0.1", port=None):
    return socket.create_connection(("127.0.0.1", port or s.port), timeout=20, source_address=(source, 0))


def status(c):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        d = c.recv(1)
        if not d:
            break
        head += d
    return status_of(head.decode())


def ask(s, header, source="127.0.0.1", pieces=0):
    """What a request behind that header is answered with; 0: the connection was closed."""
    with dial(s, source) as c:
        data = header + request(s)
        try:
            for at in range(0, len(data), pieces or len(data)):
                c.sendall(data[at:at + (pieces or len(data))])
                if pieces:
                    time.sleep(0.01)
            return status(c)
        except (ConnectionResetError, BrokenPipeError):
            return 0


def test_the_client_that_is_told_is_the_one_judged(proxy):
    for header in (v1, v2):
        assert ask(proxy, header(KIOSK)) == 200
        assert ask(proxy, header(STRANGER)) == 407
    assert ask(proxy, v2(KIOSK, tail=b"\x04\0\x03abc")) == 200, "extensions are passed over"
    assert ask(proxy, b"PROXY TCP6 ::ffff:127.0.0.9 ::1 40000 3128\r\n") == 200, "IPv4 in IPv6 is IPv4"
    assert dropped(proxy) == 0
    # where nobody is told of it is the balancer that asks, and nobody knows it
    for header in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN 127.0.0.9 127.0.0.1 1 2\r\n", v2(KIOSK, command=0x20)):
        assert ask(proxy, header) == 407


def test_pieces_make_no_difference(proxy):
    assert ask(proxy, v1(KIOSK), pieces=1) == 200
    assert ask(proxy, v2(KIOSK), pieces=5) == 200


def test_what_is_not_sound_ends_the_connection(proxy):
    bad = [b"", b"PROXY TCP4 127.0.0.9 127.0.0.1 40000\r\n", b"PROXY TCP4 127.0.0.300 127.0.0.1 1 2\r\n", b"PROXY " + b"x" * 200,
           SIGNATURE + b"\x21\x11\0\x04abcd", SIGNATURE + b"\x21\x11\xff\xff", SIGNATURE + b"\x31\x11\0\0", SIGNATURE + b"\x21\x31\0\0"]
    for n, header in enumerate(bad):
        assert ask(proxy, header) == 0, header
        assert dropped(proxy) == n + 1
    with dial(proxy) as c:  # half a header, and no more
        c.sendall(v1(KIOSK)[:20])
        start = time.monotonic()
        assert c.recv(1) == b"" and 1 < time.monotonic() - start < 15
    with dial(proxy) as c:
        c.sendall(v2(KIOSK)[:20])
        c.shutdown(socket.SHUT_WR)
        assert c.recv(1) == b""
    assert dropped(proxy) == len(bad) + 2
    with dial(proxy) as c:  # a balancer that looks whether we live, no trouble at all
        c.shutdown(socket.SHUT_WR)
        assert c.recv(1) == b""
    assert dropped(proxy) == len(bad) + 2
    assert proxy.said().count("are dropped") == 1, "said once in a while"
    assert not [x for x in proxy.journal_records() if x["k"] == "access" and x["verdict"] == "allow"]


def test_nobody_else_is_believed(proxy):
    for header in (v1, v2):
        assert ask(proxy, header(KIOSK), source=STRANGER) == 400
    assert ask(proxy, b"", source=STRANGER) == 407, "without a header it is a client like another"
    assert ask(proxy, b"", source=KIOSK) == 200
    assert ask(proxy, v1(KIOSK) + v1(KIOSK)) == 400, "a second one is the client's own word"


def test_it_comes_before_tls(proxy):
    context = ssl.create_default_context(cafile=proxy.ca.ca)
    for header, pieces, expected in ((v1(KIOSK), 0, 200), (v2(KIOSK), 7, 200), (v2(STRANGER), 0, 407)):
        c = dial(proxy, port=proxy.tls)
        for at in range(0, len(header), pieces or len(header)):
            c.sendall(header[at:at + (pieces or len(header))])
            time.sleep(0.01 if pieces else 0)
        t = context.wrap_socket(c, server_hostname="proxy.example")
        t.sendall(request(proxy))
        assert status(t) == expected
        t.close()
    with dial(proxy, port=proxy.tls) as c, pytest.raises((ssl.SSLError, ConnectionResetError)):
        context.wrap_socket(c, server_hostname="proxy.example")
    assert dropped(proxy) == 1


def test_waiting_for_a_header_costs_no_time(proxy):
    """Bytes of half a header that were looked at must not be told of again and again."""
    worker = proxy.children()["worker"][0]

    def ticks():
        return sum(int(x) for x in pathlib.Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[11:13])

    held = [dial(proxy) for _ in range(20)]
    for c in held:
        c.sendall(v1(KIOSK)[:30])
    time.sleep(0.2)
    before = ticks()
    time.sleep(1)
    assert ticks() - before < os.sysconf("SC_CLK_TCK") / 2
    for c in held:
        c.close()


def test_a_network_with_a_slip_is_refused(proxy):
    proxy.config.write_text(proxy.config.read_text().replace("192.0.2.0/24", "192.0.2.7/24"))
    r = run(PROXY, "-c", proxy.config, "-t", check=False)
    assert r.returncode == 78 and "proxy_protocol" in r.stderr
