"""An origin for tunnels that does as it is told, and the client's end of such a tunnel.

A command is a line: `d N` sends N bytes, `u N` takes N bytes and answers `ok`, `flood` sends until it is stopped, `sink` takes
all. What it has taken and sent is counted apart from the proxy."""
import socket, ssl, threading, time
from harness import connect, status_of

BLOCK = b"x" * 65536


class Peer:
    def __init__(self, context=None):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port = self.listener.getsockname()[1]
        self.context, self.taken, self.lock = context, {}, threading.Lock()

    def start(self):
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()
        return self

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    text = name = said = staticmethod(lambda: "")

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        try:
            if self.context:
                s = self.context.wrap_socket(s, server_side=True)
            f = s.makefile("rb")
            for line in f:
                word, *n = line.decode().split()
                if word == "d":
                    s.sendall(b"x" * int(n[0]))
                elif word == "u":
                    assert len(f.read(int(n[0]))) == int(n[0])
                    s.sendall(b"ok")
                elif word == "flood":
                    while True:
                        s.sendall(BLOCK)
                elif word == "sink":
                    while got := s.recv(1 << 18):
                        with self.lock:
                            self.taken[n[0]] = self.taken.get(n[0], 0) + len(got)
        except (OSError, ssl.SSLError, AssertionError):
            pass
        finally:
            s.close()


class Tunnel:
    """Opened by CONNECT. Bytes in `up` and `down` are those of the tunnel, so they are what the proxy has to count."""

    def __init__(self, stile, host, peer, user, context=None, listener=None):
        self.s, self.head = connect(stile, f"{host}:{peer.port}", user, listener=listener)
        self.status, self.up, self.down = status_of(self.head), 0, 0
        if context and self.status == 200:
            self.s = context.wrap_socket(self.s, server_hostname=host)

    def send(self, data):
        self.s.sendall(data)
        self.up += len(data)

    def take(self, n):
        got = 0
        while got < n:
            d = self.s.recv(n - got)
            if not d:
                raise EOFError
            got += len(d)
            self.down += len(d)

    def get(self, n):
        self.send(b"d %d\n" % n)
        self.take(n)
        return self

    def put(self, n):
        self.send(b"u %d\n" % n + b"y" * n)
        self.take(2)
        return self

    def active(self):
        """What makes a minute active."""
        return self.put(4096).get(20000)

    def alive(self):
        try:
            self.get(1)
            return True
        except (OSError, EOFError):
            return False

    def ended_within(self, seconds):
        self.s.settimeout(seconds)
        try:
            return self.s.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True
        finally:
            self.s.settimeout(20)

    def close(self):
        """Also under another thread that waits for it."""
        try:
            self.s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.s.close()
