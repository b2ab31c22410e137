#!/usr/bin/env python3
"""Writes a journal of generated data: what PEOPLE people did on DAYS days, as if stile had recorded it.

For demonstrations and for tests of reports. The node's name and the start mark of every chain say
"generated", and reports repeat it. The same arguments give the same bytes. The format is that of
audit/journal.h, chain.h, record.h, kinds.def and fields.def, written here a second time on purpose.

    gen_demo.py FOLDER [--people 1000] [--days 30] [--to YYYY-MM-DD] [--zone Europe/London] [--seed 1]
"""
import argparse, datetime, hashlib, hmac, json, pathlib, random, re, zoneinfo

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NODE = "generated-demo"
SEGMENT_BYTES = 16 << 20

#        service          zone        share of people's sessions, bytes down a minute (core, other)
SERVICES = [
    ("facebook", "public", 20, 300_000, 900_000),
    ("instagram", "public", 14, 500_000, 1_500_000),
    ("youtube", "public", 16, 400_000, 9_000_000),
    ("x", "public", 9, 120_000, 300_000),
    ("linkedin", "public", 11, 90_000, 200_000),
    ("reddit", "public", 5, 80_000, 400_000),
    ("whatsapp", "external", 8, 9_000, 20_000),
    ("tiktok", "public", 3, 200_000, 8_000_000),
    ("knowledge-hub", "external", 9, 70_000, 60_000),
    ("bebo", "public", 0.05, 40_000, 40_000),
    (None, None, 12, 0, 400_000),
]
#        role, share, rule for social media, purpose of that rule
ROLES = [
    ("communications", 0.04, "campaigns", "public campaigns and civic debate"),
    ("youth", 0.06, "youth", "youth participation"),
    ("staff", 0.90, "staff-social", None),
]


def fields_of_kinds():
    """kind → its keys in order, from the two tables."""
    text = (ROOT / "audit/fields.def").read_text()
    order = re.findall(r'^FIELD\((\w+), "(\w+)"', text, re.M)
    key = dict(order)
    kinds = {}
    for name, word, body in re.findall(r'^KIND\((\w+), "(\w+)",(.*?)"', (ROOT / "audit/kinds.def").read_text(), re.M | re.S):
        has = set(re.findall(r"F\((\w+)\)", body))
        kinds[word] = [k for n, k in order if n in has]
    return kinds


KINDS = fields_of_kinds()


def sha(*parts):
    h = hashlib.sha256()
    for p in parts:
        h.update(p)
    return h.digest()


def body_of(kind, values):
    record = {"k": kind}
    for key in KINDS[kind]:
        record[key] = values.pop(key, None)
    assert not values, f"{kind} carries no {sorted(values)}"
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


class Writer:
    """One writer's folder; every start() is a new chain."""

    def __init__(self, root, name, rng):
        self.folder = root / name
        self.folder.mkdir(parents=True)
        self.name, self.rng, self.number, self.file, self.slot = name, rng, 0, None, 0
        self.chain = self.seq = self.hash = None

    def start(self, stamp, seed):
        before = (self.chain, self.seq, self.hash)
        self.chain = "%032x" % self.rng.getrandbits(128)
        self.seq, self.hash = 0, sha(b"stile-chain-1:" + self.chain.encode())
        self.open()
        mark = dict(stamp, what="start", text=f"node {NODE}, stile 0.1.0; generated data, seed {seed}")
        if before[0]:
            mark.update(chain=before[0], seq=before[1], hash=before[2].hex())
        self.add("mark", mark)

    def open(self):
        if self.file:
            self.file.close()
        self.number += 1
        name = f"{self.number:08d}-{self.chain}-{self.seq + 1}.jnl"
        self.file = open(self.folder / name, "wb")
        self.file.write(f"stile-journal 1 {self.chain} {self.seq + 1} {self.hash.hex()}\n".encode())

    def add(self, kind, values):
        if self.file.tell() > SEGMENT_BYTES:
            self.open()
        if "slot" in KINDS[kind]:
            self.slot += 1
            values["slot"] = f"{self.name}.{self.slot}"
        body = body_of(kind, values)
        self.seq += 1
        self.hash = sha(self.hash, sha(body))
        self.file.write(b"%d %s %s\n" % (self.seq, self.hash.hex().encode(), body))

    def close(self, stamp):
        self.add("mark", dict(stamp, what="stop"))
        self.file.close()


class Demo:
    def __init__(self, args):
        self.args = args
        self.rng = random.Random(args.seed)
        self.again = random.Random(args.seed + 1)  # of its own, so that the rest stays what it was
        self.zone = zoneinfo.ZoneInfo(args.zone)
        root = pathlib.Path(args.folder)
        self.workers = [Writer(root, f"worker-{i}", self.rng) for i in range(2)]
        self.master = Writer(root, "master", self.rng)
        self.people = [self.person(i) for i in range(args.people)]
        self.ids = 0

    def person(self, i):
        pseudonym = hmac.new(b"generated", b"%d/%d" % (self.args.seed, i), hashlib.sha256).hexdigest()[:24]
        role = self.rng.choices(ROLES, [r[1] for r in ROLES])[0]
        liked = self.rng.choices(SERVICES, [s[2] for s in SERVICES], k=4)
        return {"user": pseudonym, "role": role, "liked": liked, "keen": self.rng.gammavariate(2, 0.5)}

    def stamp(self, t):
        day = datetime.datetime.fromtimestamp(t, self.zone).date().isoformat()
        return {"t": int(t * 1000), "day": day}

    # --- what people do: (time, worker, kind, values) -------------------------------------------

    def session(self, p, begin, out):
        """A tunnel or several for some minutes: accesses, usage of each minute, ends."""
        service, zone, _, core, other = self.rng.choice(p["liked"])
        role, _, rule, purpose = p["role"]
        if service in (None, "knowledge-hub"):
            rule, purpose = "rest", None
        elif role == "communications" and self.rng.random() < 0.15:
            rule, purpose = "staff-social", None
        who = {"user": p["user"], "role": role, "service": service, "zone": zone, "rule": rule, "purpose": purpose}
        minutes = 1 + int(self.rng.expovariate(1 / 6))
        worker = self.rng.randrange(2)
        for tab in range(1 + (self.rng.random() < 0.4)):
            self.tunnel(who, begin, minutes, worker ^ tab, core, other, out)

    def tunnel(self, who, begin, minutes, worker, core, other, out):
        self.ids += 1
        access = f"a{self.ids:x}"
        part = "core" if core else None
        out.append((begin, worker, "access", dict(who, id=access, roles=[who["role"]], proto="connect",
                    to=who["service"] or "news.example", port=443, part=part, verdict="allow", reason="rule", n=None)))
        up_all = down_all = 0
        for k in range(minutes):
            t = begin + 60 * k
            quiet = self.rng.random() < 0.25
            core_down = int(core * self.rng.random() * (0.02 if quiet else 1))
            core_up = core_down // 8 + (self.rng.randrange(3000) if core else 0)
            down = core_down + int(other * self.rng.random() * (0.01 if quiet else 1))
            up = core_up + self.rng.randrange(4000)
            up_all, down_all = up_all + up, down_all + down
            out.append((t // 60 * 60 + 60, worker, "usage", dict(who, minute=int(t // 60), up=up, down=down,
                        core_up=core_up, core_down=core_down, tunnels=1)))
        out.append((begin + 60 * minutes, worker, "end", {"id": access, "user": who["user"], "reason": "closed", "status": 200,
                    "up": up_all, "down": down_all, "ms": 60000 * minutes, "tls": "tls"}))

    def refusal(self, p, t, out):
        role = p["role"][0]
        limited = self.rng.random() < 0.3
        service, zone = ("facebook", "public") if limited else (None, None)
        worker = self.rng.randrange(2)
        values = {
            "user": p["user"], "role": role, "roles": [role], "proto": "connect", "to": service or "casino.example", "port": 443,
            "service": service, "zone": zone, "part": "core" if limited else None, "verdict": "deny",
            "reason": "limit" if limited else "rule", "rule": "staff-social" if limited else "gambling",
            "n": self.rng.randrange(2, 30) if self.rng.random() < 0.2 else None}
        out.append((t, worker, "access", values))
        for _ in range(self.again.choice((0, 0, 1, 4))):  # browsers and people who try again
            t += self.again.choice((1, 40, 119, 120, 121, 300))
            out.append((t, self.again.randrange(2), "access", dict(values, n=self.again.choice((1, 1, 5)))))

    def day_of_person(self, p, noon, out):
        first = noon - 4 * 3600 + self.rng.randrange(3600)
        out.append((first, 0, "access", {"proto": "connect", "to": "other", "port": 443, "verdict": "challenge", "reason": "login"}))
        out.append((first + 1, 0, "person", {"user": p["user"], "roles": [p["role"][0]], "strength": "password"}))
        for _ in range(1 + int(self.rng.expovariate(1 / (3 * p["keen"])))):
            self.session(p, noon + self.rng.randrange(-4 * 3600, 5 * 3600), out)
        if p["role"][0] == "communications" and self.again.random() < 0.4:
            t = noon - self.again.randrange(4 * 3600)
            out.append((t, self.again.randrange(2), "ack", {"user": p["user"], "role": "communications", "rule": "campaigns",
                        "purpose": self.again.choice(("public campaigns", "answers to residents")), "until": int(t * 1000) + 4 * 3600_000}))
        if self.rng.random() < 0.05:
            self.refusal(p, noon + self.rng.randrange(4 * 3600), out)

    def kiosks(self, noon, out):
        who = {"user": None, "role": "kiosks", "service": "facebook", "zone": "public", "rule": "kiosks", "purpose": None}
        for i in range(5):
            self.tunnel(who, noon + 600 * i, 4, i % 2, 200_000, 300_000, out)

    # --- a day ------------------------------------------------------------------------------------

    def day(self, date, first):
        midnight = datetime.datetime.combine(date, datetime.time(), self.zone).timestamp()
        end = datetime.datetime.combine(date + datetime.timedelta(days=1), datetime.time(), self.zone).timestamp()
        noon = midnight + 12 * 3600
        for w in (*self.workers, self.master) if first else self.workers[:1] if date.weekday() == 0 else ():
            w.start(self.stamp(midnight), self.args.seed)
        out = []
        busy = 0.8 if date.weekday() < 5 else 0.01
        for p in self.people:
            if self.rng.random() < busy:
                self.day_of_person(p, noon, out)
        self.kiosks(noon, out)
        out.sort(key=lambda r: r[0])
        for t, worker, kind, values in out:
            self.workers[worker].add(kind, dict(values, **self.stamp(t)))
        self.marks(date, int(midnight), int(end))

    def marks(self, date, begin, end):
        """A checkpoint a minute, but for a quarter of an hour on the 13th, which a gap mark tells of."""
        for t in range(begin, end, 60):
            out_of_order = date.day == 13 and 180 <= (t - begin) // 60 < 195
            if not out_of_order:
                self.master.add("mark", dict(self.stamp(t), what="checkpoint"))
        if date.day == 13:
            self.master.add("mark", dict(self.stamp(begin + 195 * 60), what="gap", n=17, text="17 records lost: generated"))

    def run(self):
        last = datetime.date.fromisoformat(self.args.to)
        days = [last - datetime.timedelta(days=n) for n in reversed(range(self.args.days))]
        for d in days:
            self.day(d, d == days[0])
        for w in (*self.workers, self.master):
            w.close(self.stamp(datetime.datetime.combine(last, datetime.time(23, 59, 59), self.zone).timestamp()))


def main():
    yesterday = datetime.date.today() - datetime.timedelta(days=1)
    a = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    a.add_argument("folder", help="journal to make; must not exist")
    a.add_argument("--people", type=int, default=1000)
    a.add_argument("--days", type=int, default=30)
    a.add_argument("--to", default=yesterday.isoformat(), help="last day; yesterday")
    a.add_argument("--zone", default="Europe/London")
    a.add_argument("--seed", type=int, default=1)
    Demo(a.parse_args()).run()


if __name__ == "__main__":
    main()
