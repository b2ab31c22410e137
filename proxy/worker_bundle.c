/* How a worker comes by a new bundle: first all that may fail is made, then it is put in force. */
#include "worker_inside.h"

#include "certificates.h"
#include "conn.h"
#include "descriptors.h"
#include "listener.h"

#include <string.h>

static struct resolver *make_resolver(struct worker *w, const struct bundle *b, struct err *e)
{
	const struct settings *s = b->settings;
	struct addr servers[SETTINGS_SERVERS];
	uint16_t ports[SETTINGS_SERVERS];
	const char *search[SETTINGS_NAMES];
	struct resolver_options o = {.hosts = b->hosts,
		.servers = servers,
		.ports = ports,
		.n_servers = s->servers.n,
		.search = search,
		.n_search = s->search.n,
		.timeout_ms = (unsigned)s->resolve_ms,
		.sockets = descriptors_lookups()};

	for (size_t i = 0; i < s->servers.n; i++) {
		servers[i] = s->servers.v[i].addr;
		ports[i] = s->servers.v[i].port;
	}
	for (size_t i = 0; i < s->search.n; i++)
		search[i] = s->search.v[i];
	return resolver_new(w->loop, &o, e);
}

static bool same_resolver(const struct bundle *a, const struct bundle *b)
{
	const struct settings *x = a->settings, *y = b->settings;

	return span_eq(a->hosts, b->hosts) && x->resolve_ms == y->resolve_ms &&
	       memcmp(&x->servers, &y->servers, sizeof x->servers) == 0 &&
	       memcmp(&x->search, &y->search, sizeof x->search) == 0;
}

const struct settings_listen *worker_listen_setting(
	const struct worker *w, size_t listener, const struct settings *s, size_t *index)
{
	const struct settings_address *at = &w->listener[listener].at;

	for (size_t i = 0; i < s->listen.n; i++) {
		const struct settings_listen *l = &s->listen.v[i];

		*index = i;
		if (addr_eq(&l->at.addr, &at->addr) &&
			(l->at.port == at->port || (l->at.port == 0 && i == listener)))
			return l;
	}
	return NULL;
}

static bool make_tls(const struct worker *w, const struct bundle *b, size_t listener,
	struct tls_server **out, struct err *e)
{
	struct span chain, key;
	size_t at;

	*out = NULL;
	if (!worker_listen_setting(w, listener, b->settings, &at) ||
		!certificates_get(b->pack, at, &chain, &key))
		return true;
	*out = tls_server_new(chain, key, b->login_key, e);
	return *out != NULL;
}

void worker_drop_next(struct worker *w)
{
	for (size_t i = 0; i < SETTINGS_LISTEN; i++)
		tls_server_free(w->next.tls[i]);
	resolver_free(w->next.resolver);
	bundle_unref(w->next.bundle);
	w->next = (struct worker_next){0};
}

bool worker_prepare(struct worker *w, int fd, uint32_t generation, struct err *e)
{
	struct bundle *b;

	worker_drop_next(w);
	b = w->next.bundle = bundle_open(fd, e);
	w->next.generation = generation;
	if (!b)
		return false;
	if (!w->bundle || !same_resolver(w->bundle, b)) {
		w->next.resolver = make_resolver(w, b, e);
		if (!w->next.resolver)
			return false;
	}
	for (size_t i = 0; i < w->n_listeners; i++)
		if (!make_tls(w, b, i, &w->next.tls[i], e))
			return false;
	return true;
}

void worker_put_in_force(struct worker *w)
{
	struct worker_next *n = &w->next;

	if (n->resolver) {
		resolver_retire(w->resolver);
		w->resolver = n->resolver;
	}
	for (size_t i = 0; i < w->n_listeners; i++)
		if (n->tls[i]) {
			tls_server_free(w->listener[i].tls);
			w->listener[i].tls = n->tls[i];
		}
	identity_use(w->identity, n->bundle->accounts);
	identity_remember(w->identity, (unsigned)n->bundle->settings->remember_ms);
	bundle_unref(w->bundle);
	w->bundle = n->bundle;
	w->day = (struct local_day){0}; /* its zone may be another */
	w->minutes_limited = quota_in_minutes(w->bundle->policy);
	rejudge_policy(w->rejudge);
	*n = (struct worker_next){0};
}
