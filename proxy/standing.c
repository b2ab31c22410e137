/* What is written on an entry, and read from it. */
#include "standing_table.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define STANDING_LAYOUT 0x3267646e617473ull

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "shared atomics need no lock");
static_assert(NAME_WORDS * 8 == STANDING_PERSON_MAX + POLICY_NAME_MAX, "names fill their words");
static_assert(MINUTE_WORDS * MINUTE_BITS == STANDING_MINUTES_MAX, "a day fills its words");

static size_t stride_of(unsigned columns)
{
	size_t n = sizeof(struct standing_entry) + columns * sizeof(struct standing_column);

	return (n + 63) & ~(size_t)63;
}

/* The workers, the shipper, the master. */
static unsigned columns_of(unsigned workers)
{
	return workers + 2;
}

size_t standing_size(unsigned workers)
{
	return sizeof(struct standing_shared) + STANDING_ENTRIES * stride_of(columns_of(workers));
}

struct standing *standing_open(void *shared, size_t size, unsigned workers, struct err *e)
{
	struct standing_shared *s = shared;
	uint64_t none = 0, columns = columns_of(workers);
	struct standing *t;

	if (size < standing_size(workers)) {
		err_set(e, "standing: no room for %u workers", workers);
		return NULL;
	}
	if (!atomic_compare_exchange_strong(&s->layout, &none, STANDING_LAYOUT + columns) &&
		none != STANDING_LAYOUT + columns) {
		err_set(e, "standing: the shared memory is another version's; restart the master");
		return NULL;
	}
	t = malloc(sizeof *t);
	if (!t) {
		err_set(e, "standing: no memory");
		return NULL;
	}
	*t = (struct standing){s, size, columns, stride_of((unsigned)columns)};
	return t;
}

void standing_close(struct standing *t)
{
	if (!t)
		return;
	munmap(t->shared, t->size);
	free(t);
}

struct standing *standing_map(int fd, unsigned workers, struct err *e)
{
	size_t size = standing_size(workers);
	struct stat st;
	void *p = MAP_FAILED;
	struct standing *t;

	if (fstat(fd, &st) == 0 && (size_t)st.st_size >= size)
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		err_sys(e, "shared memory cannot be mapped");
		return NULL;
	}
	t = standing_open(p, size, workers, e);
	if (!t)
		munmap(p, size);
	return t;
}

/* --- words of a day ---------------------------------------------------------------------------
 */

/* Adds to what the word holds of that day; never wraps. */
static void word_add(_Atomic uint64_t *word, const struct local_day *day, uint64_t n)
{
	uint64_t old = atomic_load_explicit(word, memory_order_relaxed), tag = word_tag(day), v;

	do {
		v = (old & ~WORD_VALUE) == tag ? old & WORD_VALUE : 0;
		v = n > WORD_VALUE - v ? WORD_VALUE : v + n;
	} while (!atomic_compare_exchange_weak(word, &old, tag | v));
}

static void word_put(_Atomic uint64_t *word, const struct local_day *day, uint64_t v)
{
	atomic_store_explicit(
		word, word_tag(day) | (v > WORD_VALUE ? WORD_VALUE : v), memory_order_release);
}

/* What the word holds of a day never falls; true: it rose. For its sole writer. */
static bool word_raise(_Atomic uint64_t *word, const struct local_day *day, uint64_t v)
{
	if (v > WORD_VALUE)
		v = WORD_VALUE;
	if (v <= word_of_day(word, day))
		return false;
	word_put(word, day, v);
	return true;
}

bool word_set_bits(_Atomic uint64_t *word, const struct local_day *day, uint64_t bits)
{
	uint64_t old = atomic_load_explicit(word, memory_order_relaxed), tag = word_tag(day), v;

	do {
		v = (old & ~WORD_VALUE) == tag ? old & WORD_VALUE : 0;
		if ((v | bits) == v)
			return false;
	} while (!atomic_compare_exchange_weak(word, &old, tag | v | bits));
	return true;
}

void entry_changed(struct standing_entry *e)
{
	if (!atomic_load_explicit(&e->changed, memory_order_relaxed))
		atomic_store(&e->changed, 1);
}

bool standing_take_changed(struct standing_entry *e)
{
	return atomic_load(&e->changed) && atomic_exchange(&e->changed, 0);
}

static void turn(struct standing *t)
{
	atomic_fetch_add(&t->shared->turns, 1);
}

uint64_t standing_turns(const struct standing *t)
{
	return atomic_load_explicit(&t->shared->turns, memory_order_acquire);
}

/* --- acknowledgements -------------------------------------------------------------------------
 */

void standing_acknowledge(
	struct standing *t, struct standing_entry *e, const struct standing_ack *a)
{
	uint64_t old = atomic_load(&e->ack_until);
	uint64_t until = (uint64_t)(a->until_s < 0 ? 0 : a->until_s) << 8 | a->purpose;

	do {
		if (old >> 8 >= until >> 8)
			return;
	} while (!atomic_compare_exchange_weak(&e->ack_until, &old, until));
	atomic_store(&e->ack_at, (uint64_t)a->at_s);
	entry_changed(e);
	turn(t);
}

/* Whoever wrote it: a moment that calendars know, and that can be told in milliseconds. */
static int64_t moment(uint64_t s)
{
	const uint64_t year_9999 = UINT64_C(253402300799);

	return (int64_t)(s < year_9999 ? s : year_9999);
}

void standing_ack(const struct standing_entry *e, struct standing_ack *out)
{
	uint64_t until = atomic_load(&e->ack_until);

	out->until_s = moment(until >> 8);
	out->purpose = (uint8_t)until;
	out->at_s = moment(atomic_load(&e->ack_at));
}

bool standing_acked(const struct standing_entry *e, int64_t now_s)
{
	return (int64_t)(atomic_load(&e->ack_until) >> 8) > now_s;
}

/* --- minutes and bytes ------------------------------------------------------------------------
 */

uint64_t standing_service(struct span person, struct span service)
{
	uint64_t h = mix(person.n, service.n), w;
	const struct span parts[] = {person, service};

	for (size_t k = 0; k < 2; k++)
		for (size_t at = 0; at < parts[k].n; at += 8) {
			w = 0;
			memcpy(&w, parts[k].p + at, parts[k].n - at < 8 ? parts[k].n - at : 8);
			h = mix(h + 1, w);
		}
	return h ? h : 1;
}

/* A day that is longer than any has its last minutes counted as one. */
static int64_t minute_index(const struct local_day *day, int64_t minute)
{
	int64_t i = minute - day->from_s / 60;

	return i < STANDING_MINUTES_MAX ? i : STANDING_MINUTES_MAX - 1;
}

bool entry_mark(struct standing_entry *e, const struct local_day *day, uint32_t minute)
{
	int64_t i = minute_index(day, minute);

	if (i < 0 ||
		!word_set_bits(&e->minutes[i / MINUTE_BITS], day, UINT64_C(1) << (i % MINUTE_BITS)))
		return false;
	entry_changed(e);
	return true;
}

bool standing_add(struct standing *t, struct standing_entry *e, struct standing_use *use,
	uint64_t up, uint64_t down, const struct local_day *day, int64_t now_s)
{
	uint32_t minute = now_s > 0 ? (uint32_t)(now_s / 60) : 0;

	if (e) {
		if (up)
			word_add(&e->bytes[STANDING_UP], day, up);
		if (down)
			word_add(&e->bytes[STANDING_DOWN], day, down);
		entry_changed(e);
	}
	if (!use->service || use->minute == minute)
		return false;
	return minute_add(t, e, use, up, down, day, minute);
}

void standing_grant(struct standing *t, struct standing_entry *e, enum standing_grant kind,
	uint64_t n, const struct local_day *day)
{
	word_add(&e->granted[kind], day, n);
	entry_changed(e);
	turn(t);
}

static uint32_t minutes_used(const struct standing_entry *e, const struct local_day *day)
{
	uint32_t n = 0;

	for (size_t i = 0; i < MINUTE_WORDS; i++)
		n += (uint32_t)__builtin_popcountll(
			word_of_day(&e->minutes[i], day) | word_of_day(&e->other_minutes[i], day));
	return n;
}

/* The present minute is not used up while it lasts. */
static uint32_t minutes_over(
	const struct standing_entry *e, const struct local_day *day, int64_t now_ms)
{
	int64_t i = minute_index(day, now_ms / 60000);
	uint64_t word;

	if (i < 0)
		return minutes_used(e, day);
	word = word_of_day(&e->minutes[i / MINUTE_BITS], day) |
	       word_of_day(&e->other_minutes[i / MINUTE_BITS], day);
	return minutes_used(e, day) - (uint32_t)(word >> (i % MINUTE_BITS) & 1);
}

static uint64_t bytes_used(const struct standing_entry *e, const struct local_day *day)
{
	return word_of_day(&e->bytes[STANDING_UP], day) +
	       word_of_day(&e->bytes[STANDING_DOWN], day) + word_of_day(&e->earlier_bytes, day) +
	       word_of_day(&e->other_bytes, day);
}

static uint64_t granted(
	const struct standing_entry *e, enum standing_grant kind, const struct local_day *day)
{
	return word_of_day(&e->granted[kind], day) + word_of_day(&e->earlier_granted[kind], day) +
	       word_of_day(&e->other_granted[kind], day);
}

static uint32_t tunnels(const struct standing *t, const struct standing_entry *e)
{
	uint32_t n = 0;

	for (size_t i = 0; i < t->columns; i++)
		n += atomic_load(&e->column[i].tunnels);
	return n;
}

void standing_figures(const struct standing *t, const struct standing_entry *e,
	const struct local_day *day, struct standing_figures *out)
{
	out->minutes = minutes_used(e, day);
	out->bytes = bytes_used(e, day);
	for (int k = 0; k < STANDING_GRANTS; k++)
		out->granted[k] = granted(e, (enum standing_grant)k, day);
	out->tunnels = tunnels(t, e);
}

int64_t standing_spent_since(struct standing *t, struct standing_entry *e, enum standing_grant kind,
	uint64_t limit, const struct local_day *day, int64_t now_ms)
{
	uint64_t used, since = word_of_day(&e->spent_at[kind], day);

	if (limit == 0)
		return 0;
	used = kind == STANDING_MINUTES ? minutes_over(e, day, now_ms) : bytes_used(e, day);
	if (used < limit + granted(e, kind, day)) {
		if (since) {
			word_put(&e->spent_at[kind], day, 0);
			turn(t);
		}
		return 0;
	}
	if (since)
		return (int64_t)since;
	word_put(&e->spent_at[kind], day, (uint64_t)now_ms);
	turn(t);
	return now_ms;
}

/* --- tunnels ----------------------------------------------------------------------------------
 */

/* Two workers at the last place may both be refused, never both be let in. */
bool standing_open_tunnel(
	const struct standing *t, struct standing_entry *e, unsigned worker, uint32_t limit)
{
	atomic_fetch_add(&e->column[worker].tunnels, 1);
	if (limit == 0 || tunnels(t, e) <= limit)
		return true;
	standing_close_tunnel(e, worker);
	return false;
}

void standing_close_tunnel(struct standing_entry *e, unsigned worker)
{
	atomic_fetch_sub(&e->column[worker].tunnels, 1);
}

/* --- bandwidth --------------------------------------------------------------------------------
 */

#define NS_PER_S    UINT64_C(1000000000)
#define PORTIONS    32 /* of a second's bytes: what is reserved at once */
#define PORTION_MIN 512
#define PORTION_MAX 262144
/* What nobody used is kept for so long: timers are late by less. */
#define KEPT_NS (NS_PER_S / 20)

static uint64_t cost_ns(uint64_t rate, size_t n)
{
	return (uint64_t)((__uint128_t)n * NS_PER_S / rate);
}

static size_t portion(uint64_t rate, size_t want)
{
	uint64_t most = rate / PORTIONS;

	most = most < PORTION_MIN ? PORTION_MIN : most > PORTION_MAX ? PORTION_MAX : most;
	return want < most ? want : (size_t)most;
}

size_t standing_reserve(struct standing_entry *e, enum standing_way way, uint64_t rate, size_t want,
	uint64_t now_ns, uint64_t *at_ns)
{
	uint64_t paid = atomic_load(&e->paid_ns[way]), earliest, from;
	size_t n = portion(rate, want);

	earliest = now_ns > KEPT_NS ? now_ns - KEPT_NS : 0;
	do
		from = paid < earliest ? earliest : paid;
	while (!atomic_compare_exchange_weak(&e->paid_ns[way], &paid, from + cost_ns(rate, n)));
	*at_ns = from;
	return n;
}

void standing_give_back(struct standing_entry *e, enum standing_way way, uint64_t rate, size_t n)
{
	if (n)
		atomic_fetch_sub(&e->paid_ns[way], cost_ns(rate, n));
}

/* --- other nodes ------------------------------------------------------------------------------
 */

void standing_known_until(struct standing *t, uint64_t mono_ms)
{
	atomic_store(&t->shared->known_until_ms, mono_ms);
}

void standing_set_restored(struct standing *t)
{
	atomic_store(&t->shared->restored, 1);
}

bool standing_restored(const struct standing *t)
{
	return atomic_load(&t->shared->restored) != 0;
}

bool standing_known(const struct standing *t, uint64_t now_mono_ms)
{
	return now_mono_ms < atomic_load_explicit(&t->shared->known_until_ms, memory_order_acquire);
}

static void bits_out(uint8_t out[STANDING_BITMAP], size_t word, uint64_t bits)
{
	for (size_t k = 0; k < MINUTE_BITS / 8; k++)
		out[word * (MINUTE_BITS / 8) + k] = (uint8_t)(bits >> (8 * k));
}

static uint64_t bits_in(const uint8_t in[STANDING_BITMAP], size_t word)
{
	uint64_t bits = 0;

	for (size_t k = 0; k < MINUTE_BITS / 8; k++)
		bits |= (uint64_t)in[word * (MINUTE_BITS / 8) + k] << (8 * k);
	return bits;
}

void standing_totals(
	const struct standing_entry *e, const struct local_day *day, struct standing_totals *out)
{
	out->up = word_of_day(&e->bytes[STANDING_UP], day) + word_of_day(&e->earlier_bytes, day);
	out->down = word_of_day(&e->bytes[STANDING_DOWN], day);
	for (int k = 0; k < STANDING_GRANTS; k++)
		out->granted[k] =
			word_of_day(&e->granted[k], day) + word_of_day(&e->earlier_granted[k], day);
	for (size_t i = 0; i < MINUTE_WORDS; i++)
		bits_out(out->minutes, i, word_of_day(&e->minutes[i], day));
}

void standing_restore(struct standing *t, struct standing_entry *e, const struct local_day *day,
	const struct standing_totals *more)
{
	word_raise(&e->earlier_bytes, day, more->up + more->down);
	for (int k = 0; k < STANDING_GRANTS; k++)
		word_raise(&e->earlier_granted[k], day, more->granted[k]);
	for (size_t i = 0; i < MINUTE_WORDS; i++)
		word_set_bits(&e->minutes[i], day, bits_in(more->minutes, i));
	entry_changed(e);
	turn(t);
}

void standing_set_others(struct standing *t, struct standing_entry *e, const struct local_day *day,
	const struct standing_totals *others)
{
	bool rose = word_raise(&e->other_bytes, day, others->up + others->down);

	for (int k = 0; k < STANDING_GRANTS; k++)
		rose |= word_raise(&e->other_granted[k], day, others->granted[k]);
	for (size_t i = 0; i < MINUTE_WORDS; i++)
		rose |= word_set_bits(&e->other_minutes[i], day, bits_in(others->minutes, i));
	if (rose)
		turn(t);
}
