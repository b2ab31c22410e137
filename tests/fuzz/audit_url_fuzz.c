/*
 * Any text as the address of a Redis server: what is accepted is complete, and once the login is
 * taken out of it, it is the same place without one.
 */
#include "redis.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct redis_options said, left;
	struct err e;
	char *url = malloc(size + 1);

	must(url);
	memcpy(url, data, size);
	url[size] = 0;
	bool ok = redis_url(url, &said, &e);
	redis_url_strip(url);
	must(strlen(url) <= size);
	if (ok) {
		must(said.host[0] && (said.port > 0 || said.host[0] == '/'));
		must(redis_url(url, &left, &e) && !left.user[0] && !left.password[0]);
		must(strcmp(said.host, left.host) == 0 && said.port == left.port);
		must(said.db == left.db && said.tls == left.tls);
	}
	free(url);
	return 0;
}
