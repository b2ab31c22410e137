"""What the README promises: the demonstration says what to try, each of it works, and it stops; an installation is complete."""
import shlex
import pytest
from harness import *


def test_demonstration_and_every_command_it_names(folder, started):
    port = free_port()
    copy = folder / "tree"  # its own tree, so that two tests never share a folder
    copy.mkdir()
    for part in ("packaging",):
        shutil.copytree(ROOT / part, copy / part)
    (copy / "build").mkdir()
    for program in (PROXY, POLICY, REPORT):
        shutil.copy(program, copy / "build")
    demo = Process(folder, "demo", ["packaging/demo"], cwd=copy, env=dict(os.environ, STILE_DEMO_PORT=str(port)))
    started(demo)
    text = wait_for("what to try", lambda: "Ctrl-C" in demo.text() and demo.text(), 30)
    tries = {label.strip(): command for label, command in re.findall(r"^  (\S.*?)  +((?:curl|build/)\S*.*)$", text, re.M)}
    assert set(tries) == {"allowed for anna", "refused for ben", "why", "open to both", "the report"}

    def go(label):
        r = subprocess.run(shlex.split(tries[label]), cwd=copy, capture_output=True, text=True, timeout=60)
        return r.stdout + r.stderr

    page = go("allowed for anna")
    assert "demonstration's own page" in page, page + (copy / "build/demo/proxy.log").read_text()
    assert "Social media is open to communications" in go("refused for ben")
    assert "no-social" in go("why")
    assert "demonstration's own page" in go("open to both")
    wait_for("the report", lambda: "bebo" in go("the report"), 20)
    stop = re.search(r"kill (\d+)  ", text).group(1)
    assert int(stop) == demo.p.pid
    assert demo.stop() == 0
    assert not listening(port)
    assert "stopped" in demo.text()


def test_installation_is_complete(folder):
    dest = folder / "dest"
    run("make", "-C", ROOT, "install", f"DESTDIR={dest}", f"BUILD={os.environ.get('BUILD', 'build')}", timeout=300)
    there = {str(p.relative_to(dest)) for p in dest.rglob("*") if p.is_file()}
    assert there >= {"usr/sbin/stile-proxy", "usr/bin/stile-policy", "usr/bin/stile-report", "etc/stile/proxy.cfg", "etc/stile/policy.cfg",
                     "usr/lib/systemd/system/stile.service", "usr/lib/sysusers.d/stile.conf", "usr/lib/tmpfiles.d/stile.conf",
                     "etc/stile/users.htpasswd", "etc/stile/groups.htgroup", "usr/share/bash-completion/completions/stile-proxy", "usr/share/man/man8/stile-proxy.8",
                     "usr/share/man/man5/proxy.cfg.5", "usr/share/man/man1/stile-report.1"}
    config = dest / "etc/stile/proxy.cfg"
    text = config.read_text()
    assert "/var/lib/stile/journal" in text and "packaging/" not in text
    config.write_text(text.replace("/var/lib/stile", str(folder)))
    assert "fine" in run(dest / "usr/sbin/stile-proxy", "-c", config, "-t").stdout
    # installing again keeps what the admin has changed
    (dest / "etc/stile/policy.cfg").write_text("changed\n")
    run("make", "-C", ROOT, "install", f"DESTDIR={dest}", f"BUILD={os.environ.get('BUILD', 'build')}", timeout=300)
    assert (dest / "etc/stile/policy.cfg").read_text() == "changed\n"


def test_default_configuration_runs_as_it_is(folder, started):
    for part in ("proxy.cfg", "packaging/policy.cfg"):
        (folder / part).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / part, folder / part)
    port = free_port()
    config = folder / "proxy.cfg"
    config.write_text(config.read_text().replace("127.0.0.1:3128", f"127.0.0.1:{port}"))  # the port may be taken on this machine
    proxy = started(Process(folder, "default", [PROXY, "-c", config]))
    wait_for("ready", lambda: "ready:" in proxy.text())
    # nobody can log in yet: what the policy says for staff holds for nobody
    r = run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-x", f"http://127.0.0.1:{port}", "http://www.facebook.com/")
    assert r.stdout == "403"


def test_the_service_manager_hears_of_readiness_life_reload_and_stop(folder, started):
    path = folder / "notify"
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(path))
    manager.settimeout(0.2)
    heard = []

    def hear(word):
        try:
            heard.append(manager.recv(4096).decode())
        except TimeoutError:
            pass
        return any(word in h for h in heard)

    stile = Stile(folder, users=())
    # WATCHDOG_PID must be the master's: a shell that becomes it
    shell = f'export WATCHDOG_PID=$$ WATCHDOG_USEC=600000 NOTIFY_SOCKET={path}; exec {PROXY} -c {stile.config}'
    stile.argv = ["/bin/sh", "-c", shell]
    started(stile)
    wait_for("READY", lambda: hear("READY=1"))
    wait_for("signs of life", lambda: hear("WATCHDOG=1") and sum(h == "WATCHDOG=1" for h in heard) >= 5)
    stile.p.send_signal(signal.SIGHUP)
    wait_for("RELOADING", lambda: hear("RELOADING=1"))
    wait_for("READY again", lambda: hear("READY=1") and sum(h == "READY=1" for h in heard) >= 2)
    stile.p.send_signal(signal.SIGTERM)
    wait_for("STOPPING", lambda: hear("STOPPING=1"))


def test_unit_is_well_formed_and_hardened(folder):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    unit = folder / "stile.service"
    unit.write_text((ROOT / "systemd/stile.service").read_text().replace("/usr/sbin/stile-proxy", "/bin/true"))
    r = run("systemd-analyze", "verify", "--man=no", unit, check=False)
    assert r.returncode == 0 and "stile.service" not in r.stderr, r.stderr
    r = run("systemd-analyze", "security", "--offline=true", "--threshold=20", unit, check=False)
    assert r.returncode == 0, r.stdout


def test_the_unit_lets_through_what_confined_children_call():
    """The unit's filter is around ours: it must not refuse what syscalls.def allows, nor what confining takes."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    sets, name = {}, None
    for line in run("systemd-analyze", "--no-pager", "syscall-filter").stdout.splitlines():
        if line.startswith("@"):
            name = line.strip()
        elif line.startswith("    ") and "#" not in line:
            sets.setdefault(name, []).append(line.strip())

    def calls(words):
        return set().union(*(calls(sets[w]) if w in sets else {w} for w in words))

    allowed = set()
    for line in re.findall(r"^SystemCallFilter=(.*)", (ROOT / "systemd/stile.service").read_text(), re.M):
        allowed = allowed - calls(line[1:].split()) if line.startswith("~") else allowed | calls(line.split())
    used = set(re.findall(r"^CALL\((\w+), (?!NOBODY)", (ROOT / "proxy/syscalls.def").read_text(), re.M))
    used |= {"prctl", "capget", "prlimit64", "seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self",
             "clone", "tgkill", "mmap", "mprotect", "socket", "openat"}
    assert len(used) > 80 and not used - allowed, used - allowed
