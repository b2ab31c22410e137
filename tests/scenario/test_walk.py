"""The walk in README, command by command as it stands there, with the packages in a private root over this machine's.

Three things stand in for what a booted machine on the Internet has: the test starts the service that installing it would have
started (as the unit says) and Redis, reloads it where the walk says `systemctl reload`, and www.facebook.com is a server at a
public address inside the private network."""
import re, shutil
import pytest
from harness import ROOT, Authority, wait_for
from room import Room, needs_a_room, packages

HEADING = "## From the package to the first report"
PASSWORDS = {"anna": "correct horse battery", "ben": "staple staple staple"}


def commands():
    section = (ROOT / "README.md").read_text().split(HEADING + "\n")[1].split("\n## ")[0]
    return [re.sub(r"\s+# .*", "", line.strip()) for line in re.findall(r"^    (\S.*)$", section, re.M)]


def test_the_walk_is_short_and_names_its_stations():
    walk = commands()
    assert 5 < len(walk) < 10
    assert walk[0].startswith("apt install ") and walk[-1].startswith("stile-report ")
    assert not [c for c in walk if re.search(r"&&|;|\|\|", c)], "one command a line"


def test_the_walk(folder):
    needs_a_room()
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed")
    _, debs = packages()
    room = Room(folder).start()
    try:
        walk_through(room, folder, debs)
    finally:
        room.stop()


def walk_through(room, folder, debs):
    for p in debs.values():
        shutil.copy(p, room.root / "root" / p.name)
    room.origin(Authority(folder), "www.facebook.com")
    answers = {}
    for command in commands():
        if command == "systemctl reload stile":
            room.reload()
            continue
        who = next((u for u in PASSWORDS if re.search(rf"\b{u}\b", command)), None)

        def go():
            return room.run("env", "-C", "/root", "bash", "-c", command, check=False, timeout=60, input=PASSWORDS.get(who, "") + "\n",
                            env={"CURL_CA_BUNDLE": "/etc/test-ca.pem"})

        r = go()
        if command.startswith("apt install "):
            assert r.returncode == 0, r.stdout + r.stderr
            room.redis()
            room.service()
        elif command.startswith("curl "):
            answers[who] = r
        elif command.startswith("stile-report "):
            def both_are_there():
                text = go().stdout
                return "campaigns" in text and "no-social" in text and text

            answers["report"] = wait_for("the records are in Redis", both_are_there)
        else:
            assert r.returncode == 0, command + "\n" + r.stdout + r.stderr

    assert answers["anna"].returncode == 0 and "HTTP/1." in answers["anna"].stdout and " 200 " in answers["anna"].stdout, answers["anna"]
    assert answers["ben"].returncode != 0 and "403" in answers["ben"].stdout + answers["ben"].stderr, answers["ben"]
    rows = {m[0]: m[1].split() for m in re.findall(r"^\s*(campaigns|no-social|communications|staff)\s+(.*)$", answers["report"], re.M)}
    print(answers["report"])
    assert rows["campaigns"][1] == "1" and rows["no-social"][2] == "1", answers["report"]  # people, accesses, refused
    assert rows["communications"][1] == "1" and rows["staff"][2] == "1", answers["report"]
    assert "anna" not in answers["report"] and "ben" not in answers["report"]
