/*
 * What people and attackers send to the portal: a query or form, in it a host as it is pasted and a
 * token. What is taken can be written again and is then read the same; no token comes out of thin
 * air.
 */
#include "portal_pages.h"
#include "token.h"

#include "fuzz.h"

static void same_form(const struct form *f)
{
	struct form again;
	struct buf text = {0};

	for (size_t i = 0; i < f->n; i++) {
		buf_adds(&text, i ? "&" : "");
		form_encode(&text, f->field[i].name);
		buf_addc(&text, '=');
		form_encode(&text, f->field[i].value);
	}
	/* three characters for one: written again it may be too long, but never something else */
	if (form_parse(buf_spanof(&text), &again)) {
		must(again.n == f->n);
		for (size_t i = 0; i < f->n; i++)
			must(span_eq(again.field[i].name, f->field[i].name) &&
				span_eq(again.field[i].value, f->field[i].value));
	} else {
		must(text.n > FORM_MAX);
	}
	buf_free(&text);
}

static void clean(const struct form *f)
{
	size_t bytes = 0;

	must(f->n <= FORM_FIELDS);
	for (size_t i = 0; i < f->n; i++) {
		struct span v = f->field[i].value;

		for (size_t k = 0; k < v.n; k++)
			must((unsigned char)v.p[k] >= ' ' && v.p[k] != 127);
		bytes += f->field[i].name.n + v.n;
	}
	must(bytes <= FORM_MAX);
}

static void same_host(struct span typed)
{
	struct buf text = {0};
	struct host host, again;
	uint16_t port, port_again;
	bool plain, plain_again;

	if (!portal_host(typed, &host, &port, &plain))
		return;
	must(port > 0);
	portal_host_text(&host, port, plain, &text);
	must(portal_host(buf_spanof(&text), &again, &port_again, &plain_again));
	must(port == port_again && plain == plain_again);
	must(span_eq(host_span(&host), host_span(&again)));
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[32] = {7};
	static struct digest *digest;
	struct token_claim claim;
	struct form f;
	int64_t issued;

	if (!digest)
		digest = digest_new();
	if (!form_parse(span_of(data, size), &f))
		return 0;
	clean(&f);
	same_form(&f);
	same_host(form_get(&f, "host"));
	claim = (struct token_claim){
		form_get(&f, "person"), form_get(&f, "rule"), form_get(&f, "terms")};
	must(token_check(digest, key, &claim, form_get(&f, "token"), INT64_C(1800000000000),
		     &issued) == TOKEN_FORGED);
	return 0;
}
