"""The figures of `stile-report denied`, `person` and `rules`, computed a second time from the raw lines of a journal.

Written from stile-report(1), not from the program, as check_summary is. Each function gives every difference in words."""
import collections, json
import check_summary

GAP_MS = 120_000


def records(journal, first, last):
    for body in check_summary.lines(journal):
        r = json.loads(body) if body else None
        if r and first <= r["day"] <= last:
            yield r


def differ(where, mine, theirs):
    return [f"{where}.{k}: computed {mine[k]}, reported {theirs.get(k)}" for k in mine if mine[k] != theirs.get(k)]


def table_of(report, name):
    return next(t["rows"] for t in report["tables"] if t["table"] == name)


# --- denied -------------------------------------------------------------------------------------------

KEYS = {"destination": "to"}  # the field of a record where it has another name


def attempts_of(journal, first, last):
    """Lists of refusals, each an attempt."""
    groups = collections.defaultdict(list)
    for r in records(journal, first, last):
        if r["k"] == "access" and r["verdict"] == "deny":
            groups[r["user"], r["to"], r["rule"], r["reason"]].append(r)
    for refusals in groups.values():
        refusals.sort(key=lambda r: r["t"])
        attempt = []
        for r in refusals:
            if attempt and r["t"] - attempt[-1]["t"] > GAP_MS:
                yield attempt
                attempt = []
            attempt.append(r)
        yield attempt


def figures(attempts):
    count = lambda limited: sum(1 if r["n"] is None else r["n"] for a in attempts for r in a if (r["reason"] in check_summary.SPENT) == limited)
    return {"people": len({a[0]["user"] for a in attempts} - {None}), "attempts": len(attempts), "refused": count(False), "limited": count(True)}


def fold(rows, below):
    order = lambda k: (figures(rows[k])["people"], len(rows[k]), (k or "").encode())
    folded = [k for k in rows if 0 < figures(rows[k])["people"] < below]
    inside = lambda: figures([a for k in folded for a in rows[k]])
    while folded and (len(folded) < 2 or inside()["people"] < below):
        left = [k for k in rows if k not in folded and figures(rows[k])["people"]]
        if not left:
            break
        folded.append(min(left, key=order))
    return folded, inside()


def compare_denied(journal, first, last, report, below):
    attempts = list(attempts_of(journal, first, last))
    bad = differ("total", figures(attempts), report["total"])
    for table in report["tables"]:
        dim = table["table"]
        if dim == "nodes":
            continue
        rows = collections.defaultdict(list)
        for a in attempts:
            rows[a[0].get(KEYS.get(dim, dim))].append(a)
        folded, together = fold(rows, below)
        told = {r["key"]: r for r in table["rows"] if not r["folded"]}
        for key in sorted(set(told) | set(rows) - set(folded), key=str):
            if dim == "day" and key not in rows and key in told:
                bad += differ(f"day {key}", figures([]), told[key])
            elif key not in told or key in folded:
                bad.append(f"{dim} {key}: only {'reported' if key in told else 'computed'}")
            else:
                bad += differ(f"{dim} {key}", figures(rows[key]), told[key])
        folds = [r for r in table["rows"] if r["folded"]]
        bad += differ(f"{dim} fold", dict(together, rows=len(folded)), folds[0]) if folds else [f"{dim}: no fold"] if folded else []
    return bad


# --- person -------------------------------------------------------------------------------------------

class Person(check_summary.Summary):
    """The summary's computation over the records of one pseudonym."""

    def __init__(self, journal, first, last, who):
        self.who = who
        self.both = collections.defaultdict(check_summary.Figures)
        super().__init__(journal, first, last)

    def everywhere(self, r):
        yield from super().everywhere(r)
        yield self.both[r["day"], r.get("service")]

    def on_ack(self, r):
        if r["user"] == self.who:
            super().on_ack(r)

    def on_access(self, r):
        if r["user"] == self.who:
            super().on_access(r)

    def on_usage(self, r):
        if r["user"] == self.who:
            super().on_usage(r)

    def rows_of(self, parts):
        yield from super().rows_of(parts)
        yield self.both[parts[0][0]["day"], parts[0][0]["service"]]


def compare_person(journal, first, last, who, report):
    p = Person(journal, first, last, who)
    wanted = lambda f: {k: v for k, v in f.as_row().items() if k not in ("people", "challenges", "accepted")}
    none = "(no known service)"
    bad = differ("total", wanted(p.total), report["total"])
    mine = {"day": {(k, None): f for k, f in p.rows["day"].items()}, "service": {(None, k or none): f for k, f in p.rows["service"].items()},
            "day-service": {(d, s or none): f for (d, s), f in p.both.items()}}
    for dim, rows in mine.items():
        told = {(r["day"], r["service"]): r for r in table_of(report, dim)}
        if dim == "day":
            for key in told:
                rows.setdefault(key, check_summary.Figures())
        if set(rows) != set(told):
            bad.append(f"{dim}: computed {sorted(rows, key=str)}, reported {sorted(told, key=str)}")
        for key in set(rows) & set(told):
            bad += differ(f"{dim} {key}", wanted(rows[key]), told[key])
    return bad


# --- rules --------------------------------------------------------------------------------------------

def compare_rules(journal, first, last, report, below, policy):
    """`policy`: the names of its rules, in order."""
    s = check_summary.Summary(journal, first, last)
    told, folded = s.folded("rule", below)
    used = {k for k, f in s.rows["rule"].items() if any(f.as_row().values())}
    last_day = collections.defaultdict(str)
    for r in records(journal, first, last):
        if r["k"] in ("access", "usage", "ack"):
            last_day[r["rule"]] = max(last_day[r["rule"]], r["day"])
    keys = ("people", "accesses", "active_minutes", "refused", "limited", "accepted")
    rows = table_of(report, "rules")
    bad = [] if [r["rule"] for r in rows] == policy else [f"rules: {[r['rule'] for r in rows]}"]
    for r in rows:
        name = r["rule"]
        if name in told:
            mine = dict({k: told[name][k] for k in keys}, state="used", last_use=last_day[name])
        elif name in used:
            mine = dict(dict.fromkeys(keys), state="used; figures folded", last_use=None)
        else:
            mine = dict(dict.fromkeys(keys, 0), state="never used", last_use=None)
        bad += differ(f"rule {name}", mine, r)
    rest = {r["rule"]: r for r in table_of(report, "rest") if not r["folded"]}
    for name in told:
        if name not in policy and any(told[name][k] for k in keys):
            bad += differ(f"rest {name}", {k: told[name][k] for k in keys}, rest.get(name or "(no rule)", {}))
    folds = [r for r in table_of(report, "rest") if r["folded"]]
    if folded:
        bad += differ("rest fold", dict({k: folded[1][k] for k in keys}, rows=folded[0]), folds[0] if folds else {})
    return bad
