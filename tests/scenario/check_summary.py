#!/usr/bin/env python3
"""The figures of `stile-report summary`, computed a second time from the raw lines of a journal.

Written from the documentation (stile-report(1), journal.h, chain.h, the record tables), not from the
program: sets of (person, minute) and plain sums, no cleverness. As a command it runs the program too
and prints every difference.

    check_summary.py PROGRAM JOURNAL --from D --to D [--fold N]
"""
import argparse, collections, hashlib, json, pathlib, subprocess, sys

DIMS = ("role", "service", "zone", "rule", "purpose", "day")
FLOOR, FLOOR_UP = 16384, 2048


def lines(journal):
    """(writer, body or None where the hash does not follow) of every line, as a reader with sha256sum would."""
    for path in sorted(pathlib.Path(journal).glob("*/*.jnl")):
        with open(path, "rb") as f:
            magic, version, chain, first, before = f.readline().split()
            assert (magic, version) == (b"stile-journal", b"1"), path
            last = bytes.fromhex(before.decode())
            for line in f:
                seq, digest, body = line.rstrip(b"\n").split(b" ", 2)
                digest = bytes.fromhex(digest.decode())
                good = hashlib.sha256(last + hashlib.sha256(body).digest()).digest() == digest
                last = digest
                yield body if good else None


SPENT = ("limit", "minutes-spent", "bytes-spent", "tunnels-open")  # reasons with status 429


class Figures:
    def __init__(self):
        self.people = set()
        self.counts = collections.Counter()
        self.active, self.open = set(), set()  # of (person, minute)

    def as_row(self):
        c = self.counts
        return {"people": len(self.people), "accesses": c["allow"], "refused": c["deny"], "limited": c["limit"],
                "challenges": c["challenge"], "accepted": c["ack"], "active_minutes": len(self.active), "idle_minutes": len(self.open - self.active),
                "bytes_up": c["up"], "bytes_down": c["down"]}

    def add(self, other):
        self.people |= other.people
        self.counts += other.counts
        self.active |= other.active
        self.open |= other.open


class Summary:
    def __init__(self, journal, first, last):
        self.rows = {d: collections.defaultdict(Figures) for d in DIMS}
        self.total = Figures()
        self.bad = self.checkpoints = self.lost = self.records = 0
        self.core = collections.defaultdict(list)  # (person, service, minute) → [(dims, up, down)]
        for body in lines(journal):
            self.records += 1
            if body is None:
                self.bad += 1
                continue
            r = json.loads(body)
            if first <= r["day"] <= last:
                getattr(self, "on_" + r["k"], lambda r: None)(r)
        self.minutes()

    def everywhere(self, r):
        yield self.total
        for d in DIMS:
            yield self.rows[d][r.get(d)]

    def count(self, r, what, n):
        for f in self.everywhere(r):
            f.counts[what] += n
            if r["user"] and n:
                f.people.add(r["user"])

    def on_access(self, r):
        what = r["verdict"]
        if what == "deny" and r["reason"] in SPENT:
            what = "limit"
        self.count(r, what, 1 if r["n"] is None else r["n"])

    def on_ack(self, r):
        self.count(r, "ack", 1)

    def on_usage(self, r):
        self.count(r, "up", r["up"])
        self.count(r, "down", r["down"])
        if r["user"] and r["core_up"] + r["core_down"]:
            self.core[r["user"], r["service"], r["minute"]].append((r, r["core_up"], r["core_down"]))

    def on_mark(self, r):
        self.checkpoints += r["what"] == "checkpoint"
        self.lost += r["n"] if r["what"] == "gap" else 0

    def minutes(self):
        for (user, service, minute), parts in self.core.items():
            up, down = sum(p[1] for p in parts), sum(p[2] for p in parts)
            active = up + down >= FLOOR and up >= FLOOR_UP
            for f in self.rows_of(parts):
                f.people.add(user)
                f.open.add((user, minute))
                if active:
                    f.active.add((user, minute))

    def rows_of(self, parts):
        """The total, and in each dimension the row with most core bytes; the first by name among equals."""
        yield self.total
        for d in DIMS:
            share = collections.Counter()
            for r, up, down in parts:
                share[r.get(d)] += up + down
            yield self.rows[d][min(share, key=lambda k: (-share[k], (k or "").encode()))]

    def folded(self, dim, below):
        """[(key, folded rows or 0, row)] with the rule of stile-report(1)."""
        rows = dict(self.rows[dim])
        order = lambda k: (len(rows[k].people), rows[k].counts["allow"], (k or "").encode())
        fold, into = [k for k in rows if 0 < len(rows[k].people) < below], Figures()
        for k in fold:
            into.add(rows[k])
        while fold and (len(fold) < 2 or len(into.people) < below):
            left = [k for k in rows if k not in fold and rows[k].people]
            if not left:
                break
            fold.append(min(left, key=order))
            into.add(rows[fold[-1]])
        out = {k: f.as_row() for k, f in rows.items() if k not in fold}
        return out, (len(fold), into.as_row()) if fold else None


def compare(summary, report, below):
    """Every difference in words."""
    def differ(where, mine, theirs):
        return [f"{where}.{k}: computed {mine[k]}, reported {theirs.get(k)}" for k in mine if mine[k] != theirs.get(k)]

    bad = differ("total", summary.total.as_row(), report["total"])
    bad += differ("coverage", {"minutes_recorded": summary.checkpoints, "lost_records": summary.lost,
                               "bad_lines": summary.bad}, report["coverage"])
    for table in report["tables"]:
        dim = table["table"]
        if dim not in DIMS:
            continue
        mine, fold = summary.folded(dim, below)
        theirs = {r["key"]: r for r in table["rows"] if not r["folded"]}
        if dim == "day":  # days without a record are shown, with zeros
            for day in theirs:
                mine.setdefault(day, Figures().as_row())
        for key in sorted(set(mine) | set(theirs), key=str):
            if key not in mine or key not in theirs:
                bad.append(f"{dim} {key}: only {'reported' if key in theirs else 'computed'}")
            else:
                bad += differ(f"{dim} {key}", mine[key], theirs[key])
        folds = [r for r in table["rows"] if r["folded"]]
        if len(folds) != (fold is not None):
            bad.append(f"{dim}: {len(folds)} folds reported, computed {fold}")
        elif fold:
            bad += differ(f"{dim} fold", dict(fold[1], rows=fold[0]), folds[0])
    return bad


def main():
    a = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    a.add_argument("program")
    a.add_argument("journal")
    a.add_argument("--from", dest="first", required=True)
    a.add_argument("--to", dest="last", required=True)
    a.add_argument("--fold", type=int, default=5)
    o = a.parse_args()
    command = [o.program, "summary", "--journal", o.journal, "--from", o.first, "--to", o.last, "--fold", str(o.fold), "--json"]
    report = json.loads(subprocess.run(command + [w for d in DIMS for w in ("--by", d)], stdout=subprocess.PIPE, check=True).stdout)
    summary = Summary(o.journal, o.first, o.last)
    bad = compare(summary, report, o.fold)
    print("\n".join(bad) or f"{summary.records} records: every figure agrees")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
