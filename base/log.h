/*
 * The running log, for administrators: one line an event, to stderr, never a user's name, a
 * client's address or a URL path. The audit record is not a log line. Where stderr is the journal
 * of systemd each line carries its level as <N> (sd-daemon(3)).
 */
#ifndef STILE_LOG_H
#define STILE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* `who` is the process as the log names it ("master", "worker 0"); kept by reference. */
void log_open(const char *who, enum log_level up_to);
/* true: a JSON object a line with @timestamp, level, process, topic and message. */
void log_json(bool on);
/* stderr, and so the log of this process and of those it starts, goes to that descriptor from now
 * on, which stays the caller's. */
bool log_onto(int fd);
void log_to(enum log_level level, const char *topic, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(topic, ...) log_to(LOG_LEVEL_ERROR, topic, __VA_ARGS__)
#define log_warn(topic, ...)  log_to(LOG_LEVEL_WARN, topic, __VA_ARGS__)
#define log_info(topic, ...)  log_to(LOG_LEVEL_INFO, topic, __VA_ARGS__)
#define log_debug(topic, ...) log_to(LOG_LEVEL_DEBUG, topic, __VA_ARGS__)

#endif
