/*
 * A client's connection and its story. States are named once (states.def), moved in one function,
 * each with its timer; a library's callback only notes its result and calls conn_step; every road
 * leaves through conn_leave with a reason.
 */
#ifndef STILE_CONN_H
#define STILE_CONN_H

#include "body.h"
#include "bundle.h"
#include "counters.h"
#include "dial.h"
#include "endpoint.h"
#include "flow.h"
#include "head.h"
#include "identity.h"
#include "journal.h"
#include "quota.h"
#include "loop.h"
#include "pseudonyms.h"
#include "policy.h"
#include "rejudge.h"
#include "resolve.h"
#include "usage.h"
#include "worker.h"

enum conn_state {
#define STATE(name, step, bound, late, text) STATE_##name,
#include "states.def"
#undef STATE
	STATE_COUNT
};

const char *end_word(enum end_reason r);

/* What a step answers: the state moved, go on; or wait for the next event. */
enum step { STEP_ON, STEP_WAIT };

/* What is known of a given access while its bytes move: small, for it lives as long as a tunnel. */
struct access {
	struct bundle *bundle; /* NULL: no access is open */
	uint64_t number;       /* of this worker's accesses: makes the id */
	uint64_t begun_ms;     /* monotonic */
	int32_t rule, role;
	int32_t service; /* -1: none */
	uint8_t part;
	uint16_t status;
	bool hidden;		     /* the rule records nothing of the destination */
	char person[PERSON_LEN + 1]; /* "" where nobody logged in */
	bool let_through;	     /* while refusals are only recorded (observe.h) */
	bool tunnel;		     /* by CONNECT */
	bool counted;		     /* among its rule's open tunnels */
	bool unwritten;		     /* refused because its record is not in the journal */
	const char *tls;	     /* "tls", "other", "none"; static */
	char *sni;		     /* owned; NULL where it agrees with the CONNECT name */
	uint64_t up, down;	     /* bytes so far */
	char *to;		     /* owned: the label that its record carries; may be NULL */
	struct usage_ref usage;
	struct quota_share quota;
};

/* A person's acknowledgement under a rule, about to be given. */
struct ack {
	size_t rule;
	int32_t role;	/* through which the rule holds; -1: it names none */
	uint8_t choice; /* which of the rule's purposes */
	struct span purpose;
	int64_t at_ms, until_ms;
};

/* What is known of a record that was asked for. */
enum noted { NOTED_NOTHING, NOTED_OK, NOTED_FAILED };

/* What one request needs until its tunnel or response is done. Pooled by the worker. */
struct request {
	struct request *next; /* in the pool */
	char *bytes;	      /* head, and what came with it */
	size_t n, cap;
	size_t written; /* of bytes, ever: behind n stands what was moved away */
	char *answer;	/* of the origin: bytes of the response head */
	size_t answer_n, answer_cap;
	struct head_request head;
	struct head_response response;
	/* up to here it is left as the last request had it: nothing is read before it was written
	 */
	bool parsed;
	bool is_head;	       /* HEAD: the answer has no body whatever it says */
	struct bundle *bundle; /* decides the whole request */
	struct target target;
	struct facts facts;
	struct verdict verdict;
	struct quota_hold hold[POLICY_STANDINGS_MAX]; /* of the facts' standings */
	uint32_t generation; /* what is judged by, as it was when this began (rejudge.h) */
	int64_t until_s;     /* when the verdict may change by the clock; 0: not known */
	char user[IDENTITY_USER_MAX + 1];
	struct addr addrs[RESOLVE_ADDRS_MAX]; /* resolved, then only those that may be dialled */
	size_t n_addrs;
	bool resolved;
	uint64_t mark_us; /* monotonic: the present lap began; 0: none yet */

	/* under way, at most one each; NULL when not */
	struct resolve *resolve;
	struct identity_check *check;
	struct journal_ticket *ticket;
	struct dial *dial;
	/* what callbacks noted */
	enum noted noted;
	enum resolve_result resolve_result;
	enum identity_result identity_result;
	int dial_error;

	/* at the portal */
	bool at_portal;
	bool form_read; /* and with it the whole of the request */
	uint8_t portal; /* enum portal_page */
	char *form;	/* owned; the body */
	size_t form_n;
	struct ack ack; /* that is being recorded */

	/* forwarding */
	struct body up_body, down_body;
	unsigned interim;  /* responses (1xx) so far */
	bool answered;	   /* a final response head was passed on */
	bool close_client; /* after this response */
	bool keep_origin;
	bool reused;	 /* the origin's connection is a kept one */
	bool hello_open; /* bytes of a tunnel came that may be a ClientHello's beginning */
	bool other_name; /* its ClientHello names another server than CONNECT did */
	size_t lingered; /* bytes read and dropped behind a refusal */
};

struct conn {
	struct worker *w;
	struct conn *next, *prev; /* all of the worker */
	uint8_t state;
	uint8_t listener; /* that accepted it: its place in the worker's */
	bool stepping, woken, late, draining;
	bool counted;	  /* as one of its client's connections */
	bool served;	  /* a request before the present one */
	bool origin_kept; /* no request is under way on the origin's connection: the next may be */
	bool origin_own;  /* and by nobody else: somebody may have logged in on it */
	uint8_t ending;	  /* of a tunnel: the end_reason of the direction that ended first */
	uint16_t origin_port;
	uint64_t since_ms; /* monotonic; accepted */
	struct endpoint side[2];
	struct loop_deadline timer;
	struct flow up, down;
	uint64_t active_ms; /* monotonic; last byte */
	struct request *rq; /* NULL: between requests, or a tunnel */
	struct access access;
	struct addr client; /* as a balancer told it, where one did */
	struct addr local;  /* own address of this connection */
	struct addr origin;
	struct matter *matter; /* NULL: not judged again */
	struct conn *mate;     /* the next one of the same matter */
};

/* Takes the descriptor that the listener accepted. */
void conn_accept(struct listener *l, int fd, const struct addr *client, const struct addr *local);
/* Runs the connection as far as it goes. The only function that runs steps; never entered twice. */
void conn_step(struct conn *c);
/* Moves to a state and sets its timer. */
enum step conn_move(struct conn *c, enum conn_state to);
/* The one door: ends the access with the reason, cancels what is under way, closes. For steps only:
 * the connection is freed when the step returns. */
enum step conn_leave(struct conn *c, enum end_reason why);
/* Ends it from outside a step. */
void conn_end(struct conn *c, enum end_reason why);
/* TERM: no further requests; idle connections end at once. */
void conn_drain(struct conn *c);
/* Is it open for the client only, without a request under way? */
bool conn_idle(const struct conn *c);

/* A request from the worker's pool; NULL: no memory. */
bool conn_take_request(struct conn *c);
void conn_drop_request(struct conn *c);
/* Those that wait for the next connection, at the worker's end. */
void conn_free_pool(struct worker *w);

/* --- the rooms: steps by the name in states.def ----------------------------------------------- */

/* greet.c: a balancer's word, then TLS with the client */
enum step greet_balancer(struct conn *c);
enum step greet_balancer_late(struct conn *c);
/* The client's own first bytes are next: moves to TLS or HEAD. Not END_DONE: the connection must
 * end. */
enum end_reason greet_begin(struct conn *c);
enum step greet_client(struct conn *c);
enum step greet_late(struct conn *c);

/* request.c: from bytes to a parsed head */
enum step request_read(struct conn *c);
enum step request_late(struct conn *c);
/* Bytes of the client that came behind the present request. False: no memory. */
bool request_keep(struct conn *c, const void *p, size_t n);
/* The request is done and the connection is kept: make room for the next. */
enum step request_next(struct conn *c);

/* decide.c: facts, the policy's answer, login and names */
enum step decide_step(struct conn *c);
enum step decide_login(struct conn *c); /* checks the login, or asks for one */
enum step decide_identified(struct conn *c);
enum step decide_login_late(struct conn *c);
/* For identity_options: has this client guesses left? */
bool decide_may_hash(void *conn, struct span user);
enum step decide_resolved(struct conn *c);

/* ledger.c: what is written down */
enum step ledger_open(struct conn *c);	   /* the access record; to RECORD */
enum step ledger_recorded(struct conn *c); /* RECORD */
enum step ledger_late(struct conn *c);
void ledger_refusal(struct conn *c, enum verdict_word verdict, enum reason reason);
void ledger_close(struct conn *c, enum end_reason why); /* the end record, if an access is open */
void ledger_bytes(struct conn *c, uint64_t up, uint64_t down);
void ledger_lap(struct conn *c, enum lap lap); /* a measured stretch of time is over */
/* The access goes on as the verdict says, which was judged anew; where another rule decides, the
 * records tell of an end and of a new access. */
void ledger_renew(struct conn *c, const struct verdict *v, const struct facts *f);
/* The request's user gets a pseudonym; the first sight in a day a record. */
void ledger_person(struct conn *c, const struct span *groups, size_t n);
/* The request's acknowledgement goes to the journal; the request notes when it is there. */
void ledger_ack(struct conn *c);

/* open.c: connecting to the origin */
enum step open_origin(struct conn *c);
enum step open_connected(struct conn *c); /* CONNECT */
void open_close_origin(struct conn *c);
/* The connection's client does not need it any more: it waits for others, or is closed. */
void open_spare_origin(struct conn *c);
/* Nothing to read, and no end: as far as can be known, a kept origin waits for a request. */
bool open_origin_waits(struct conn *c);

/* tunnel.c */
enum step tunnel_start(struct conn *c);	     /* origin is connected: answer 200 */
enum step tunnel_upgrade(struct conn *c);    /* after 101: both ways from now on */
bool tunnel_wants_tls(const struct conn *c); /* and nothing else, by policy and rule */
enum step tunnel_hello(struct conn *c);
enum step tunnel_hello_late(struct conn *c);
enum step tunnel_relay(struct conn *c);
enum step tunnel_late(struct conn *c);
/* It was judged again and may go on; not from within a step. */
void tunnel_renew(struct conn *c, const struct verdict *v, const struct facts *f);

/* forward.c */
/* A request without body, of a method that does no harm if it is asked twice (RFC 9110 9.2). */
bool forward_repeatable(const struct request *rq);
enum step forward_start(struct conn *c); /* origin is connected: send the request */
enum step forward_step(struct conn *c);
enum step forward_late(struct conn *c);
/* The response will not be finished: the client must not take what it got for all of it. */
void forward_break(struct conn *c);

/* portal.c: what stile answers itself */
/* Does the request go to the portal, so that nobody else answers it? */
bool portal_asked(const struct conn *c);
/* Does it name the portal's host, in whatever way? */
bool portal_named(const struct conn *c);
enum step portal_begin(struct conn *c);
enum step portal_decide(struct conn *c); /* who asks is known as far as it can be */
enum step portal_form(struct conn *c);
enum step portal_form_late(struct conn *c);
enum step portal_acked(struct conn *c);
enum step portal_acked_late(struct conn *c);
/* The login that came with a request to the portal; empty: none. */
struct span portal_credentials(const struct conn *c);

/* hops.c: a request that is not to be forwarded any further */
enum step hops_answer(struct conn *c);

/* reply.c */
struct answer {
	int status;
	const char *type;   /* of the body */
	struct span fields; /* more header fields, each with its CR LF */
	struct span body;
	bool close;
	bool whole; /* the request's body was read */
};
/* Sends it, as it is or without its body, and keeps the connection if it can be kept. */
enum step reply_send(struct conn *c, const struct answer *a);
enum step reply_refuse(struct conn *c, enum reason reason); /* policy's refusals; recorded */
enum step reply_challenge(struct conn *c, bool wrong);
enum step reply_bad_request(struct conn *c, enum head_error e);
/* An access that was given but came to nothing: status, and how it ends. */
enum step reply_failure(struct conn *c, int status, enum end_reason why);
/* Shuts down the sending side and reads on for a while before it closes. */
enum step reply_closing(struct conn *c);
enum step reply_step(struct conn *c);
enum step reply_linger(struct conn *c);
enum step reply_late(struct conn *c);

#endif
