/*
 * What the shipper sees of the journal: the chains in all folders below the root, and a cursor in
 * each. The cursor yields records in order without a hole: what a damaged line should have been is
 * yielded as a record without body, so that one bad sector never stops a chain.
 */
#ifndef STILE_SHIP_CHAIN_H
#define STILE_SHIP_CHAIN_H

#include "journal_read.h"

#include <sys/types.h>

struct ship_folder {
	struct ship_folder *next;
	char *name;
	int fd;
	dev_t dev;
	ino_t ino;
	unsigned long newest; /* number of its last segment */
	bool seen;	      /* by the scan that runs */
};

struct ship_segment {
	struct segment_name name;
	uint64_t size;
	int64_t mtime_ms;
	ino_t ino;
};

/* Why a chain is set aside; SET_NOT: it is not. */
enum ship_aside {
	SET_NOT,
	SET_AHEAD,   /* the tip in Redis is beyond the journal's end */
	SET_DIFFERS, /* another hash at the same number */
	SET_BEHIND,  /* the journal begins behind the tip: some records are in neither */
	SET_HOLE,    /* a piece of the journal is missing in its middle */
	SET_UNREAD,  /* it cannot be read */
	SET_GONE     /* its last segments went while not all of it was in Redis */
};

struct ship_chain {
	struct ship_chain *next;
	struct ship_folder *folder;
	char name[CHAIN_NAME_LEN + 1];
	struct ship_segment *seg; /* what is there, in order */
	size_t n, cap;
	char day[11]; /* of the last record read; "" before */

	/* The cursor. */
	bool placed;	  /* it stands where Redis stands, or ahead by what is sent */
	unsigned long at; /* the segment being read */
	ino_t at_ino;
	uint64_t offset;	       /* behind the last record yielded from it */
	uint64_t synced;	       /* of its bytes, known to be on the disk */
	uint64_t end_size;	       /* of the segment, when its end was last looked at */
	struct chain_tip read;	       /* the last record yielded */
	struct segment_reader *reader; /* NULL: none open */
	struct journal_line held;      /* read, but placeholders come first */
	bool holding;
	bool drained; /* all there is was yielded when last looked */

	/* Damage, told once: what lies before these points was counted. */
	unsigned long told_at;
	uint64_t told_offset;
	uint64_t told_seq;
	/* Not told yet: lines that cannot be read, records yielded without body, the first number.
	 */
	uint64_t bad_new, empty_new, damage_seq;

	/* What Redis says. */
	bool asked;
	bool known; /* it has a tip */
	struct chain_tip tip;
	enum ship_aside aside;
	struct chain_tip told; /* of the last alarm, so that the same one is not marked again */
	enum ship_aside told_kind;
};

struct ship_view {
	int root;
	struct ship_folder *folders;
	struct ship_chain *chains; /* by folder and age */
	size_t n_chains;
	size_t readers; /* open ones */
	uint64_t bytes; /* of all segments */
};

/* Called for each chain that left the disk before all of it was yielded. */
typedef void ship_gone_fn(void *arg, struct ship_chain *c);
/* Looks at the disk again. */
bool ship_view_scan(struct ship_view *v, ship_gone_fn *gone, void *arg, struct err *e);
void ship_view_free(struct ship_view *v);

enum ship_read {
	READ_RECORD,
	READ_END,  /* nothing more that is synced and whole */
	READ_HOLE, /* more is missing than placeholders should stand for */
	READ_FAILED
};
struct ship_record {
	struct chain_tip at;
	struct span body; /* "" where it cannot be read; valid until the next read */
};
enum ship_read ship_chain_next(
	struct ship_view *v, struct ship_chain *c, struct ship_record *out, struct err *e);
/* Puts the cursor behind what Redis has (c->known, c->tip). SET_NOT: it stands; else why not. */
enum ship_aside ship_chain_place(struct ship_view *v, struct ship_chain *c, struct err *e);
/* No writer adds to it any more. */
bool ship_chain_dead(const struct ship_chain *c);
/* And all of it was yielded. */
bool ship_chain_finished(const struct ship_chain *c);
/* The first record to come is the oldest that the journal has. */
bool ship_chain_at_oldest(const struct ship_chain *c);
/* Bytes that are not known to be in Redis. */
uint64_t ship_chain_backlog(const struct ship_chain *c);
void ship_chain_close(struct ship_view *v, struct ship_chain *c);

#endif
