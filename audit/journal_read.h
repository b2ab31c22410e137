/*
 * Reading journals: the folder of one writer, or a root with a folder per writer. Nothing here
 * writes; readers run beside the writer.
 */
#ifndef STILE_JOURNAL_READ_H
#define STILE_JOURNAL_READ_H

#include "chain.h"
#include "err.h"

/* One line of a segment. Of one that cannot even be taken apart seq is 0 and body the line. */
struct journal_line {
	uint64_t seq;
	uint8_t hash[SHA256_LEN];
	struct span body; /* valid until the next read */
	bool whole;	  /* the hash fits previous hash and body */
};

/* A segment by its name. */
struct segment_name {
	unsigned long number;
	char chain[CHAIN_NAME_LEN + 1];
	uint64_t first_seq;
};
bool segment_name_parse(const char *file, struct segment_name *out);
void segment_name_format(const struct segment_name *n, char out[96]);

/* Segments of one folder in number order. Caller frees *out. False with *e. */
bool segment_list(int dir, struct segment_name **out, size_t *n, struct err *e);

struct segment_reader;
/* `dir` is the writer's folder. Checks the first line: a damaged one is given by segment_next as a
 * line that is not whole; one not yet written is read when it is there. */
struct segment_reader *segment_open(int dir, const struct segment_name *name, struct err *e);
void segment_close(struct segment_reader *r);
/* The hash before the segment's first record; zeros where the first line is damaged or not yet
 * there and the chain does not begin here. */
void segment_base(const struct segment_reader *r, struct chain_tip *out);
enum segment_answer {
	SEGMENT_LINE,  /* *out is a line; out->whole says whether it can be trusted */
	SEGMENT_END,   /* no more whole lines now; the writer may add some: read again later */
	SEGMENT_TORN,  /* bytes after the last newline, or zeros: a writer is at it, or died */
	SEGMENT_FAILED /* reading failed, *e says how */
};
/* `until` bounds the file offset read up to (0: the end of the file). */
enum segment_answer segment_next(
	struct segment_reader *r, uint64_t until, struct journal_line *out, struct err *e);
uint64_t segment_offset(const struct segment_reader *r); /* behind the last line given */
int segment_fd(const struct segment_reader *r);
/* Begins again behind a known line, so that a cursor costs no reading from the start. */
bool segment_seek(struct segment_reader *r, uint64_t offset, const struct chain_tip *tip);

/* All records of all writers below `root` ("journal"; or the folder of one writer, which is then
 * named
 * ""), folder by folder, in (chain, seq) order within
 * each. fn returns false to stop. Bad lines are counted in *bad, not given. Progress: fn_bytes is
 * told bytes read of bytes in all, may be NULL. */
typedef bool journal_record_fn(
	void *arg, const char *writer, const char *chain, uint64_t seq, struct span body);
typedef void journal_progress_fn(void *arg, uint64_t done, uint64_t all);
bool journal_walk(const char *root, journal_record_fn *fn, journal_progress_fn *progress, void *arg,
	uint64_t *bad, struct err *e);

#endif
