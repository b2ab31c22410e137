/*
 * The running log: a line is put together on the stack and leaves in one write(2), so that lines of
 * several processes on one stderr never mix. Text is escaped here, once: whatever a peer managed to
 * get into a message cannot forge a second line.
 */
#include "log.h"
#include "buf.h"
#include "clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOG_TEXT_MAX 1024
#define LOG_LINE_MAX (6 * LOG_TEXT_MAX + 512) /* every byte may become \u00NN */

static struct {
	const char *who;
	enum log_level up_to;
	bool journal, json;
} out = {.who = "start", .up_to = LOG_LEVEL_INFO};

/* systemd says which device and inode the journal's stream has: stderr may have become a file. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char is[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) != 0)
		return false;
	snprintf(is, sizeof(is), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	return strcmp(is, stream) == 0;
}

void log_open(const char *who, enum log_level up_to)
{
	out.who = who;
	out.up_to = up_to;
	out.journal = stderr_is_journal();
}

void log_json(bool on)
{
	out.json = on;
}

bool log_onto(int fd)
{
	bool ok = dup2(fd, STDERR_FILENO) >= 0;

	out.journal = stderr_is_journal();
	return ok;
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

static const char *level_word(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARN:
		return "warning";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		break;
	}
	return "debug";
}

static void member(struct buf *b, const char *key, struct span value)
{
	buf_printf(b, "%s\"%s\":", b->p[b->n - 1] == '{' ? "" : ",", key);
	buf_json(b, value);
}

static void object(struct buf *b, enum log_level level, const char *topic, struct span text)
{
	int64_t now = clock_wall_ms();
	time_t s = (time_t)(now / 1000);
	struct tm tm;
	char at[64];
	size_t n = strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%S", gmtime_r(&s, &tm));

	snprintf(at + n, sizeof(at) - n, ".%03dZ", (int)(now % 1000));
	buf_addc(b, '{');
	member(b, "@timestamp", span_str(at));
	member(b, "level", span_str(level_word(level)));
	member(b, "process", span_of(out.who, strnlen(out.who, 64)));
	member(b, "topic", span_of(topic, strnlen(topic, 64)));
	member(b, "message", text);
	buf_addc(b, '}');
}

static void words(struct buf *b, const char *topic, const char *text)
{
	buf_printf(b, "stile %.64s: %.64s: ", out.who, topic);
	add_escaped(b, text);
}

void log_to(enum log_level level, const char *topic, const char *fmt, ...)
{
	char text[LOG_TEXT_MAX + 4], line[LOG_LINE_MAX];
	struct buf b;
	int no = errno, n;
	va_list ap;

	if (level > out.up_to)
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, LOG_TEXT_MAX, fmt, ap);
	va_end(ap);
	if (n < 0)
		snprintf(text, sizeof(text), "%s", fmt);
	else if (n >= LOG_TEXT_MAX)
		memcpy(text + LOG_TEXT_MAX - 1, "...", 4);
	buf_init_fixed(&b, line, sizeof(line));
	if (out.journal)
		buf_printf(&b, "<%d>", (int)level);
	if (out.json)
		object(&b, level, topic, span_str(text));
	else
		words(&b, topic, text);
	buf_addc(&b, '\n');
	/* nothing can be said about a log that cannot be written */
	if (write(STDERR_FILENO, line, b.n) < 0)
		errno = no;
	errno = no;
}
