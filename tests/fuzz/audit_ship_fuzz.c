/*
 * A Redis server that lies to the shipper: any bytes as its answers. Each step ends, the journal
 * stays as it is, and no answer makes more of a record than the one it is.
 */
#include "chain.h"
#include "journal_line.h"
#include "journal_read.h"
#include "log.h"
#include "ship.h"

#include "redis_peer.h"

#include <fcntl.h>
#include <sys/stat.h>

#define STEPS 12

static const char chain[] = "00112233445566778899aabbccddeeff";
static char file[96];

static int folder(void)
{
	static int dir = -1;

	if (dir < 0) {
		mkdir("journal", 0700);
		mkdir("journal/0", 0700);
		dir = open("journal/0", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	must(dir >= 0);
	return dir;
}

/* A segment of three records. */
static size_t put(void)
{
	static const struct span body =
		SPAN("{\"k\":\"mark\",\"t\":1772452800000,\"day\":\"2026-03-02\","
		     "\"what\":\"start\",\"node\":\"n\"}");
	struct segment_name name = {.number = 1, .first_seq = 1};
	struct buf out = {0};
	struct chain_tip tip;
	size_t n;
	int fd;

	memcpy(name.chain, chain, sizeof name.chain);
	segment_name_format(&name, file);
	chain_start(SPAN("00112233445566778899aabbccddeeff"), &tip);
	journal_line_head(&out, chain, &tip);
	for (int i = 0; i < 3; i++) {
		chain_next(&tip, body);
		journal_line_add(&out, &tip, body);
	}
	fd = openat(folder(), file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && !out.failed && write(fd, out.p, out.n) == (ssize_t)out.n);
	close(fd);
	n = out.n;
	buf_free(&out);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static size_t bytes;
	struct ship_options o = {.root = "journal",
		.node = "n",
		.node_id = "0123456789abcdef0123456789abcdef",
		.batch = 2};
	const struct ship_status *at;
	struct shipper *s;
	struct stat st;
	struct err e;

	log_open("fuzz", LOG_LEVEL_ERROR + 1);
	if (!bytes)
		bytes = put();
	o.redis = peer_begin(span_of(data, size));
	s = ship_new(&o, &e);
	must(s != NULL);
	for (int i = 0; i < STEPS; i++) {
		enum ship_state state = ship_step(s);

		at = ship_status(s);
		must(state <= SHIP_REFUSED && (state != SHIP_AWAY || at->text[0]));
		must(at->shipped <= 3 * STEPS && at->already <= 3 * STEPS);
		must(at->journal_bytes <= bytes && at->backlog_bytes <= bytes);
		if (state != SHIP_BUSY)
			break;
	}
	ship_free(s);
	peer_end();
	must(fstatat(folder(), file, &st, 0) == 0 && (size_t)st.st_size == bytes);
	return 0;
}
