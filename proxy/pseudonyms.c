/* Each has one place, which the next one who falls there takes over. */
#include "pseudonyms.h"

#include "siphash.h"

#include <stdlib.h>

#define PLACES 512 /* a power of two */

struct place {
	uint64_t id[2];
	struct pseudonym pseudonym;
};

struct pseudonyms {
	struct sip_key key;
	struct place place[PLACES];
};

struct pseudonyms *pseudonyms_new(void)
{
	struct pseudonyms *p = calloc(1, sizeof *p);

	if (p)
		random_bytes(&p->key, sizeof p->key);
	return p;
}

void pseudonyms_free(struct pseudonyms *p)
{
	free(p);
}

/* HMAC-SHA-256, cut to 96 bits. */
static void compute(struct digest *d, struct span key, struct span user, char out[PERSON_LEN + 1])
{
	uint8_t mac[SHA256_LEN];

	digest_hmac(d, key, &user, 1, mac);
	hex_encode(mac, PERSON_LEN / 2, out);
}

/* The pseudonym key is hashed, too: with another key everybody is somebody else. */
struct pseudonym *pseudonyms_find(
	struct pseudonyms *p, struct digest *d, struct span key, struct span user)
{
	const struct span parts[] = {key, user};
	uint64_t id[2];
	struct place *at;

	siphash_tag(&p->key, parts, 2, id);
	at = &p->place[id[0] % PLACES];
	if (at->id[0] != id[0] || at->id[1] != id[1] || !at->pseudonym.text[0]) {
		*at = (struct place){.id = {id[0], id[1]}};
		compute(d, key, user, at->pseudonym.text);
	}
	return &at->pseudonym;
}
