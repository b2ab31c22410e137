/*
 * Names to addresses through libunbound, which knows caching, TCP and dead servers. What is here is
 * the order in which names are asked and the joining of A and AAAA. The library's callback only
 * notes an answer: it may come inside ub_resolve_event, and nobody may enter the library from
 * within it. `step` alone moves a look-up, from resolve_start or from the loop.
 */
#include "resolve.h"

#include "dns_answer.h"
#include "hosts.h"
#include "log.h"

#include <arpa/nameser.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unbound.h>
#include <unbound-event.h>

#define RESOLVE_UNDER_WAY 1024 /* look-ups at a time; above it they are not begun */
#define RESOLVE_DELAY_MS  50   /* for the other family, once one has answered (RFC 8305 3) */
#define RESOLVE_HOSTS_TTL 3600
#define SEARCH_MAX	  8

enum family {
	V6, /* first, as RFC 8305 prefers it */
	V4,
	FAMILIES
};

struct question {
	struct resolve *lookup;
	int id; /* the library's, while pending */
	bool pending;
	enum resolve_result result;
	size_t n;
	struct addr v[RESOLVE_ADDRS_MAX];
};

struct resolve {
	struct resolver *r;
	struct resolve *prev, *next;
	struct loop_ev deadline, turn;
	bool asking;		     /* within ub_resolve_event */
	enum resolve_result trouble; /* of the candidates before this one; else RESOLVE_NO_NAME */
	size_t candidate, candidates;
	struct host host;
	struct question q[FAMILIES];
	resolve_fn *fn;
	void *arg;
};

struct resolver {
	struct loop *loop;
	struct ub_ctx *ctx;
	struct resolve *first;
	size_t under_way;
	bool retired;
	struct loop_ev last; /* of a retired one: everything has ended */
	unsigned timeout_ms;
	size_t n_search;
	struct host search[SEARCH_MAX];
	size_t n_single, cap_single;
	char (*single)[64]; /* names without a dot that the hosts text has, sorted */
};

/* --- making one ------------------------------------------------------------------------------- */

static bool unbound_ok(int answer, const char *what, struct err *e)
{
	return answer == 0 || err_set(e, "resolver: %s: %s", what, ub_strerror(answer));
}

static bool set_options(struct resolver *r, const struct resolver_options *o, struct err *e)
{
	char sockets[16];
	static const char *const option[][2] = {
		{"module-config:", "iterator"},
		{"do-not-query-localhost:", "no"}, /* a caching server on this host is common */
		/* A dead server costs a second, not a quarter of a minute; and it is asked again
		 * soon after it is back. */
		{"outbound-msg-retry:", "2"},
		{"infra-cache-max-rtt:", "1000"},
		{"infra-host-ttl:", "30"},
		{"infra-keep-probing:", "yes"},
		/* The library's own defaults are for a program that asks one name. */
		{"outgoing-num-tcp:", "16"},
		{"msg-cache-size:", "8m"},
		{"rrset-cache-size:", "16m"},
	};

	for (size_t i = 0; i < sizeof(option) / sizeof(option[0]); i++)
		if (!unbound_ok(
			    ub_ctx_set_option(r->ctx, option[i][0], option[i][1]), option[i][0], e))
			return false;
	snprintf(sockets, sizeof(sockets), "%u", o->sockets ? o->sockets : 512);
	return unbound_ok(
		ub_ctx_set_option(r->ctx, "outgoing-range:", sockets), "outgoing-range", e);
}

static bool set_servers(struct resolver *r, const struct resolver_options *o, struct err *e)
{
	for (size_t i = 0; i < o->n_servers; i++) {
		uint16_t port = o->ports && o->ports[i] ? o->ports[i] : 53;
		char text[ADDR_TEXT_MAX], at[ADDR_TEXT_MAX + 8];

		addr_format(&o->servers[i], text);
		snprintf(at, sizeof(at), "%s@%u", text, port);
		if (!unbound_ok(ub_ctx_set_fwd(r->ctx, at), at, e))
			return false;
	}
	return true;
}

static bool within(struct span name, const char *zone)
{
	struct span z = span_str(zone);

	return span_eq(name, z) ||
	       (name.n > z.n && span_ends(name, z) && name.p[name.n - z.n - 1] == '.');
}

/* The library answers NXDOMAIN for RFC 6761's and RFC 8375's zones by itself. Those that sites use
 * inside are opened when the search list names them; single names in hosts need no opening. */
static bool set_search(struct resolver *r, const struct resolver_options *o, struct err *e)
{
	static const char *const opened[] = {"test", "home.arpa"};

	if (o->n_search > SEARCH_MAX)
		return err_set(e, "resolver: %zu search domains, at most %d can be used",
			o->n_search, SEARCH_MAX);
	for (size_t i = 0; i < o->n_search; i++) {
		struct host *h = &r->search[r->n_search++];

		if (!host_parse(span_str(o->search[i]), h) || h->literal)
			return err_set(e, "resolver: search: '%s' is no domain", o->search[i]);
		for (size_t k = 0; k < sizeof(opened) / sizeof(opened[0]); k++)
			if (within(host_span(h), opened[k]) &&
				!unbound_ok(ub_ctx_zone_remove(r->ctx, opened[k]), opened[k], e))
				return false;
	}
	return true;
}

static bool keep_single(struct resolver *r, const struct host *h)
{
	if (memchr(h->name, '.', h->len))
		return true;
	if (r->n_single == r->cap_single) {
		size_t cap = r->cap_single ? r->cap_single * 2 : 16;
		void *p = realloc(r->single, cap * sizeof(r->single[0]));

		if (!p)
			return false;
		r->single = p;
		r->cap_single = cap;
	}
	return span_copy(host_span(h), r->single[r->n_single++], sizeof(r->single[0]));
}

static bool add_host(struct resolver *r, const struct hosts_entry *in, struct err *e)
{
	char text[ADDR_TEXT_MAX], data[HOST_MAX + ADDR_TEXT_MAX + 32];

	addr_format(&in->addr, text);
	snprintf(data, sizeof(data), "%s. %d IN %s %s", in->host.name, RESOLVE_HOSTS_TTL,
		in->addr.v4 ? "A" : "AAAA", text);
	if (!keep_single(r, &in->host))
		return err_set(e, "resolver: out of memory");
	return unbound_ok(ub_ctx_data_add(r->ctx, data), in->host.name, e);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The library needs no opening of its zones for this: data within a zone that it blocks is served,
 * the rest of the zone stays blocked. */
static bool add_hosts(struct resolver *r, struct span text, struct err *e)
{
	struct hosts_reader reader = {.rest = text};
	struct hosts_entry in;

	for (enum hosts_answer a; (a = hosts_next(&reader, &in)) != HOSTS_END;) {
		if (a == HOSTS_ENTRY && !add_host(r, &in, e))
			return false;
		if (a == HOSTS_STRANGE)
			log_warn("resolve", "hosts, line %u: '%.*s' is no %s; left out",
				reader.line, in.word.n > 80 ? 80 : (int)in.word.n, in.word.p,
				in.wanted);
	}
	if (r->n_single)
		qsort(r->single, r->n_single, sizeof(r->single[0]), by_name);
	return true;
}

static void ignore_answer(
	void *arg, int rcode, void *packet, int len, int sec, char *bogus, int limited)
{
	(void)arg, (void)rcode, (void)packet, (void)len, (void)sec, (void)bogus, (void)limited;
}

/* The first question makes the library settle; asked here, its failure has somebody to tell. */
static bool settle(struct resolver *r, struct err *e)
{
	return unbound_ok(
		ub_resolve_event(r->ctx, "localhost.", ns_t_a, ns_c_in, NULL, ignore_answer, NULL),
		"cannot start", e);
}

static void on_last(int fd, short what, void *arg);

struct resolver *resolver_new(struct loop *l, const struct resolver_options *o, struct err *e)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (!r || !(r->ctx = ub_ctx_create_event(loop_native(l)))) {
		err_set(e, "resolver: out of memory");
		free(r);
		return NULL;
	}
	r->loop = l;
	loop_init(&r->last, l, -1, 0, on_last, r);
	r->timeout_ms = o->timeout_ms;
	ub_ctx_debugout(r->ctx, NULL);
	if (set_options(r, o, e) && set_servers(r, o, e) && set_search(r, o, e) &&
		add_hosts(r, o->hosts, e) && settle(r, e))
		return r;
	resolver_free(r);
	return NULL;
}

/* --- one look-up ------------------------------------------------------------------------------ */

static void stop(struct resolve *h)
{
	for (size_t f = 0; f < FAMILIES; f++) {
		if (h->q[f].pending)
			ub_cancel(h->r->ctx, h->q[f].id);
		h->q[f].pending = false;
	}
	loop_del(&h->turn);
}

/* Takes it off the books; the memory is the caller's to free. */
static void forget(struct resolve *h)
{
	stop(h);
	loop_del(&h->deadline);
	if (h->prev)
		h->prev->next = h->next;
	else
		h->r->first = h->next;
	if (h->next)
		h->next->prev = h->prev;
	h->r->under_way--;
	if (h->r->retired && !h->r->under_way)
		loop_defer(&h->r->last);
}

void resolve_cancel(struct resolve *h)
{
	if (!h)
		return;
	forget(h);
	free(h);
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	while (r->first)
		resolve_cancel(r->first);
	loop_del(&r->last);
	ub_ctx_delete(r->ctx);
	free(r->single);
	free(r);
}

static void on_last(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	resolver_free(arg);
}

void resolver_retire(struct resolver *r)
{
	if (!r)
		return;
	r->retired = true;
	if (!r->under_way)
		loop_defer(&r->last);
}

static size_t interleave(const struct resolve *h, struct addr out[RESOLVE_ADDRS_MAX])
{
	const struct question *q = h->q;
	size_t n = 0;

	for (size_t i = 0; n < RESOLVE_ADDRS_MAX && (i < q[V6].n || i < q[V4].n); i++) {
		if (i < q[V6].n)
			out[n++] = q[V6].v[i];
		if (i < q[V4].n && n < RESOLVE_ADDRS_MAX)
			out[n++] = q[V4].v[i];
	}
	return n;
}

static void finish(struct resolve *h, enum resolve_result result)
{
	struct addr v[RESOLVE_ADDRS_MAX];
	size_t n = result == RESOLVE_OK ? interleave(h, v) : 0;
	resolve_fn *fn = h->fn;
	void *arg = h->arg;

	forget(h);
	free(h);
	fn(arg, result, v, n);
}

static void on_answer(
	void *arg, int rcode, void *packet, int len, int sec, char *bogus, int limited)
{
	struct question *q = arg;
	struct resolve *h = q->lookup;

	(void)sec, (void)bogus, (void)limited;
	q->pending = false;
	q->result = rcode == 0 && packet && len > 0
			    ? dns_answer(span_of(packet, (size_t)len), q == &h->q[V4], q->v, &q->n)
			    : RESOLVE_FAILED;
	if (h->asking)
		return;
	if (!h->q[V6].pending && !h->q[V4].pending)
		loop_defer(&h->turn);
	else if (q->result == RESOLVE_OK)
		loop_add(&h->turn, RESOLVE_DELAY_MS);
}

/* Candidates of a name without a dot: itself when hosts has it, then below each search domain, then
 * itself in the DNS. All other names are asked as they are. */
static bool candidate_name(const struct resolve *h, char out[HOST_MAX + 2])
{
	const struct host *below =
		h->candidate + 1 < h->candidates ? &h->r->search[h->candidate] : NULL;
	int n = snprintf(out, HOST_MAX + 2, "%s%s%s.", h->host.name, below ? "." : "",
		below ? below->name : "");

	return n > 0 && n < HOST_MAX + 2;
}

static void ask_family(struct resolve *h, enum family f, const char *name)
{
	struct question *q = &h->q[f];

	q->lookup = h;
	q->n = 0;
	q->pending = true;
	if (ub_resolve_event(h->r->ctx, name, f == V6 ? ns_t_aaaa : ns_t_a, ns_c_in, q, on_answer,
		    &q->id) == 0)
		return;
	q->pending = false;
	q->result = RESOLVE_BUSY; /* nobody was asked: the library is short of memory */
}

static void ask(struct resolve *h)
{
	char name[HOST_MAX + 2];

	if (!candidate_name(h, name)) {
		h->q[V6] = h->q[V4] = (struct question){.lookup = h, .result = RESOLVE_NO_NAME};
		return;
	}
	h->asking = true;
	ask_family(h, V6, name);
	ask_family(h, V4, name);
	loop_native_changed(h->r->loop);
	h->asking = false;
	if (h->q[V6].pending != h->q[V4].pending && (h->q[V6].n || h->q[V4].n))
		loop_add(&h->turn, RESOLVE_DELAY_MS);
}

/* It is not known what the name has. */
static bool is_trouble(enum resolve_result r)
{
	return r == RESOLVE_FAILED || r == RESOLVE_BUSY;
}

static enum resolve_result joined(const struct resolve *h)
{
	if (h->q[V6].n || h->q[V4].n)
		return RESOLVE_OK;
	for (size_t f = 0; f < FAMILIES; f++)
		if (is_trouble(h->q[f].result))
			return h->q[f].result;
	return RESOLVE_NO_NAME;
}

/* The present candidate has said what it will: be done, or ask the next ones as long as they answer
 * at once. True: fn was called and the look-up is gone. */
static bool step(struct resolve *h)
{
	for (;;) {
		enum resolve_result result = joined(h);

		stop(h);
		if (is_trouble(result))
			h->trouble = result;
		if (result != RESOLVE_OK && ++h->candidate < h->candidates) {
			ask(h);
			if (h->q[V6].pending || h->q[V4].pending)
				return false;
			continue;
		}
		finish(h, result == RESOLVE_NO_NAME ? h->trouble : result);
		return true;
	}
}

static void on_turn(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	step(arg);
}

static void on_deadline(int fd, short what, void *arg)
{
	struct resolve *h = arg;

	(void)fd;
	(void)what;
	finish(h, joined(h) == RESOLVE_OK ? RESOLVE_OK : RESOLVE_TIMEOUT);
}

static size_t count_candidates(const struct resolver *r, const struct host *h)
{
	if (memchr(h->name, '.', h->len))
		return 1;
	if (r->n_single && bsearch(h->name, r->single, r->n_single, sizeof(r->single[0]), by_name))
		return 1;
	return r->n_search + 1;
}

static struct resolve *open_lookup(
	struct resolver *r, const struct host *host, resolve_fn *fn, void *arg)
{
	struct resolve *h;

	if (r->under_way >= RESOLVE_UNDER_WAY || !(h = calloc(1, sizeof(*h))))
		return NULL;
	h->r = r;
	h->host = *host;
	h->candidates = count_candidates(r, host);
	h->trouble = RESOLVE_NO_NAME;
	h->fn = fn;
	h->arg = arg;
	h->next = r->first;
	if (r->first)
		r->first->prev = h;
	r->first = h;
	r->under_way++;
	loop_init(&h->deadline, r->loop, -1, 0, on_deadline, h);
	loop_init(&h->turn, r->loop, -1, 0, on_turn, h);
	return h;
}

void resolve_start(struct resolver *r, const struct host *host, resolve_fn *fn, void *arg,
	struct resolve **handle)
{
	struct resolve *h;

	*handle = NULL;
	if (host->literal) {
		fn(arg, RESOLVE_OK, &host->addr, 1);
		return;
	}
	h = open_lookup(r, host, fn, arg);
	if (!h) {
		fn(arg, RESOLVE_BUSY, NULL, 0);
		return;
	}
	ask(h);
	if (!h->q[V6].pending && !h->q[V4].pending && step(h))
		return;
	loop_add(&h->deadline, (int64_t)r->timeout_ms);
	*handle = h;
}
