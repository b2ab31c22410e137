"""Names that cannot be resolved: what is known of them, unknown, and a server that is silent are three things, to the client and in
the records."""
import socket, struct, threading
import pytest
from harness import *


class Names:
    """A DNS server of one thread: answers as `rcode` says, or not at all."""

    def __init__(self, rcode):
        self.rcode = rcode
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind(("127.0.0.1", 0))
        self.port = self.s.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                q, peer = self.s.recvfrom(4096)
            except OSError:
                return
            if self.rcode is not None:
                self.s.sendto(q[:2] + struct.pack(">HHHHH", 0x8180 | self.rcode, 1, 0, 0, 0) + q[12:q.index(b"\0", 12) + 5], peer)


@pytest.mark.parametrize("rcode, status, reason", [(3, 502, "no-address"), (0, 502, "no-address"), (2, 502, "dns-failed"), (None, 504, "dns-timeout")],
                         ids=["unknown", "empty", "servfail", "silent"])
def test_what_is_wrong_with_a_name_is_said(folder, started, rcode, status, reason):
    server = Names(rcode)
    s = Stile(folder)
    s.config.write_text(s.config.read_text().replace("127.0.0.1@9", f"127.0.0.1@{server.port}"))
    started(s)
    sock, head = connect(s, "nowhere.example:443", "ben")
    sock.close()
    assert status_of(head) == status and f"error={'dns_timeout' if rcode is None else 'dns_error'}" in head
    server.s.close()
    got = wait_for("the record", lambda: [r for r in s.journal_records() if r["k"] == "access" and r["verdict"] == "fail"])
    assert [r["reason"] for r in got] == [reason]
