/*
 * The grammar of schedules. A part is cut at its first digit: days stand before it, times after it,
 * and either may be missing. Every window is put into the local week at once, so that asking later
 * is a comparison of minutes.
 */
#include "schedule.h"

#define DAY_MINUTES 1440

struct windows {
	struct week_window *v;
	size_t n, cap;
	struct err *e;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "mon", "Tues", "WEDNESDAY": the beginning of a day's name, three letters or more. */
static bool parse_day(struct span s, int *day)
{
	static const char *const names[7] = {
		"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

	for (int i = 0; i < 7; i++) {
		if (s.n >= 3 && s.n <= strlen(names[i]) && span_caseeq(s, span_of(names[i], s.n))) {
			*day = i;
			return true;
		}
	}
	return false;
}

static bool parse_day_range(struct span s, bool days[7], struct err *e)
{
	struct span rest = s, first = span_trim(span_cut(&rest, '-'));
	int from, to;

	if (!parse_day(first, &from))
		return err_set(e,
			"\"%.*s\" is no day; expected Mon, Tue, Wed, Thu, Fri, Sat or Sun",
			SPAN_ARG(first));
	to = from;
	if (rest.p && !parse_day(span_trim(rest), &to))
		return err_set(
			e, "\"%.*s\" is no day; expected one like Fri after \"-\"", SPAN_ARG(rest));
	for (int d = from;; d = (d + 1) % 7) {
		days[d] = true;
		if (d == to)
			return true;
	}
}

static bool parse_days(struct span s, bool days[7], struct err *e)
{
	struct span rest = s;

	memset(days, s.n == 0, 7 * sizeof(*days));
	while (s.n > 0 && rest.p) {
		if (!parse_day_range(span_trim(span_cut(&rest, ',')), days, e))
			return false;
	}
	return true;
}

static bool parse_minute(struct span s, int *minute)
{
	uint64_t h, m;

	if (s.n != 5 || s.p[2] != ':' || !span_u64(span_of(s.p, 2), 24, &h) ||
		!span_u64(span_of(s.p + 3, 2), 59, &m) || (h == 24 && m != 0))
		return false;
	*minute = (int)(h * 60 + m);
	return true;
}

static bool parse_times(struct span s, int *from, int *to, struct err *e)
{
	struct span rest = s, first = span_trim(span_cut(&rest, '-'));

	if (!parse_minute(first, from) || *from == DAY_MINUTES || !rest.p ||
		!parse_minute(span_trim(rest), to))
		return err_set(e, "\"%.*s\" is no time window; expected one like 08:00-18:00",
			SPAN_ARG(s));
	if (*from == *to)
		return err_set(e, "the window %.*s is empty; leave the times away for a whole day",
			SPAN_ARG(s));
	return true;
}

static bool add_window(struct windows *w, int from, int to)
{
	if (w->n == w->cap)
		return err_set(w->e, "too many windows; expected at most %zu", w->cap);
	w->v[w->n++] = (struct week_window){.from = (uint16_t)from, .to = (uint16_t)to};
	return true;
}

/* Cuts at midnight and at the end of the week. A window up to 00:00 ends with its day. */
static bool add_day_window(struct windows *w, int day, int from, int to)
{
	int next = (day + 1) % 7 * DAY_MINUTES;

	if (to > from)
		return add_window(w, day * DAY_MINUTES + from, day * DAY_MINUTES + to);
	return add_window(w, day * DAY_MINUTES + from, (day + 1) * DAY_MINUTES) &&
	       (to == 0 || add_window(w, next, next + to));
}

static bool add_times(struct windows *w, const bool days[7], int from, int to)
{
	for (int d = 0; d < 7; d++) {
		if (days[d] && !add_day_window(w, d, from, to))
			return false;
	}
	return true;
}

static bool parse_part(struct span part, struct windows *w)
{
	bool days[7];
	size_t cut = 0;
	int from, to;

	while (cut < part.n && !is_digit(part.p[cut]))
		cut++;
	struct span times = span_of(part.p + cut, part.n - cut);
	if (!parse_days(span_trim(span_of(part.p, cut)), days, w->e))
		return false;
	if (times.n == 0)
		return add_times(w, days, 0, DAY_MINUTES);
	while (times.p) {
		struct span one = span_trim(span_cut(&times, ','));
		if (!parse_times(one, &from, &to, w->e) || !add_times(w, days, from, to))
			return false;
	}
	return true;
}

int schedule_parse(struct span text, struct week_window *out, size_t cap, struct err *e)
{
	struct windows w = {.v = out, .cap = cap, .e = e};
	struct span rest = text;

	while (rest.p) {
		struct span part = span_trim(span_cut(&rest, ';'));
		if (part.n == 0) {
			err_set(e, "an empty schedule or part; expected one like "
				   "\"Mon-Fri 08:00-18:00\"");
			return -1;
		}
		if (!parse_part(part, &w))
			return -1;
	}
	return (int)w.n;
}

/* --- and back ----------------------------------------------------------------------------------
 */

/* The windows of one day as its times: "08:00-12:00,13:00-18:00"; "" for all of it. False: none. */
static bool put_times(const struct week_window *v, size_t n, int day, struct buf *out)
{
	int start = day * DAY_MINUTES, end = start + DAY_MINUTES;
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		int from = v[i].from > start ? v[i].from : start;
		int to = v[i].to < end ? v[i].to : end;

		if (from >= to)
			continue;
		if (to - from < DAY_MINUTES)
			buf_printf(out, "%s%02d:%02d-%02d:%02d", any ? "," : " ",
				(from - start) / 60, from % 60, (to - start) / 60, to % 60);
		any = true;
	}
	return any;
}

static void put_days(int from, int to, struct buf *out)
{
	static const char *const days[7] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

	buf_adds(out, days[from]);
	if (to > from)
		buf_printf(out, "%s%s", to > from + 1 ? "-" : ",", days[to]);
}

void schedule_put(const struct week_window *v, size_t n, struct buf *out)
{
	struct buf times = {0}, next = {0};
	bool first = true;

	if (n == 1 && v[0].from == 0 && v[0].to == WEEK_MINUTES) {
		buf_adds(out, "always");
		return;
	}
	for (int day = 0; day < 7;) {
		int last = day;

		buf_reset(&times);
		if (!put_times(v, n, day, &times)) {
			day++;
			continue;
		}
		for (; last + 1 < 7; last++) {
			buf_reset(&next);
			if (!put_times(v, n, last + 1, &next) ||
				!span_eq(buf_spanof(&times), buf_spanof(&next)))
				break;
		}
		buf_adds(out, first ? "" : "; ");
		put_days(day, last, out);
		buf_span(out, buf_spanof(&times));
		first = false;
		day = last + 1;
	}
	buf_free(&times);
	buf_free(&next);
}

bool schedule_has(const struct week_window *v, size_t n, int week_minute)
{
	for (size_t i = 0; i < n; i++) {
		if (week_minute >= v[i].from && week_minute < v[i].to)
			return true;
	}
	return false;
}
