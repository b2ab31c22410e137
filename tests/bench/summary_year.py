#!/usr/bin/env python3
"""What `stile-report summary` of a year of PEOPLE people costs, read from a redis-server of its own that holds nothing else.

Each weekday has accesses, what moved and mostly minutes for each of two services of each person, as the shipper leaves them;
with --older as it left them when the three figures of what moved were three fields. Several programs are run in turn, so that
other work falls on all alike; their answers must be the same.

    summary_year.py [--people 1000] [--days 365] [--rounds 4] [--older] [--keep] PROGRAM...
"""
import argparse, collections, datetime, hmac, json, os, pathlib, random, re, socket, statistics, subprocess, sys, tempfile, threading, time

NODE, LAST = "edge1", datetime.date(2026, 11, 27)
SERVICES = ["facebook", "instagram", "youtube", "x", "linkedin", "reddit", "whatsapp", "tiktok", "knowledge-hub", "bebo"]
RULES = [("communications", "campaigns", "public campaigns and civic debate", 0.04), ("youth", "youth", "youth participation", 0.10),
         ("staff", "staff-social", "", 1.0)]


def resp(words):
    out = [b"*%d\r\n" % len(words)]
    for w in words:
        w = w if isinstance(w, bytes) else w.encode()
        out.append(b"$%d\r\n%s\r\n" % (len(w), w))
    return b"".join(out)


def person(rng, i):
    pick = rng.random()
    role, rule, purpose, _ = next(r for r in RULES if pick < r[3])
    return {"user": hmac.new(b"year", b"%d" % i, "sha256").hexdigest()[:24], "role": role, "rule": rule, "purpose": purpose,
            "likes": rng.sample(SERVICES, 4)}


def key(p, service):
    zone = "external" if service in ("whatsapp", "knowledge-hub") else "public"
    return f'"{p["user"]}","{p["role"]}","{service}","{zone}","{p["rule"]}","{p["purpose"]}"]'


def a_day(rng, people, day, older):
    """The pairs of the two hashes."""
    figures, minutes = ['["checkpoint","","","","","",""]', "1440"], []
    noon = int(datetime.datetime(day.year, day.month, day.day, 12).timestamp()) // 60
    for p in people:
        for service in rng.sample(p["likes"], 2):
            k, n, begin = key(p, service), 1 + int(rng.expovariate(1 / 6)), noon + rng.randrange(-240, 300)
            up, down = [rng.randrange(9000) for _ in range(n)], [rng.randrange(300_000) for _ in range(n)]
            moved = {"up": sum(up), "down": sum(down), "tunnels": n}
            if not older:
                moved = {"moved": ",".join(map(str, moved.values()))}
            for metric, value in {"allow": 1 + n // 4, **moved}.items():
                figures += [f'["{metric}",{k}', str(value)]
            if rng.random() < 0.82:
                minutes += ["[" + k, "".join(f"{begin + i},{u},{d} " for i, (u, d) in enumerate(zip(up, down)))]
    return figures, minutes


class Redis:
    def __init__(self, folder):
        with socket.create_server(("127.0.0.1", 0)) as s:
            self.port = s.getsockname()[1]
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", folder,
                                         "--dbfilename", "year.rdb"], stdout=subprocess.DEVNULL)
        while self.cli("ping").strip() != "PONG":
            time.sleep(0.05)

    def cli(self, *args, data=None):
        return subprocess.run(["redis-cli", "-p", str(self.port), *args], input=data, capture_output=True).stdout.decode()

    def cpu(self):
        ticks = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def load(redis, args):
    """Returns the number of fields of each kind."""
    rng, counts = random.Random(1), collections.Counter()
    people = [person(rng, i) for i in range(args.people)]
    redis.cli("SADD", "stile:nodes", NODE)
    for back in range(args.days):
        day = LAST - datetime.timedelta(days=back)
        if day.weekday() >= 5:
            continue
        counts["days"] += 1
        for what, pairs in zip(("day", "min"), a_day(rng, people, day, args.older)):
            counts[what] += len(pairs) // 2
            name = f"stile:{{{NODE}}}:{what}:{day}"
            data = b"".join(resp(["HSET", name, *pairs[i:i + 1000]]) for i in range(0, len(pairs), 1000))
            assert "errors: 0" in redis.cli("--pipe", data=data)
    return counts


class Memory(threading.Thread):
    """The largest that a process had, in MB, while it lived; getrusage would tell what we had before it."""

    def __init__(self, pid):
        super().__init__()
        self.status, self.most = pathlib.Path(f"/proc/{pid}/status"), 0.0
        self.start()

    def run(self):
        while found := re.search(r"VmHWM:\s*(\d+) kB", self.status.read_text()):  # none once it is dead
            self.most = int(found.group(1)) / 1024
            time.sleep(0.01)


def once(program, redis, args):
    """(answer, CPU of it, CPU of Redis, wall time, largest memory)"""
    first = LAST - datetime.timedelta(days=args.days - 1)
    theirs, began = redis.cpu(), time.monotonic()
    p = subprocess.Popen([program, "summary", "--redis", f"redis://127.0.0.1:{redis.port}/0", "--from", str(first), "--to", str(LAST), "--json",
                          "--by", "service", "--by", "role", "--by", "day", "--by", "rule"], stdout=subprocess.PIPE)
    memory = Memory(p.pid)
    answer = p.stdout.read()
    wall = time.monotonic() - began  # it ends with its output
    memory.join()
    _, status, used = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    assert p.returncode == 0, program
    told = json.loads(answer)
    told["period"].pop("made")
    return told, (used.ru_utime + used.ru_stime, redis.cpu() - theirs, wall, memory.most)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--older", action="store_true", help="figures in the form that they had")
    parser.add_argument("--keep", action="store_true", help="print the port and wait, to look at the server by hand")
    parser.add_argument("program", nargs="+")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        redis = Redis(folder)
        try:
            counts = load(redis, args)
            print(f"{counts['days']} weekdays, {counts['day']} figures, {counts['min']} fields of minutes", flush=True)
            if args.keep:
                print(f"port {redis.port}, process {redis.process.pid}", flush=True)
                sys.stdin.read()
            samples, answers = collections.defaultdict(list), []
            for _ in range(args.rounds):
                for program in args.program:
                    told, figures = once(program, redis, args)
                    samples[program].append(figures)
                    answers.append(told)
            assert all(a == answers[0] for a in answers), "the answers differ"
        finally:
            redis.stop()
    for program in args.program:
        print(program)
        for name, unit, values in zip(("CPU of the report", "CPU of Redis", "wall time", "largest memory"), ("s", "s", "s", "MB"), zip(*samples[program])):
            print(f"  {name:18} median {statistics.median(values):6.2f} {unit}, {min(values):.2f} to {max(values):.2f}")


if __name__ == "__main__":
    main()
