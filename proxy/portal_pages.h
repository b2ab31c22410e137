/*
 * What the rooms of the portal share: a question that has been understood, and the answer that a
 * room fills in. portal.c makes the one and sends the other.
 */
#ifndef STILE_PORTAL_PAGES_H
#define STILE_PORTAL_PAGES_H

#include "conn.h"
#include "form.h"
#include "page.h"

struct portal {
	struct conn *c;
	const struct snapshot *policy;
	const struct settings *settings;
	int64_t now_ms;
	uint64_t roles; /* that hold, networks included */
	struct form query;
	const struct form *posted; /* NULL: nothing was */
	/* the answer: 200 and HTML unless said */
	int status;
	const char *type;
	struct buf fields; /* more header fields, each with its CR LF */
	struct buf body;
	bool ack; /* no answer yet: the request's acknowledgement is recorded first */
};

/* By row of portal.def. */
#define PORTAL(name, word, path, methods, login, fill, text) void fill(struct portal *p);
#include "portal.def"
#undef PORTAL

/* The acknowledgement is in the journal and in force. */
void portal_coached(struct portal *p);

/* A page in the portal's frame: heading, links to the others. `here` names the row it is. */
void portal_page_begin(struct portal *p, enum portal_page here, struct span title);
void portal_page_end(struct portal *p);
/* A page that only says something; for what went wrong. */
void portal_say(struct portal *p, int status, const char *title, const char *text);

/* A host as people type or paste it, "host", "host:port" or a whole address; without a scheme it is
 * https. *plain: http. */
bool portal_host(struct span typed, struct host *host, uint16_t *port, bool *plain);
/* The same the other way, short. */
void portal_host_text(const struct host *host, uint16_t port, bool plain, struct buf *out);
/* The request's facts at this moment. */
struct facts portal_facts(const struct portal *p);
/* How the person stands under a rule; NULL: nothing is known. For the moment only. */
struct standing_entry *portal_standing(const struct portal *p, const struct rule_view *rule);
/* The person's login name, for the person alone; empty where nobody logged in. */
struct span portal_user(const struct portal *p);
/* "14:30", "14:30 tomorrow", "14:30 on 2026-11-30"; the policy's zone. */
void portal_moment(const struct snapshot *p, int64_t now_s, int64_t at_s, struct buf *out);
/* The same of the question's own moment. */
void portal_time(const struct portal *p, int64_t unix_s, struct buf *out);
/* "90 days", "8 hours", "2 minutes": a duration as people say it. */
void portal_duration(int64_t ms, struct buf *out);
/* Roles that hold as `, `-separated names. */
void portal_roles(const struct portal *p, struct buf *out);
/* `,"key":"text"`, null where the text is empty. */
void portal_json_text(struct buf *b, const char *key, struct span text);
/* How the person was identified, a sentence without its full stop. */
const char *portal_strength(const struct portal *p);

#endif
