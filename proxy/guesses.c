/* Two rates in the table that request limits use; of client and user there is only a keyed hash in
 * it. */
#include "guesses.h"

#include "clock.h"
#include "usage.h"

#define GUESSES_OF_USER	  20  /* at once from one client; then one in 6 s */
#define GUESSES_OF_CLIENT 300 /* at once; then five a second, for a whole office may be behind it  \
			       */

static const struct rate_limit of_user = {6000000, GUESSES_OF_USER - 1, 10, 60},
			       of_client = {200000, GUESSES_OF_CLIENT - 1, 5, 1};

/* Of IPv6 a client is a /64, as in crowd.h. No pseudonym is of these lengths. */
static struct span who(const struct addr *client)
{
	return span_of(client->b, client->v4 ? sizeof client->b : 8);
}

bool guesses_left(struct usage *u, const struct addr *client, struct span user, uint32_t *retry_s)
{
	uint64_t now = clock_mono_ms() * 1000;

	return !usage_rate_spent(u, who(client), SPAN("a guess"), &of_client, now, retry_s) &&
	       !usage_rate_spent(u, who(client), user, &of_user, now, retry_s);
}

void guesses_count(struct usage *u, const struct addr *client, struct span user)
{
	uint64_t now = clock_mono_ms() * 1000;
	uint32_t ignored;

	usage_rate_take(u, who(client), SPAN("a guess"), &of_client, now, &ignored);
	usage_rate_take(u, who(client), user, &of_user, now, &ignored);
}
