/*
 * The policy as the rest of stile sees it: a snapshot and the one function that decides.
 *
 * A snapshot is one immutable block of bytes, made by policy_compile() from the policy file, the
 * built-in catalogue, lists, the time zone and the country database. It holds offsets instead of
 * pointers, so that the master can pass it to workers by descriptor and all of them map the same
 * pages. policy_evaluate() reads it and the facts, and nothing else: no clock, no file, no memory.
 */
#ifndef STILE_POLICY_H
#define STILE_POLICY_H

#include "addr.h"
#include "buf.h"
#include "err.h"
#include "host.h"
#include "problem.h"
#include "span.h"

#define POLICY_ROLES_MAX     64 /* a role set is a 64-bit mask; bit i is role i in file order */
#define POLICY_RULES_MAX     4096
#define POLICY_NAME_MAX	     64	 /* rule, role, service, schedule, category names */
#define POLICY_TEXT_MAX	     200 /* purpose, message, owner, … */
#define POLICY_TAGS_MAX	     16	 /* services, categories or targets one host can match */
#define POLICY_STANDINGS_MAX 16	 /* rules that one evaluation can ask about a person's standing */
#define POLICY_PURPOSES_MAX  16	 /* that a person may choose from under one rule */
#define POLICY_SEEN_MAX	     8	 /* observing rules that one evaluation reports */

struct snapshot;

/* Reads the policy file and all it names, and appends the snapshot's bytes to *out. Errors and
 * findings go to *p (which findings: policy_lint). False when there was an error. Touches files and
 * TZ, so only the master and the tools call it. */
bool policy_compile(const char *path, struct buf *out, struct problems *p);
/* Findings that need the compiled policy and a date: shadowed, unreachable, expired schedules,
 * review overdue, unknown names, overlapping services. Added to *p. */
void policy_lint(const char *path, const struct snapshot *s, int64_t now_s, struct problems *p);

/* Checks every offset and length; returns a view of the same bytes (8-aligned), or NULL. */
const struct snapshot *snapshot_open(const void *bytes, size_t n, struct err *e);

/* --- what the snapshot says about itself -------------------------------------------------- */

enum rule_action {
	RULE_ALLOW,
	RULE_DENY,
	RULE_COACH /* as allow, once the person has accepted the code of conduct */
};
enum rule_record {
	RECORD_SERVICE, /* the service, or the registrable domain where none is known */
	RECORD_HOST,
	RECORD_NONE /* counted as "other" */
};

/* GCRA: one every `interval_us`, `burst` may come at once beyond that. interval 0: no such limit.
 */
struct rate_limit {
	uint64_t interval_us;
	uint32_t burst;
	uint32_t count;	   /* as written: count per period */
	uint32_t period_s; /* 1, 60, 3600 or 86400 */
};

/* What is limited, of one person under one rule. */
enum limit_kind {
#define LIMIT(name, word, text) LIMIT_##name,
#include "limits.def"
#undef LIMIT
	LIMIT_COUNT /* none */
};
const char *limit_word(enum limit_kind k);

/* What happens once a limit is spent. */
enum when_spent {
	WHEN_SPENT_DENY,
	WHEN_SPENT_COACH, /* goes on for rule.remember_s after an acknowledgement */
	WHEN_SPENT_NEXT	  /* the next rule decides */
};

/* What holds of minutes and bytes while the totals of other nodes are not known. */
enum without_redis {
	WITHOUT_REDIS_LOCAL, /* this host's own figures */
	WITHOUT_REDIS_DENY,
	WITHOUT_REDIS_ALLOW
};

/* 0: no such limit. */
struct limits_view {
	uint32_t minutes; /* active minutes a local day */
	uint64_t bytes;	  /* both directions, a local day */
	struct rate_limit requests;
	uint32_t tunnels;   /* open at once */
	uint64_t bandwidth; /* bytes a second, each direction apart; slows, is never spent */
	uint8_t warn;	    /* percent of minutes or bytes */
	enum when_spent when_spent;
	uint32_t grace_s; /* open accesses go on for so long once minutes or bytes are spent */
	enum without_redis without_redis;
};

extern const char *const when_spent_words[];	/* by enum when_spent; a NULL behind them */
extern const char *const without_redis_words[]; /* by enum without_redis; likewise */
bool limits_have(const struct limits_view *l, enum limit_kind k);
/* One of them as people read it: "60 minutes a day", "2 GB a day", "6 tunnels at once",
 * "60 requests/min", "4 MB/s"; nothing where it is not limited. */
void limits_put(const struct limits_view *l, enum limit_kind k, struct buf *out);

const char *action_word(enum rule_action a); /* "allow", "deny", "coach" */

struct rule_view {
	struct span name, message, purpose, owner, benefit, risk, risk_owner, review;
	enum rule_action action;
	enum rule_record record;
	bool observe;
	bool opaque; /* tunnels that are not TLS are fine even under tls_only */
	struct limits_view limits;
	uint32_t remember_s; /* how long an acknowledgement holds; 0: the rule asks for none */
	unsigned line;
};

size_t snapshot_rules(const struct snapshot *s);
void snapshot_rule(const struct snapshot *s, size_t i, struct rule_view *out);
/* What a person may choose from who acknowledges under the rule: its purposes, else its purpose;
 * returns how many, at most cap. */
size_t snapshot_rule_purposes(const struct snapshot *s, size_t i, struct span *out, size_t cap);
/* The code of conduct, a line or an http(s) URL; empty: none is named. */
struct span snapshot_conduct(const struct snapshot *s);
size_t snapshot_roles(const struct snapshot *s);
struct span snapshot_role(const struct snapshot *s, size_t i);
size_t snapshot_services(const struct snapshot *s);
struct span snapshot_service(const struct snapshot *s, size_t i); /* its name */
struct span snapshot_service_title(const struct snapshot *s, size_t i);
struct span snapshot_service_zone(
	const struct snapshot *s, size_t i); /* internal, external, public or "" */
struct span snapshot_category(const struct snapshot *s, size_t i);
struct span snapshot_zone_name(const struct snapshot *s); /* "Europe/London" */
struct span snapshot_catalogue_version(const struct snapshot *s);
bool snapshot_tls_only(const struct snapshot *s);
/* Shall the name in a ClientHello be that of the CONNECT? */
bool snapshot_sni_match(const struct snapshot *s);
/* Does any rule or role ask who somebody is? */
bool snapshot_wants_identity(const struct snapshot *s);

/* --- time in the policy's zone (zone.c) ---------------------------------------------------- */

struct local_time {
	int year, month, day; /* month 1-12 */
	int weekday;	      /* 0 Monday … 6 Sunday */
	int minute;	      /* of the day, 0-1439 */
	int32_t offset_s;     /* east of UTC */
};

void snapshot_local(const struct snapshot *s, int64_t unix_s, struct local_time *out);
/* "YYYY-MM-DD" of that moment. */
void snapshot_day(const struct snapshot *s, int64_t unix_s, char out[11]);
/* Local "YYYY-MM-DD" or "YYYY-MM-DD HH:MM" to UTC; false if malformed or out of 2000-2060. A time
 * that daylight saving skips gives the moment of the change; one that comes twice, the first. */
bool snapshot_parse_time(const struct snapshot *s, struct span text, int64_t *unix_s);

/* A day of the zone: 23 to 26 hours long. */
struct local_day {
	uint32_t number;      /* of the local date, in days since 1970-01-01 */
	int64_t from_s, to_s; /* UTC; where the next day begins */
	char text[11];	      /* "YYYY-MM-DD" */
};
/* The day in which that moment lies. */
void snapshot_local_day(const struct snapshot *s, int64_t unix_s, struct local_day *out);

/* --- what a host is ------------------------------------------------------------------------ */

enum service_part {
#define PART(name, key, word, text) PART_##name,
#include "parts.def"
#undef PART
	PART_COUNT
};
const char *part_word(enum service_part p);

struct service_tag {
	uint16_t service;
	uint8_t part;
};

/* The classification of a host name under a snapshot: filled once, then used for every decision
 * about that host. Services come from the longest suffix that any service lists; categories (those
 * that lists give, the services' own hang on the services) and rule targets from every suffix. What
 * does not fit is left out from the shortest suffix on; the loader refuses policies in which that
 * could happen to services or rule targets. */
struct target {
	uint8_t services, categories, names;
	struct service_tag service[POLICY_TAGS_MAX];
	uint16_t category[POLICY_TAGS_MAX * 2];
	uint32_t name[POLICY_TAGS_MAX]; /* ids of the names in rules' `to` that match */
};

void policy_classify(const struct snapshot *s, const struct host *h, struct target *out);

/* The label that records of this access carry under `record`: service name ("a+b" where services
 * share the host), registrable domain (public suffix list), host, or "other". An address has its
 * text as label. `out` takes HOST_MAX bytes at least. */
void policy_label(const struct snapshot *s, const struct host *h, const struct target *t,
	enum rule_record record, char *out, size_t cap);

/* --- the decision -------------------------------------------------------------------------- */

enum identity_state {
	IDENTITY_UNKNOWN, /* nobody asked yet */
	IDENTITY_NOBODY,  /* cannot be known: no login is configured */
	IDENTITY_KNOWN
};
enum address_state {
	ADDRESS_UNKNOWN,
	ADDRESS_KNOWN,
	ADDRESS_OUTSIDE /* explain without --address: assumed public, country unknown */
};
enum spent_state {
	SPENT_UNKNOWN, /* nobody asked yet */
	SPENT_NO,
	SPENT_YES,
	SPENT_UNTOLD /* totals of other nodes are missing, and the rule denies without them */
};

/* How the person stands under one rule, as far as the caller was asked (NEED_ACK, NEED_LIMIT). */
struct standing_facts {
	uint16_t rule;
	bool asked_ack, acked;
	enum spent_state spent;
	enum limit_kind kind; /* if spent: what */
	uint32_t retry_s;     /* if spent: when to come again */
	uint32_t spent_for_s; /* if spent: since how long */
};

struct facts {
	int64_t now_s; /* UTC */
	struct addr client;
	enum identity_state identity;
	uint64_t roles; /* of the person, by policy_roles(); networks are added by evaluate */
	const struct host *host;
	const struct target *target;
	uint16_t port;
	enum address_state address_state;
	struct addr address;
	bool address_is_self; /* one of stile's own listeners, with this port */
	uint8_t standings;    /* of how many rules the standing is known */
	struct standing_facts standing[POLICY_STANDINGS_MAX];
	bool open; /* the access is open already and judged again: nothing is taken, and grace holds
		    */
	bool limits_unspent; /* explain and tests: where no standing says otherwise, nothing is
				spent … */
	bool all_acked;	     /* … and everything acknowledged */
	bool observe_all;    /* break-glass: what the rules refuse is only noted */
};

/* What the facts say of that rule's standing, made if there is nothing yet; NULL: the facts hold no
 * more rules. */
struct standing_facts *facts_standing(struct facts *f, size_t rule);

enum decision { DECISION_ALLOW, DECISION_DENY, DECISION_NEED };
enum need {
	NEED_NONE,
	NEED_IDENTITY,
	NEED_ADDRESS, /* also for countries: the snapshot knows an address's country */
	NEED_ACK,     /* of `rule`: is there an acknowledgement that holds? */
	NEED_LIMIT    /* of `rule`: is one of its limits spent? Where none is, take one request */
};
enum reason {
#define REASON(name, word, status, text) REASON_##name,
#include "reasons.def"
#undef REASON
	REASON_COUNT
};

struct verdict {
	enum decision decision;
	enum need need;
	enum reason reason;
	int32_t rule;	 /* index of the deciding rule (or of a need for its standing); -1: none */
	int32_t role;	 /* the role through which it holds; where the rule names none, the first
			    role that holds; -1: none */
	uint64_t roles;	 /* all roles that hold, networks included */
	char country[3]; /* of the address, "" if unknown */
	enum limit_kind limit; /* that is spent and led to this; LIMIT_COUNT: none */
	uint32_t retry_s;      /* for a spent limit */
	uint8_t seen;	       /* observing rules that would have decided, in order */
	uint16_t seen_rule[POLICY_SEEN_MAX];
};

/* Why a rule did not decide; kept by evaluate for explain: the first that failed in the order to,
 * except, roles, schedule, country, port, so that a rule for other hosts says so. */
enum condition {
	COND_HOLDS,
	COND_OBSERVED, /* holds, but the rule only observes */
	COND_SCHEDULE,
	COND_PORT,
	COND_TO,
	COND_EXCEPT,
	COND_ROLES,
	COND_COUNTRY,
	COND_LIMIT_NEXT, /* spent: the next rule decides */
	COND_NOT_REACHED
};
struct trace {
	size_t cap, n;
	enum condition *v; /* caller's array, one for each rule */
};
const char *condition_text(enum condition c);

/* First rule whose conditions all hold decides; none: deny. Conditions are tried with what is known
 * first, so that a need is stated only when the answer depends on it; identity comes before
 * address (nobody unknown makes us resolve names), limits last. An allow is given only for a known
 * address that the guard passes; where it does not, or a limit is spent, `rule` still names the
 * rule that would have allowed. A rule without ports: an allow opens the policy's, a deny closes
 * all. Observing rules never cause a need: what is open counts as not holding for them. A literal
 * host is its own address for conditions; ADDRESS_KNOWN is still asked for before an allow, because
 * only the caller knows its own listeners. `t` may be NULL.
 *
 * A rule that coaches needs a person: without a login it denies. Where the person has acknowledged
 * it is as a rule that allows. Acknowledgements are asked for after the guard, limits last. A spent
 * limit denies, asks for an acknowledgement, or leaves the answer to the next rule, as the rule
 * says.
 *
 * Under facts.observe_all rules that deny are as if they observed, a limit that is spent lets
 * through, what coaches counts as acknowledged, and where no rule allows the answer is an allow all
 * the same, with reason OBSERVE_ALL and those rules in `seen`. Needs, logins among them, and the
 * guard hold as ever: an address inside is open only through a rule that allows it by name. Who
 * could log in is asked to first. */
void policy_evaluate(
	const struct snapshot *s, const struct facts *f, struct verdict *v, struct trace *t);

/* Several addresses: each candidate is judged. (RFC 8305's list.) facts->address and the verdict
 * are those of one call; callers loop. */

/* The role mask of a person by name and groups; roles by network are evaluate's. */
uint64_t policy_roles(
	const struct snapshot *s, struct span user, const struct span *groups, size_t n);
/* --- what holds for somebody now, and until when (outlook.c) --------------------------------- */

struct rule_now {
	int32_t role;	 /* through which it is for you; -1: it names none, or none holds */
	bool for_you;	 /* one of its roles holds, or it names none */
	bool open;	 /* its schedule holds */
	int64_t until_s; /* when that of the schedule changes next, UTC; 0: never */
};

/* Of the facts only who, from where and when are looked at. */
void policy_rule_now(
	const struct snapshot *s, const struct facts *f, size_t rule, struct rule_now *out);
/* What the rule is for, as people read it: "#social, facebook, .example.org except intranet";
 * "everything" where it names nothing. */
void policy_rule_to(const struct snapshot *s, size_t rule, struct buf *out);
/* The next moment at which the schedule of any rule begins or ends; 0: none. */
int64_t policy_next_edge(const struct snapshot *s, int64_t now_s);

/* "GB", or "" if unknown; out has 3 bytes. */
void policy_country(const struct snapshot *s, const struct addr *a, char out[3]);

struct reason_info {
	const char *word;
	int status;
	const char *text;
};
const struct reason_info *reason_info(enum reason r);
const char *decision_word(enum decision d); /* "allow", "deny", "need" */

/* --- special addresses (special.def) ------------------------------------------------------- */

enum address_class {
	CLASS_PUBLIC,
	CLASS_INSIDE, /* private, unique local, CGNAT, benchmarking …: reachable through `inside` */
	CLASS_SPECIAL /* loopback, link-local, metadata, multicast, unspecified …: likewise, but
			 named */
};
/* Looks through v4-mapped, v4-compatible, NAT64, 6to4 and Teredo forms. `name` (may be NULL) gets a
 * static word: "loopback", "private", … */
enum address_class address_class(const struct addr *a, const char **name);
/* The IPv4 address that is reached through a v4-mapped (RFC 4291 2.5.5.2) or NAT64 (RFC 6052)
 * address, so that ranges and countries cannot be dodged by another spelling; others as they are.
 */
struct addr policy_plain_address(const struct addr *a);

#endif
