/*
 * From words to facts. What is not said stays unknown where the proxy would ask, and is assumed to
 * be harmless where it would find out: an address outside and of no country, limits not spent.
 */
#include "explain.h"

#include "domain.h"

/* The name part of what was typed, in Unicode or as a bare IPv6 address. */
static bool typed_name(struct span typed, struct host *host)
{
	char name[HOST_MAX + 1];
	struct addr a;

	if (addr_parse(typed, &a)) {
		char text[ADDR_TEXT_MAX];
		char bracketed[ADDR_TEXT_MAX + 2];
		struct buf b;
		addr_format(&a, text);
		buf_init_fixed(&b, bracketed, sizeof(bracketed));
		buf_adds(&b, a.v4 ? "" : "[");
		buf_adds(&b, text);
		buf_adds(&b, a.v4 ? "" : "]");
		return host_parse(buf_spanof(&b), host);
	}
	return domain_to_ascii(typed, name) && host_parse(span_str(name), host);
}

bool explain_host(struct span typed, uint16_t otherwise, struct host *host, uint16_t *port)
{
	const char *colon;
	uint64_t number;

	*port = otherwise;
	if (authority_parse_default(typed, otherwise, host, port))
		return true;
	*port = otherwise;
	if (typed_name(typed, host))
		return true;
	colon = typed.n ? memrchr(typed.p, ':', typed.n) : NULL;
	if (!colon)
		return false;
	size_t n = (size_t)(colon - typed.p);
	if (!span_u64(span_of(colon + 1, typed.n - n - 1), 65535, &number) || number == 0)
		return false;
	*port = (uint16_t)number;
	return !memchr(typed.p, ':', n) && typed_name(span_of(typed.p, n), host);
}

static void take_person(const struct snapshot *s, const struct explain_ask *ask, struct facts *f)
{
	f->identity = ask->no_login ? IDENTITY_NOBODY : IDENTITY_UNKNOWN;
	if (ask->user.n == 0)
		return;
	f->identity = IDENTITY_KNOWN;
	f->roles = policy_roles(s, ask->user, ask->groups, ask->group_count);
}

static bool take_addresses(const struct explain_ask *ask, struct explained *out, struct err *e)
{
	struct facts *f = &out->facts;
	struct span client = ask->client.n ? ask->client : SPAN("0.0.0.0");

	if (!addr_parse(client, &f->client))
		return err_set(e, "client \"%.*s\" is no address; expected one like 192.0.2.7",
			SPAN_ARG(client));
	f->address_state = ADDRESS_OUTSIDE;
	if (out->host.literal) {
		f->address = out->host.addr;
		f->address_state = ADDRESS_KNOWN;
	}
	if (ask->address.n == 0)
		return true;
	if (!addr_parse(ask->address, &f->address))
		return err_set(e, "address \"%.*s\" is no address; expected one like 192.0.2.7",
			SPAN_ARG(ask->address));
	if (out->host.literal && !addr_eq(&f->address, &out->host.addr))
		return err_set(e, "the host is an address; it cannot have another one");
	f->address_state = ADDRESS_KNOWN;
	return true;
}

bool explain_facts(const struct snapshot *s, const struct explain_ask *ask, struct explained *out,
	struct err *e)
{
	struct facts *f = &out->facts;

	memset(out, 0, sizeof(*out));
	f->now_s = ask->now_s;
	f->limits_unspent = true;
	f->all_acked = false;
	if (ask->host.n == 0)
		return err_set(e, "no host is named; expected host[:port]");
	if (!explain_host(ask->host, 443, &out->host, &f->port))
		return err_set(e, "host \"%.*s\" is no host name with or without a port",
			SPAN_ARG(ask->host));
	if (ask->user.n == 0 && ask->group_count > 0)
		return err_set(e, "groups are those of a user, and none is named");
	if (ask->user.n > 0 && ask->no_login)
		return err_set(e, "a user is named although nobody can log in");
	if (ask->at.n > 0 && !snapshot_parse_time(s, ask->at, &f->now_s))
		return err_set(e, "\"%.*s\" is no time; expected YYYY-MM-DD or YYYY-MM-DD HH:MM",
			SPAN_ARG(ask->at));
	if (!take_addresses(ask, out, e))
		return false;
	take_person(s, ask, f);
	policy_classify(s, &out->host, &out->target);
	f->host = &out->host;
	f->target = &out->target;
	return true;
}

const char *need_word(enum need n)
{
	switch (n) {
	case NEED_NONE:
		return "-";
	case NEED_IDENTITY:
		return "identity";
	case NEED_ADDRESS:
		return "address";
	case NEED_ACK:
		return "ack";
	case NEED_LIMIT:
		return "limit";
	}
	return "?";
}
