"""Names and those who answer for them: what is wrong is told apart, a server that changes its mind or lies leads nowhere else, and
silence, truncation and loops have their bounds. A scripted DNS server, over UDP and TCP."""
import socket, struct, threading
import pytest
from harness import *

A, CNAME, AAAA = 1, 5, 28


class Names:
    """Answers each question by `reply(question, type, n, tcp)`: None (silence), an rcode, or a list of (type, bytes) for the name."""

    def __init__(self, reply):
        self.reply, self.n, self.asked = reply, 0, []
        self.udp, self.tcp, self.port = self.one_port()
        threading.Thread(target=self.serve_udp, daemon=True).start()
        threading.Thread(target=self.serve_tcp, daemon=True).start()

    @staticmethod
    def one_port():
        """The same port for both, as the system has it free."""
        while True:
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.bind(("127.0.0.1", 0))
            port = udp.getsockname()[1]
            try:
                return udp, socket.create_server(("127.0.0.1", port)), port
            except OSError:
                udp.close()

    def answer(self, q, tcp):
        end, labels, at = q.index(b"\0", 12), [], 12
        while q[at]:
            labels.append(q[at + 1:at + 1 + q[at]].decode().lower())
            at += q[at] + 1
        name, (kind,) = ".".join(labels), struct.unpack(">H", q[end + 1:end + 3])
        self.n += 1
        self.asked.append((name, kind, tcp))
        got = self.reply(name, kind, self.n, tcp)
        if got is None:
            return None
        rcode, records, flags = (got, [], 0) if isinstance(got, int) else (0, got, 0)
        if records == "truncated":
            records, flags = [], 0x0200
        body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", k, 1, 1, len(d)) + d for k, d in records)
        return q[:2] + struct.pack(">HHHHH", 0x8180 | flags | rcode, 1, len(records), 0, 0) + q[12:end + 5] + body

    def serve_udp(self):
        while True:
            try:
                q, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            if (a := self.answer(q, False)) is not None:
                self.udp.sendto(a, peer)

    def serve_tcp(self):
        while True:
            try:
                s, _ = self.tcp.accept()
            except OSError:
                return
            s.settimeout(5)
            try:
                while head := s.recv(2):
                    a = self.answer(s.recv(struct.unpack(">H", head)[0]), True)
                    if a is not None:
                        s.sendall(struct.pack(">H", len(a)) + a)
            except OSError:
                pass
            s.close()


def v4(text):
    return (A, socket.inet_aton(text))


def name_of(text):
    return b"".join(bytes([len(l)]) + l.encode() for l in text.split(".")) + b"\0"


def proxy(folder, started, server, policy=None, timeout="2s"):
    s = Stile(folder, users=("ben",), workers=1, **({"policy": policy} if policy else {}))
    s.config.write_text(s.config.read_text().replace("127.0.0.1@9", f"127.0.0.1@{server.port}").replace('timeout = "1s"', f'timeout = "{timeout}"'))
    return started(s)


@pytest.mark.parametrize("reply, status, reason", [(3, 502, "no-address"), ([], 502, "no-address"), (2, 502, "dns-failed"), (None, 504, "dns-timeout"),
                                                   ("loop", 502, "dns-failed")], ids=["unknown", "empty", "servfail", "silent", "loop"])
def test_what_is_wrong_with_a_name_is_said(folder, started, reply, status, reason):
    s = proxy(folder, started, Names(lambda name, *_: [(CNAME, name_of("nowhere.example"))] if reply == "loop" else reply))
    began = time.monotonic()
    sock, head = connect(s, "nowhere.example:443", "ben")
    sock.close()
    assert time.monotonic() - began < 10
    assert status_of(head) == status and f"error={'dns_timeout' if status == 504 else 'dns_error'}" in head
    got = wait_for("the record", lambda: [r for r in s.journal_records() if r["k"] == "access" and r["verdict"] == "fail"])
    assert [r["reason"] for r in got] == [reason]


def test_more_names_than_can_be_looked_up_are_no_names_without_an_address(folder, started):
    s = proxy(folder, started, Names(lambda *_: None), timeout="30s")

    def looked_up():
        listed = json.loads(run(PROXY, "ctl", "-c", s.config, "connections", "--json").stdout)["connections"]
        return sum(c["state"] == "resolve" for c in listed)
    held = []
    for i in range(1024):
        held.append(socket.create_connection(("127.0.0.1", s.port), timeout=20))
        held[-1].sendall(f"CONNECT n{i}.example:443 HTTP/1.1\r\nHost: n{i}.example\r\n{basic('ben')}\r\n\r\n".encode())
    wait_for("all are looked up", lambda: looked_up() == 1024)
    sock, head = connect(s, "nowhere.example:443", "ben")
    sock.close()
    assert status_of(head) == 503 and "error=proxy_internal_error" in head and "Retry-After:" in head
    for c in held:
        c.close()
    got = wait_for("the record", lambda: [r for r in s.journal_records() if r["k"] == "access" and r["verdict"] == "fail"])
    assert [r["reason"] for r in got] == ["dns-busy"]


POLICY_INSIDE = """
zone = "UTC"; inside = [ "127.0.0.1/32" ]; ports = [ "80", "443", "1024-65535" ]; roles: { staff = { everyone = true; }; };
rules = ( { name = "own"; roles = ["staff"]; to = ["own.example"]; action = "allow"; }, { name = "web"; roles = ["staff"]; action = "allow"; } );
"""


def test_an_answer_that_was_cut_off_is_asked_for_over_tcp(folder, started):
    origin = started(Nginx(folder))
    names = Names(lambda name, kind, n, tcp: ([v4("127.0.0.1")] if tcp else "truncated") if kind == A else [])
    s = proxy(folder, started, names, POLICY_INSIDE)
    assert s.curl(f"http://own.example:{origin.http}/ok", user="ben")[0] == 200
    assert ("own.example", A, True) in names.asked


def test_a_name_that_turns_inwards_is_refused_whenever_it_does(folder, started):
    """Rebinding: judged is the address that is connected to. The name is public at first, inside later, and mixed at last."""
    now = {"at": [v4("192.0.2.1")]}
    origin = started(Nginx(folder))
    s = proxy(folder, started, Names(lambda name, kind, n, tcp: now["at"] if kind == A else []), POLICY_INSIDE)
    for addresses, good in (([v4("127.0.0.1")], False), ([v4("10.0.0.1"), v4("127.0.0.1")], False), ([v4("169.254.169.254")], False)):
        now["at"] = addresses
        time.sleep(1.2)  # the answers live a second
        sock, head = connect(s, f"turns.example:{origin.http}", "ben")
        sock.close()
        assert status_of(head) == 403, head
    # the rule that names the host opens the inside address, and only this one
    now["at"] = [v4("10.0.0.1"), v4("127.0.0.1")]
    assert s.curl(f"http://own.example:{origin.http}/ok", user="ben")[0] == 200
    refused = [r["reason"] for r in s.journal_records() if r["k"] == "access" and r["verdict"] == "deny"]
    assert refused and set(refused) <= {"inside", "special"}  # those of a minute are told together


def test_answers_of_no_use_do_no_harm(folder, started):
    """Sixty addresses, records of other types, an address of the wrong length, and nonsense instead of a message."""
    def reply(name, kind, n, tcp):
        if name.startswith("many"):
            return [v4(f"127.0.0.{i}") for i in range(2, 62)] + [v4("127.0.0.1")] if kind == A else []
        if name.startswith("odd"):
            return [(16, b"\x04text"), (A, b"\x7f\x00\x00"), v4("127.0.0.1")] if kind == A else [(AAAA, b"\0" * 3)]
        return [v4("127.0.0.1")] if kind == A else []
    names = Names(reply)
    s = proxy(folder, started, names)
    for name in ("many.example", "odd.example"):
        sock, head = connect(s, f"{name}:1025", "ben")
        sock.close()
        assert status_of(head) in (502, 504), head
    origin = started(Nginx(folder))
    assert s.curl(f"http://fine.example:{origin.http}/ok", user="ben")[0] == 200
