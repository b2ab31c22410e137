"""The packages in a fresh Debian: installed, started, used, upgraded, removed, purged; and built twice to the same bytes.

The tree is made by debootstrap from the mirror that this machine's apt uses, in some minutes; STILE_DEB_TREE=/some/folder keeps
it there for the next time."""
import hashlib, json, os, pathlib, re, shutil, subprocess
import pytest
from harness import ROOT, Authority, run, wait_for
from room import Room, needs_a_room, packages

# what installing, upgrading and purging any package leaves in a Debian: accounts that packages made, caches, logs, lists
TRACES = re.compile(r"^(etc/(passwd|group|shadow|gshadow|subuid|subgid)-?|etc/\.pwd\.lock|etc/ld\.so\.cache|var/(cache|log)/.*"
                    r"|var/lib/(dpkg|apt|systemd/deb-systemd-helper[^/]*)(/.*)?|root/\.[^/]*|var/lib/systemd)$")


def mirror():
    """(address, code name) that this machine's apt uses for its own release."""
    release = re.search(r"^VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text(), re.M).group(1)
    lines = run("apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(SITE) $(REPO_URI)", "Created-By: Packages").stdout
    uris = [l.split()[3] for l in lines.splitlines() if l.split()[:2] == [release, "main"] and len(l.split()) == 4]
    return (uris or [None])[0], release


def fresh_debian(folder, debs):
    """A minimal Debian with what the packages depend on, Redis and curl, but without the packages."""
    if not shutil.which("debootstrap"):
        pytest.skip("debootstrap is not installed")
    source, release = mirror()
    if release != "bookworm" or not source:
        pytest.skip("the packages are for Debian 12, and so is the mirror that is needed")
    wanted = {"ca-certificates", "curl", "redis-server", "man-db", "mandoc", "systemd"}
    for name in ("stile", "stile-tools"):
        depends = run("dpkg-deb", "-f", debs[name], "Depends").stdout
        wanted |= {re.match(r"[\w.+-]+", d.strip()).group() for d in depends.split(",")}
    tree = pathlib.Path(os.environ.get("STILE_DEB_TREE", folder / "debian"))
    complete = tree / "etc/stile-test-tree"
    if not (complete.exists() and wanted <= set(complete.read_text().split())):
        shutil.rmtree(tree, ignore_errors=True)
        r = run("debootstrap", "--variant=minbase", "--include=" + ",".join(sorted(wanted)), release, tree, source, check=False,
                timeout=1200)
        assert r.returncode == 0, r.stdout[-3000:] + r.stderr
        shutil.rmtree(tree / "var/cache/apt/archives", ignore_errors=True)
        complete.write_text("\n".join(sorted(wanted)))
    return tree


def repacked(folder, debs, version):
    """The same packages under another version, with another proxy.cfg and another policy.cfg in them."""
    out = {}
    for name in ("stile", "stile-tools"):
        d = folder / f"{name}-{version}"
        run("dpkg-deb", "-R", debs[name], d)
        control = d / "DEBIAN/control"
        control.write_text(re.sub(r"^Version: .*", f"Version: {version}", control.read_text(), flags=re.M))
        for conf in d.glob("etc/stile/*.cfg"):
            conf.write_text(conf.read_text() + f"# as of {version}\n")
        out[name] = folder / f"{name}_{version}.deb"
        run("dpkg-deb", "--root-owner-group", "-b", d, out[name])
    return out


def stat(path):
    s = path.lstat()
    return f"{s.st_mode & 0o7777:o}", s.st_uid, s.st_gid


def installed(room, files):
    for p in files:
        shutil.copy(p, room.root / "tmp")
    return room.run("apt-get", "install", "-y", "--no-install-recommends", *[f"/tmp/{pathlib.Path(p).name}" for p in files], check=False)


def visit(room, user):
    return room.run("curl", "-sS", "-I", "-x", "http://127.0.0.1:3128", "-U", f"{user}:secret", "--cacert", "/etc/test-ca.pem",
                    "https://www.facebook.com/", check=False, timeout=60)


def accesses(room):
    text = room.run("stile-report", "summary", "-c", "/etc/stile/proxy.cfg", "--by", "rule", "--fold", "1", "--json").stdout
    return json.loads(text)["total"]


def test_packages_have_no_fault_that_lintian_knows():
    needs_a_room()
    if not shutil.which("lintian"):
        pytest.skip("lintian is not installed")
    d, _ = packages()
    changes = next(d.glob("*.changes"))
    r = run("lintian", "--allow-root", "--fail-on", "error,warning,info", "--display-info", changes, check=False, timeout=300)
    assert r.returncode == 0 and not re.findall(r"^[EWI]:", r.stdout, re.M), r.stdout + r.stderr


def test_the_same_tree_gives_the_same_packages(folder):
    needs_a_room()
    _, debs = packages()
    copy = folder / "another-place"
    copy.mkdir()
    for part in ("base", "policy", "audit", "proxy", "admin", "packaging", "systemd", "docs", "Makefile", "proxy.cfg", "LICENSE",
                 *[p.name for p in ROOT.glob("*.md")]):
        (shutil.copytree if (ROOT / part).is_dir() else shutil.copy)(ROOT / part, copy / part)
    run("make", "-C", copy, "deb", timeout=900, env=dict(os.environ, TZ="Pacific/Auckland"))
    def digest(f):
        return hashlib.sha256(f.read_bytes()).hexdigest()

    again = {p.name.split("_")[0]: digest(p) for p in (copy / "build/deb").glob("*.deb")}
    assert again == {name: digest(p) for name, p in debs.items()}


def test_install_use_upgrade_remove_purge_in_a_fresh_debian(folder):
    needs_a_room()
    _, debs = packages()
    tree = fresh_debian(folder, debs)
    room = Room(folder, lower=tree).start()
    try:
        life_of_an_installation(room, folder, debs)
    finally:
        room.stop()


def life_of_an_installation(room, folder, debs):
    # --- installed ---------------------------------------------------------------------------------------
    r = installed(room, [debs["stile"], debs["stile-tools"]])
    assert r.returncode == 0, r.stdout + r.stderr
    etc, state = room.root / "etc/stile", room.root / "var/lib/stile"
    user = next(l.split(":") for l in (room.root / "etc/passwd").read_text().splitlines() if l.startswith("stile:"))
    uid, gid = int(user[2]), int(user[3])
    assert user[5:] == ["/var/lib/stile", "/usr/sbin/nologin"]
    assert stat(state) == ("700", uid, gid)
    assert stat(etc / "users.htpasswd") == stat(etc / "groups.htgroup") == ("640", 0, gid)
    assert (room.root / "etc/systemd/system/multi-user.target.wants/stile.service").is_symlink(), "it starts at boot"
    conffiles = room.run("dpkg-query", "-W", "-f", "${Conffiles}", "stile").stdout
    assert set(re.findall(r"^ (\S+)", conffiles, re.M)) == {"/etc/stile/proxy.cfg", "/etc/stile/policy.cfg"}
    r = room.run("systemd-analyze", "verify", "/lib/systemd/system/stile.service", check=False)
    assert r.returncode == 0 and "stile" not in r.stderr, r.stderr
    r = room.run("systemd-analyze", "security", "--offline=true", "--threshold=20", "/lib/systemd/system/stile.service", check=False)
    assert r.returncode == 0, r.stdout
    for page in ("stile-proxy", "stile-policy", "stile-report", "proxy.cfg", "stile-records"):
        assert room.run("man", "-w", page).stdout.strip()
    for sample in ("small-office", "council"):
        at = f"/usr/share/doc/stile-tools/examples/{sample}"
        room.run("stile-policy", "test", f"{at}.cfg", f"{at}.test")

    # --- first start, a request, a report ------------------------------------------------------------------
    room.origin(Authority(folder), "www.facebook.com")
    room.redis()
    room.run("stile-policy", "passwd", "/etc/stile/users.htpasswd", "anna", input="secret\n")
    assert stat(etc / "users.htpasswd") == ("640", 0, gid), "the service can still read it, and nobody else"
    (etc / "groups.htgroup").write_text("comms: anna\n")
    room.service()
    assert " 200" in visit(room, "anna").stdout
    wait_for("the access is in the report", lambda: accesses(room)["accesses"] == 1)
    key = (state / "pseudonym.key").read_bytes()
    assert stat(state / "pseudonym.key") == ("600", uid, gid)

    # --- upgraded: what the administrator changed stays, what is unchanged is new ---------------------------
    policy = (etc / "policy.cfg").read_text() + "# ours\n"
    (etc / "policy.cfg").write_text(policy)
    (etc / "lists").mkdir()
    (etc / "lists/gambling").write_text("casino.example\n")
    os.chmod(etc / "users.htpasswd", 0o600)  # closed to the service by mistake: the upgrade heals it
    room.end("stile")
    journal = {p: p.read_bytes() for p in (state / "journal").rglob("*.jnl")}
    assert journal
    newer = repacked(folder, debs, "0.1.1")
    (room.root / "etc/apt/apt.conf.d").mkdir(exist_ok=True)
    (room.root / "etc/apt/apt.conf.d/90test").write_text('Dpkg::Options { "--force-confdef"; "--force-confold"; };\n')
    r = installed(room, newer.values())
    assert r.returncode == 0, r.stdout + r.stderr
    assert room.run("dpkg-query", "-W", "-f", "${Version}", "stile").stdout == "0.1.1"
    assert (etc / "policy.cfg").read_text() == policy and "# as of 0.1.1" in (etc / "policy.cfg.dpkg-dist").read_text()
    assert "# as of 0.1.1" in (etc / "proxy.cfg").read_text()
    assert (state / "pseudonym.key").read_bytes() == key
    assert all(p.read_bytes() == content for p, content in journal.items())
    assert stat(etc / "users.htpasswd") == ("640", 0, gid)
    room.service()
    assert " 200" in visit(room, "anna").stdout
    wait_for("both accesses, and one person", lambda: accesses(room)["accesses"] == 2)
    assert accesses(room)["people"] == 1, "the pseudonym is the same"
    room.end("stile")

    # --- removed: configuration and records stay; purged: only what the administrator made ------------------
    assert room.run("apt-get", "remove", "-y", "stile", "stile-tools", check=False).returncode == 0
    assert not (room.root / "usr/sbin/stile-proxy").exists() and not (room.root / "usr/bin/stile-report").exists()
    assert (etc / "policy.cfg").exists() and (state / "pseudonym.key").read_bytes() == key
    r = room.run("apt-get", "purge", "-y", "stile", "stile-tools", check=False)
    assert r.returncode == 0 and "warning" not in r.stderr, r.stdout + r.stderr
    left = {str(p.relative_to(room.upper)) for p in room.upper.rglob("*") if not p.is_dir()}
    ours = {"etc/stile/users.htpasswd", "etc/stile/groups.htgroup", "etc/stile/lists/gambling"}
    test = {"etc/hosts", "etc/test-ca.pem", "etc/apt/apt.conf.d/90test"}
    assert {p for p in left if not TRACES.match(p)} - test == ours
    assert not [p for p in left if "stile" in p and not p.startswith(("etc/stile/", "var/lib/dpkg/", "var/cache/man/"))], left


def test_purge_of_an_untouched_installation_leaves_nothing(folder):
    needs_a_room()
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed")
    _, debs = packages()
    room = Room(folder).start()
    try:
        r = installed(room, [debs["stile"], debs["stile-tools"]])
        assert r.returncode == 0, r.stdout + r.stderr
        assert (room.root / "etc/stile/users.htpasswd").exists()
        assert room.run("dpkg", "--purge", "stile", "stile-tools", check=False).returncode == 0
        assert not (room.root / "etc/stile").exists() and not (room.root / "var/lib/stile").exists()
    finally:
        room.stop()
