/* Limits in words. Every kind has its case, so that a new one cannot be forgotten here. */
#include "rate.h"
#include "units.h"

const char *const when_spent_words[] = {
	[WHEN_SPENT_DENY] = "deny", [WHEN_SPENT_COACH] = "coach", [WHEN_SPENT_NEXT] = "next", NULL};
const char *const without_redis_words[] = {[WITHOUT_REDIS_LOCAL] = "local",
	[WITHOUT_REDIS_DENY] = "deny",
	[WITHOUT_REDIS_ALLOW] = "allow",
	NULL};

bool limits_have(const struct limits_view *l, enum limit_kind k)
{
	switch (k) {
	case LIMIT_MINUTES:
		return l->minutes;
	case LIMIT_BYTES:
		return l->bytes;
	case LIMIT_TUNNELS:
		return l->tunnels;
	case LIMIT_REQUESTS:
		return l->requests.interval_us;
	case LIMIT_BANDWIDTH:
		return l->bandwidth;
	case LIMIT_COUNT:
		break;
	}
	return false;
}

static const char *many(uint64_t n)
{
	return n == 1 ? "" : "s";
}

void limits_put(const struct limits_view *l, enum limit_kind k, struct buf *out)
{
	if (!limits_have(l, k))
		return;
	switch (k) {
	case LIMIT_MINUTES:
		buf_printf(out, "%u minute%s a day", l->minutes, many(l->minutes));
		break;
	case LIMIT_BYTES:
		units_put_size(out, l->bytes);
		/* without a unit it is a number of bytes */
		buf_adds(out, strchr("0123456789", out->p[out->n - 1]) ? " bytes a day" : " a day");
		break;
	case LIMIT_TUNNELS:
		buf_printf(out, "%u tunnel%s at once", l->tunnels, many(l->tunnels));
		break;
	case LIMIT_REQUESTS:
		rate_put(&l->requests, l->requests.count == 1 ? " request" : " requests", out);
		break;
	case LIMIT_BANDWIDTH:
		units_put_speed(out, l->bandwidth);
		break;
	case LIMIT_COUNT:
		break;
	}
}
