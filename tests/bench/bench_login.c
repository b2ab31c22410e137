/*
 * Who asks: credentials that were accepted before, credentials that must be hashed, and the
 * pseudonym that stands for the person in records.
 */
#include "bench.h"
#include "bench_bundle.h"

#include "digest.h"
#include "identity.h"

#include <stdio.h>
#include <stdlib.h>

/* base64 of anna:quiet-stile-2026 and anna:wrong-stile-2026 */
#define RIGHT SPAN("Basic YW5uYTpxdWlldC1zdGlsZS0yMDI2")
#define WRONG SPAN("Basic YW5uYTp3cm9uZy1zdGlsZS0yMDI2")

struct login {
	struct buf block;
	void *cache;
	struct loop *loop;
	struct identity_checker *checker;
	struct digest *digest;
	uint8_t key[32];
	bool answered;
	enum identity_result result;
};

static void on_answer(void *arg, enum identity_result r, struct span user)
{
	struct login *l = arg;

	(void)user;
	l->answered = true;
	l->result = r;
	loop_stop(l->loop);
}

/* Waits where the answer is not known at once. */
static enum identity_result ask(struct login *l, struct span credentials)
{
	char name[IDENTITY_USER_MAX + 1];
	struct identity_check *handle = NULL;

	l->answered =
		identity_check(l->checker, credentials, &l->result, name, on_answer, l, &handle);
	while (!l->answered)
		loop_run(l->loop);
	return l->result;
}

static void remembered(void *arg, size_t n)
{
	struct login *l = arg;
	char name[IDENTITY_USER_MAX + 1];
	struct identity_check *handle;
	enum identity_result r;

	for (size_t i = 0; i < n; i++) {
		if (!identity_check(l->checker, RIGHT, &r, name, on_answer, l, &handle) ||
			r != IDENTITY_OK)
			bench_fail("accepted credentials are not remembered");
		bench_keep(name);
	}
}

/* Of the whole process: the hash is another thread's work. */
static double hashed(void *arg)
{
	double before = bench_clock(CLOCK_PROCESS_CPUTIME_ID);

	if (ask(arg, WRONG) != IDENTITY_WRONG)
		bench_fail("a wrong password is not refused");
	return bench_clock(CLOCK_PROCESS_CPUTIME_ID) - before;
}

static void pseudonym(void *arg, size_t n)
{
	struct login *l = arg;
	struct span user = SPAN("anna.example@council.example");
	uint8_t mac[SHA256_LEN];
	char text[33];

	for (size_t i = 0; i < n; i++) {
		digest_hmac(l->digest, span_of(l->key, sizeof l->key), &user, 1, mac);
		hex_encode(mac, sizeof text / 2, text);
		bench_keep(text);
	}
}

static void *begin(struct bench *b)
{
	struct login *l = calloc(1, sizeof *l);
	struct err e;

	if (!l || !(l->cache = calloc(1, identity_cache_size())) || !(l->loop = loop_new()) ||
		!(l->digest = digest_new()))
		bench_fail("out of memory");
	random_bytes(l->key, sizeof l->key);
	struct identity_options o = {.loop = l->loop, .cache = l->cache, .cache_ms = 3600000};

	memcpy(o.key, l->key, sizeof o.key);
	l->checker = identity_new(&o, &e);
	if (!l->checker)
		bench_fail("%s", e.text);
	identity_use(l->checker, bench_accounts(&l->block));
	if (ask(l, RIGHT) != IDENTITY_OK)
		bench_fail("the password is not accepted");
	bench_work(b, "credentials accepted before", remembered, l);
	bench_sample(b, "credentials to be hashed (yescrypt)", BENCH_NS, hashed, l);
	bench_note(b, "whole process; once in minutes for a person");
	bench_work(b, "pseudonym (HMAC-SHA-256)", pseudonym, l);
	return l;
}

static void end(void *state)
{
	struct login *l = state;

	identity_free(l->checker);
	loop_free(l->loop);
	digest_free(l->digest);
	buf_free(&l->block);
	free(l->cache);
	free(l);
}

const struct bench_section bench_login = {"login", begin, end};
