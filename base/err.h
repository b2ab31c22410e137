/* One error, in words that say what to do next. */
#ifndef STILE_ERR_H
#define STILE_ERR_H

#include <stdbool.h>

struct err {
	char text[480];
};

/* Always false, so that a failing function can `return err_set(...)`. e may be NULL. */
bool err_set(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same with ": " and the text of errno behind. */
bool err_sys(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
