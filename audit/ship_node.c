/* The node's id: made once, kept beside the journal it stands for. */
#include "ship.h"

#include "digest.h"
#include "file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID_LEN 32

static bool read_id(const char *path, char out[ID_LEN + 1], struct err *e)
{
	struct buf b = {0};
	uint8_t raw[ID_LEN / 2];
	bool ok = file_read(path, 256, &b, e);
	if (ok) {
		struct span s = buf_spanof(&b);
		if (s.n && s.p[s.n - 1] == '\n')
			s.n--;
		ok = (s.n == ID_LEN && hex_decode(s, raw, sizeof raw)) ||
		     err_set(e, "%s: expected %d hex digits", path, ID_LEN);
		if (ok)
			hex_encode(raw, sizeof raw, out);
	}
	buf_free(&b);
	return ok;
}

bool ship_node_id(const char *root, char out[ID_LEN + 1], struct err *e)
{
	char *path, line[ID_LEN + 2];
	uint8_t raw[ID_LEN / 2];
	bool made, ok = true;
	if (asprintf(&path, "%s/node-id", root) < 0)
		return err_set(e, "out of memory");
	random_bytes(raw, sizeof raw);
	hex_encode(raw, sizeof raw, line);
	line[ID_LEN] = '\n';
	if (access(path, F_OK) != 0)
		ok = file_make(path, span_of(line, ID_LEN + 1), 0640, &made, e);
	ok = ok && read_id(path, out, e);
	free(path);
	return ok;
}
