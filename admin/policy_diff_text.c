/* A difference for people: who, where, when, and the answer before and after. */
#include "policy_diff.h"

static void put_names(const struct snapshot *s, uint64_t roles, const char *before, struct buf *out)
{
	const char *between = before;

	for (size_t i = 0; i < snapshot_roles(s); i++) {
		if (!(roles >> i & 1))
			continue;
		buf_adds(out, between);
		buf_span(out, snapshot_role(s, i));
		between = ", ";
	}
	if (!roles)
		buf_printf(out, "%sno role", before);
}

static void put_roles(const struct diff *d, const struct compare_who *who, struct buf *out)
{
	struct buf was = {0}, is = {0};

	put_names(d->s[COMPARE_OLD], who->roles[COMPARE_OLD], "", &was);
	put_names(d->s[COMPARE_NEW], who->roles[COMPARE_NEW], "", &is);
	buf_printf(out, " (%s", is.p);
	if (!span_eq(buf_spanof(&was), buf_spanof(&is)))
		buf_printf(out, "; was %s", was.p);
	buf_adds(out, ")");
	buf_free(&was);
	buf_free(&is);
}

static void put_who(const struct diff *d, const struct compare_who *who, struct buf *out)
{
	static const char *const words[] = {[WHO_NOBODY] = "who cannot log in",
		[WHO_ANYBODY] = "everybody else who logs in",
		[WHO_GROUP] = "group ",
		[WHO_USER] = "user ",
		[WHO_NETWORK] = "who cannot log in, in network "};

	buf_printf(out, "%s%s", words[who->kind], who->name);
	put_roles(d, who, out);
}

static void put_sites(const struct diff_row *r, struct buf *out)
{
	const struct compare_site *v = (const void *)r->sites.p;

	for (size_t i = 0; i < r->sites.n / sizeof *v; i++)
		buf_printf(out, "%s%s", i ? ", " : "  ", v[i].label);
	buf_printf(out, "\n    %.*s\n", (int)r->when.n, r->when.p);
}

static void put_row(const struct diff_row *r, struct buf *out)
{
	bool colours = cli_colours(stdout);
	const char *end = cli_style(colours, CLI_PLAIN);

	put_sites(r, out);
	buf_printf(out, "      %s- %s%s\n", cli_style(colours, CLI_BAD), r->answer[COMPARE_OLD].p,
		end);
	buf_printf(out, "      %s+ %s%s\n", cli_style(colours, CLI_GOOD), r->answer[COMPARE_NEW].p,
		end);
}

/* What changes for the person of the row `i`; returns the row behind that person's. */
static size_t put_person(const struct diff *d, size_t i, struct buf *out)
{
	size_t n, k = i;
	const struct diff_row *v = diff_rows(d, &n);

	for (; k < n && v[k].who.kind == v[i].who.kind && strcmp(v[k].who.name, v[i].who.name) == 0;
		k++)
		put_row(&v[k], out);
	return k;
}

/* People for whom the same changes are named together. */
static void print_people(const struct diff *d)
{
	struct buf done = {0}, block = {0}, other = {0}, title = {0};
	size_t n, next;
	const struct diff_row *v = diff_rows(d, &n);

	for (size_t i = 0; i < n; i = next) {
		buf_reset(&block);
		next = put_person(d, i, &block);
		if (i < done.n && done.p[i])
			continue;
		buf_reset(&title);
		put_who(d, &v[i].who, &title);
		for (size_t k = next, after; k < n; k = after) {
			buf_reset(&other);
			after = put_person(d, k, &other);
			if (!span_eq(buf_spanof(&block), buf_spanof(&other)))
				continue;
			while (done.n <= k)
				buf_addc(&done, 0);
			done.p[k] = 1;
			buf_adds(&title, "\n");
			put_who(d, &v[k].who, &title);
		}
		printf("%.*s\n%.*s\n", (int)title.n, title.p, (int)block.n, block.p);
	}
	buf_free(&done);
	buf_free(&block);
	buf_free(&other);
	buf_free(&title);
}

static void print_settings(const struct diff *d)
{
	struct diff_setting v[DIFF_SETTINGS];
	size_t n = diff_settings(d, v);

	for (size_t i = 0; i < n; i++)
		printf("%s\n      - %.*s\n      + %.*s\n\n", v[i].name,
			SPAN_ARG(v[i].value[COMPARE_OLD]), SPAN_ARG(v[i].value[COMPARE_NEW]));
}

static const char *many(size_t n)
{
	return n == 1 ? "" : "s";
}

void diff_print_text(const struct diff *d)
{
	const size_t *n = d->found;

	print_settings(d);
	print_people(d);
	printf("%zu answer%s and %zu limit%s change", n[COMPARE_ANSWER], many(n[COMPARE_ANSWER]),
		n[COMPARE_LIMITS], many(n[COMPARE_LIMITS]));
	if (n[COMPARE_RULE])
		printf("; %zu come%s from another rule or with other words%s", n[COMPARE_RULE],
			n[COMPARE_RULE] == 1 ? "s" : "", d->rules ? "" : " (--rules shows them)");
	printf("\n(%zu kinds of people, %zu sites, %zu times of the week)\n", d->looked_at.people,
		d->looked_at.sites, d->looked_at.moments);
}
