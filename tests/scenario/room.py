"""A private root: packages can be installed, run and purged in it without touching the machine.

It is an overlay over a tree (the machine's own root or a fresh Debian), in mount, network and process namespaces of its own.
What was changed in it lies in `upper`; when its first process ends, everything in it ends. Needs root."""
import atexit, functools, glob, os, pathlib, re, shutil, signal, subprocess, sys, tempfile
import pytest
from harness import BUILD, ROOT, Process, run, wait_for

FACEBOOK = "31.13.80.36"  # any public address will do: the room has no other network

ORIGIN = """
import http.server, ssl, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "6"); self.end_headers()
        if self.command == "GET": self.wfile.write(b"hello\\n")
    do_HEAD = do_GET
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain(sys.argv[2], sys.argv[1])
server = http.server.ThreadingHTTPServer(("", 443), Page)
server.socket = context.wrap_socket(server.socket, server_side=True); server.serve_forever()
"""


def needs_a_room():
    if any(x in BUILD.name for x in ("asan", "tsan")):
        pytest.skip("packages are built without sanitizers: make check covers them")
    if os.geteuid() != 0:
        pytest.skip("a private root needs root")
    missing = [p for p in ("unshare", "nsenter", "setpriv", "dpkg-buildpackage", "dh", "openssl", "ip") if not shutil.which(p)]
    if missing:
        pytest.skip("not installed: " + ", ".join(missing))
    if subprocess.run(["unshare", "-m", "-n", "-p", "--fork", "true"], capture_output=True).returncode != 0:
        pytest.skip("no namespaces can be made here")


@functools.lru_cache(maxsize=None)
def packages():
    """Builds the packages once for all tests; returns their folder and {name: file}."""
    d = pathlib.Path(tempfile.mkdtemp(prefix="stile-deb-"))
    atexit.register(shutil.rmtree, d, True)
    run("make", "-C", ROOT, "deb", f"DEB={d}/deb", timeout=900)
    files = {p.name.split("_")[0]: p for p in (d / "deb").glob("*.deb")}
    assert {"stile", "stile-tools"} <= set(files)
    return d / "deb", files


class Room:
    def __init__(self, folder, lower="/"):
        self.folder, self.lower, self.first, self.spawned = pathlib.Path(folder) / "room", lower, None, []
        self.folder.mkdir()

    def start(self):
        d = self.folder
        script = f"""set -e
mount -t tmpfs -o mode=755 room {d}
mkdir {d}/upper {d}/work {d}/tree
mount -t overlay -o lowerdir={self.lower},upperdir={d}/upper,workdir={d}/work room {d}/tree
mount -t proc proc {d}/tree/proc
mount --rbind /dev {d}/tree/dev
mount -t tmpfs tmp {d}/tree/tmp
mount -t tmpfs run {d}/tree/run
ip link set lo up
ip addr add {FACEBOOK}/32 dev lo
touch {d}/ready
exec sleep infinity"""
        self.holder = Process(self.folder.parent, "room", ["unshare", "-m", "-n", "-p", "--fork", "--kill-child", "sh", "-c", script])
        self.holder.start()
        children = pathlib.Path(f"/proc/{self.holder.p.pid}/task/{self.holder.p.pid}/children")
        wait_for("the first process of the room", lambda: self.holder.p.poll() is not None or children.read_text().split())
        if self.holder.p.poll() is None:
            self.first = int(children.read_text().split()[0])
            self.root = pathlib.Path(f"/proc/{self.first}/root{d}/tree")
            self.upper = pathlib.Path(f"/proc/{self.first}/root{d}/upper")
            wait_for("the room", lambda: self.holder.p.poll() is not None or (self.root.parent / "ready").exists())
        if self.holder.p.poll() is not None:
            pytest.skip("no overlay can be mounted here: " + self.holder.text().strip())
        return self

    def stop(self):
        """Its first process ends, and with it all others."""
        if self.first:
            os.kill(self.first, signal.SIGKILL)
        for p in [*self.spawned, self.holder]:
            p.p.wait(30)

    def inside(self, *argv, chroot=True):
        enter = ["nsenter", "-t", self.first, "-m", "-n", "-p", "--wd=/", "--"]
        return enter + (["chroot", self.folder / "tree"] if chroot else []) + list(argv)

    def run(self, *argv, check=True, env={}, **more):
        """A command in the room, with the environment of a plain login."""
        e = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
             "DEBIAN_FRONTEND": "noninteractive", **env}
        return run(*self.inside("env", "-i", *[f"{k}={v}" for k, v in e.items()], *argv), check=check,
                   start_new_session=True, **more)

    def spawn(self, name, *argv, chroot=True):
        p = Process(self.folder.parent, name, self.inside(*argv, chroot=chroot))
        self.spawned.append(p)
        return p.start()

    def end(self, name):
        p = next(p for p in self.spawned if p.name == name)
        self.spawned.remove(p)
        # nsenter waits for what it started in the other namespace: that is what the signal is for
        children = pathlib.Path(f"/proc/{p.p.pid}/task/{p.p.pid}/children").read_text().split()
        subprocess.run(["kill", *children], check=True)
        p.p.wait(60)
        return p

    # --- what a booted machine with a network would bring ---------------------------------------------

    def origin(self, authority, name):
        """A TLS server that answers for a public name, at a public address; nothing leaves the room."""
        key, pem = authority.leaf([name])
        with open(self.root / "etc/hosts", "a") as hosts:
            hosts.write(f"{FACEBOOK} {name}\n")
        shutil.copy(authority.ca, self.root / "etc/test-ca.pem")
        self.spawn("origin", sys.executable, "-c", ORIGIN, key, pem, chroot=False)

    def redis(self):
        self.spawn("redis", "redis-server", "--bind", "127.0.0.1", "--port", "6379", "--dir", "/var/lib/redis", "--save", "")
        wait_for("redis answers", lambda: "PONG" in self.run("redis-cli", "ping", check=False).stdout)

    def unit(self, key):
        text = (self.root / "lib/systemd/system/stile.service").read_text()
        return re.search(rf"^{key}=(.*)$", text, re.M).group(1)

    def service(self):
        """Starts the installed service: the unit's user, folders and commands, without its sandbox."""
        user = self.unit("User")
        runtime = re.search(r"^RuntimeDirectory=(.*)$", (self.root / "lib/systemd/system/stile.service").read_text(), re.M)
        if runtime:
            self.run("install", "-d", "-o", user, "-g", self.unit("Group"), "-m", "700", f"/run/{runtime.group(1)}")
        be = ["setpriv", f"--reuid={user}", f"--regid={self.unit('Group')}", "--init-groups"]
        start_pre, start = self.unit("ExecStartPre").split(), self.unit("ExecStart").split()
        self.run(*be, *start_pre)
        p = self.spawn("stile", "env", "-C", self.unit("WorkingDirectory"), *be, *start)
        wait_for("stile is ready", lambda: "ready:" in p.said() or p.p.poll() is not None)
        assert p.p.poll() is None, p.text()
        return p

    def main_pid(self):
        """As the room counts."""
        for status in glob.glob(f"{self.root}/proc/[0-9]*/cmdline"):
            if pathlib.Path(status).read_bytes().startswith(b"/usr/sbin/stile-proxy\0-c\0"):
                return int(status.split("/")[-2])
        raise AssertionError("stile does not run")

    def reload(self):
        """What the unit's ExecReload does; returns when the new configuration is in force."""
        p = next(p for p in self.spawned if p.name == "stile")
        before = p.text().count("in force:")
        self.run("sh", "-c", f"MAINPID={self.main_pid()}; {self.unit('ExecReload')}")
        wait_for("the reload: " + p.text(), lambda: p.text().count("in force:") > before)
