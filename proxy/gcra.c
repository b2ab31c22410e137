/*
 * The table never gives a used cell back, so that two workers who look for the same new tag meet at
 * the same first empty cell: compare and swap lets one of them in, and the other finds it there.
 */
#include "gcra.h"

/* A moment may lie ahead of what one caller takes for now, because another read the clock later; so
 * far ahead it can only be a clock that was set back. */
#define SET_BACK_US 60000000

/* The tag's cell, or NULL where somebody else was faster and it is to be looked for again. */
static struct gcra_cell *look(struct gcra_cell *cells, size_t n, uint64_t tag)
{
	struct gcra_cell *coldest = NULL;
	uint64_t least = UINT64_MAX, whose = 0, expected = 0;

	for (size_t i = 0; i < GCRA_PROBES; i++) {
		struct gcra_cell *c = &cells[(tag + i) % n];
		uint64_t at = atomic_load(&c->tag), paid = atomic_load(&c->paid_us);

		if (at == tag)
			return c;
		if (at == 0)
			return atomic_compare_exchange_strong(&c->tag, &expected, tag) ? c : NULL;
		if (paid < least) {
			coldest = c;
			least = paid;
			whose = at;
		}
	}
	if (!atomic_compare_exchange_strong(&coldest->tag, &whose, tag))
		return NULL;
	/* what the one before owes is not this one's; whoever came in between is left alone */
	atomic_compare_exchange_strong(&coldest->paid_us, &least, 0);
	return coldest;
}

static uint32_t seconds(uint64_t us)
{
	uint64_t s = (us + 999999) / 1000000;

	return s < 1 ? 1 : s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

bool gcra_take(struct gcra_cell *cells, size_t n, uint64_t tag, const struct rate_limit *limit,
	uint64_t now_us, uint32_t *retry_s)
{
	uint64_t step = limit->interval_us, credit = step * limit->burst;
	struct gcra_cell *c;
	uint64_t paid, from;

	*retry_s = 0;
	if (step == 0)
		return true;
	while (!(c = look(cells, n, tag)))
		;
	paid = atomic_load(&c->paid_us);
	do {
		from = paid < now_us ? now_us : paid;
		if (from > now_us + credit + step + SET_BACK_US)
			from = now_us + credit + step;
		if (from - now_us > credit) {
			*retry_s = seconds(from - now_us - credit);
			/* a moment that the clock has left behind is put right for the next */
			if (from < paid)
				atomic_compare_exchange_strong(&c->paid_us, &paid, from);
			return false;
		}
	} while (!atomic_compare_exchange_weak(&c->paid_us, &paid, from + step));
	return true;
}

bool gcra_spent(const struct gcra_cell *cells, size_t n, uint64_t tag,
	const struct rate_limit *limit, uint64_t now_us, uint32_t *retry_s)
{
	uint64_t credit = limit->interval_us * limit->burst, paid = 0;

	*retry_s = 0;
	for (size_t i = 0; i < GCRA_PROBES && limit->interval_us; i++)
		if (atomic_load(&cells[(tag + i) % n].tag) == tag)
			paid = atomic_load(&cells[(tag + i) % n].paid_us);
	if (paid <= now_us + credit)
		return false;
	*retry_s = seconds(paid - now_us - credit);
	return true;
}
