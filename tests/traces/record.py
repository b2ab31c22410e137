#!/usr/bin/python3
"""Records the golden traces anew: record.py [SECONDS, of whole minutes]; 14 minutes, needs Chromium, node, playwright-core and a build.

Starts a stile-proxy whose policy knows the hosts of each scene as a service of its own, has record.js play the scenes through it, and
holds the usage records of the proxy against what the relays before it counted. Exit 1 where they differ."""
import collections, json, os, pathlib, subprocess, sys, tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scenario"))
from browser import modules  # noqa: E402
from harness import Stile  # noqa: E402

SCENES = [s["name"] for s in json.loads((HERE / "scenes.json").read_text())["scenes"]]
NAMES = [f"{part}.{n}.example" for n in SCENES for part in ("www", "m", "cdn")]


def policy(keys=""):
    """Each scene's hosts are a service; all of them are open, under one rule with these keys."""
    services = "\n".join(f'  scene-{n} = {{ hosts = ["www.{n}.example", "m.{n}.example"]; cdn = ["cdn.{n}.example"]; zone = "public"; }};' for n in SCENES)
    names = ", ".join(f'"scene-{n}"' for n in SCENES)
    return f"""
zone = "UTC"; inside = [ "127.0.0.0/8" ]; ports = [ "1024-65535" ];
roles: {{ staff = {{ everyone = true; }}; }};
services: {{
{services}
}};
rules = ( {{ name = "scenes"; roles = ["staff"]; to = [{names}]; action = "allow"; {keys} }} );
"""


def by_proxy(records, first):
    """{(scene, minute): [core up, core down, all up, all down]} of the usage records; minute 0 is the first of the scene."""
    out = collections.defaultdict(lambda: [0] * 4)
    for r in records:
        if r["k"] == "usage" and (r["service"] or "").startswith("scene-"):
            sums = out[r["service"][6:], r["minute"] - first]
            for i, field in enumerate(("core_up", "core_down", "up", "down")):
                sums[i] += r[field]
    return out


def by_trace(after={}, minutes=0):
    """The same of the traces; `after`, what came after the end, belongs to the minute behind the last."""
    out = collections.defaultdict(lambda: [0] * 4)

    def add(name, minute, part, n):
        for i in 0, 1:
            out[name, minute][i] += n[i] if part == "core" else 0
            out[name, minute][2 + i] += n[i]

    for name in SCENES:
        for line in (HERE / f"{name}.trace").read_text().splitlines()[1:]:
            second, part, *n = line.split()
            add(name, int(second) // 60, part, [int(x) for x in n])
        for part, n in after.get(name, {}).items():
            add(name, minutes, part, n)
    return out


def compare(proxy, relay, minutes):
    """Differences in words. A byte at the end of a minute may cross the relay before it and the proxy after it, but in all they must be
    the same; only the farewell of a server (24 bytes of TLS) to a browser that has gone already may reach the proxy alone."""
    out = []
    for name in SCENES:
        for i, what in enumerate(("core up", "core down", "up", "down")):
            a, b = ([of[name, m][i] for m in range(minutes + 2)] for of in (relay, proxy))
            other = [m for m in range(minutes) if a[m] != b[m]]
            print(f"{name}, {what}: relay {sum(a)}, proxy {sum(b)}" + (f", other in minutes {other}" if other else ""))
            if sum(b) - sum(a) not in (0, 24, 48) or (sum(a) != sum(b) and "up" in what):
                out.append(f"{name}, {what}: relay {a}, proxy {b}")
    return out


def main():
    with tempfile.TemporaryDirectory() as folder:
        s = Stile(folder, policy=policy(), users=SCENES, names=NAMES).start()
        try:
            r = subprocess.run(["node", HERE / "record.js", str(s.port), *sys.argv[1:]], stdout=subprocess.PIPE, text=True, check=True,
                               env=dict(os.environ, NODE_PATH=str(modules("playwright-core"))))
        finally:
            s.stop()
        told = json.loads(r.stdout)
        minutes = told["seconds"] // 60
        wrong = compare(by_proxy(s.journal_records(), told["start"] // 60), by_trace(told["after"], minutes), minutes)
    print("\n".join(wrong) or "the proxy recorded what the relays counted")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
