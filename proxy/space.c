/*
 * The journal folder from outside: sizes as the file system tells them, so that a shipper that is
 * away or dead is no reason not to know.
 */
#include "space.h"

#include "journal_read.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MEMORY_S 600.0 /* growth longer ago than this counts for little */

static uint64_t folder_bytes(int dir)
{
	struct segment_name *v = NULL;
	size_t n = 0;
	uint64_t sum = 0;

	if (!segment_list(dir, &v, &n, NULL))
		return 0;
	for (size_t i = 0; i < n; i++) {
		char file[96];
		struct stat st;

		segment_name_format(&v[i], file);
		if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0)
			sum += (uint64_t)st.st_size;
	}
	free(v);
	return sum;
}

static uint64_t all_bytes(int root_fd)
{
	uint64_t sum = 0;
	int again = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again >= 0 ? fdopendir(again) : NULL;

	if (!d && again >= 0)
		close(again);
	for (struct dirent *e; d && (e = readdir(d));) {
		int dir = e->d_name[0] == '.'
				  ? -1
				  : openat(root_fd, e->d_name,
					    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

		if (dir < 0)
			continue;
		sum += folder_bytes(dir);
		close(dir);
	}
	if (d)
		closedir(d);
	return sum;
}

/* What was deleted meanwhile hides growth; that errs toward too little for one look only. */
void space_measured(struct space *s, uint64_t bytes, uint64_t now_ms)
{
	double seconds = (double)(now_ms - s->looked_ms) / 1000;

	if (s->looked_ms && seconds > 0 && bytes >= s->bytes) {
		double now = (double)(bytes - s->bytes) / seconds, keep = exp(-seconds / MEMORY_S);

		s->rate = s->rate * keep + now * (1 - keep);
	}
	s->bytes = bytes;
	s->looked_ms = now_ms;
}

void space_look(struct space *s, int root_fd, uint64_t now_ms)
{
	struct statvfs fs;

	if (s->looked_ms && now_ms - s->looked_ms < SPACE_LOOK_MS)
		return;
	space_measured(s, all_bytes(root_fd), now_ms);
	if (fstatvfs(root_fd, &fs) == 0)
		s->disk_free = (uint64_t)fs.f_bavail * fs.f_frsize;
}

double space_left_s(const struct space *s, uint64_t bound, uint64_t backlog)
{
	uint64_t kept = backlog < s->bytes ? backlog : s->bytes;
	uint64_t within = bound > kept ? bound - kept : 0;
	uint64_t left = within < s->disk_free ? within : s->disk_free;

	if (s->rate < 1e-9)
		return INFINITY;
	return (double)left / s->rate;
}
