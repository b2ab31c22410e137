/* Schedules: "Mon-Fri 08:00-12:00,13:00-18:00; Sat 09:00-12:00", as minutes of the local week. */
#ifndef STILE_SCHEDULE_H
#define STILE_SCHEDULE_H

#include "buf.h"
#include "err.h"
#include "span.h"

#define WEEK_MINUTES (7 * 1440)

/* Half-open [from, to) in minutes since Monday 00:00 local time. A window over midnight
 * ("Fri 22:00-02:00") or over the end of the week is cut into two. */
struct week_window {
	uint16_t from, to;
};

/* Grammar: parts separated by ";": [days] times. days: "Mon-Fri", "Mon,Wed,Fri", "Sat-Mon", names
 * of at least three letters, any case; none: every day. times: "HH:MM-HH:MM" separated by ",";
 * "24:00" may end one; none: the whole day. Returns the number of windows, at most cap, or -1 with
 * *e. */
int schedule_parse(struct span text, struct week_window *out, size_t cap, struct err *e);
/* The same way back, days with the same times together: "Mon-Fri 12:00-14:00; Sat". Windows are in
 * order and do not touch; the whole week is "always". */
void schedule_put(const struct week_window *v, size_t n, struct buf *out);
bool schedule_has(const struct week_window *v, size_t n, int week_minute);

#endif
