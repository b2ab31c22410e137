/*
 * The running log: a line is put together on the stack and leaves in one write(2), so that lines of
 * several processes on one stderr never mix. Text is escaped here, once: whatever a peer managed to
 * get into a message cannot forge a second line.
 */
#include "log.h"
#include "buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOG_TEXT_MAX 1024
#define LOG_LINE_MAX (4 * LOG_TEXT_MAX + 256) /* every byte may become \xNN */

static struct {
	const char *who;
	enum log_level up_to;
	bool journal;
} out = {.who = "start", .up_to = LOG_LEVEL_INFO};

void log_open(const char *who, enum log_level up_to)
{
	out.who = who;
	out.up_to = up_to;
	out.journal = getenv("JOURNAL_STREAM") != NULL;
}

static void add_escaped(struct buf *b, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c == 0x7f)
			buf_printf(b, "\\x%02x", c);
		else
			buf_addc(b, (char)c);
	}
}

void log_to(enum log_level level, const char *topic, const char *fmt, ...)
{
	char text[LOG_TEXT_MAX], line[LOG_LINE_MAX];
	struct buf b;
	int no = errno, n;
	va_list ap;

	if (level > out.up_to)
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_init_fixed(&b, line, sizeof(line));
	if (out.journal)
		buf_printf(&b, "<%d>", (int)level);
	buf_printf(&b, "stile %.64s: %.64s: ", out.who, topic);
	add_escaped(&b, n < 0 ? fmt : text);
	if (n >= (int)sizeof(text))
		buf_adds(&b, "...");
	buf_addc(&b, '\n');
	/* nothing can be said about a log that cannot be written */
	if (write(STDERR_FILENO, line, b.n) < 0)
		errno = no;
	errno = no;
}
