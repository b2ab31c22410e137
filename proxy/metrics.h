/* The metrics page, in Prometheus' text format; metrics.def says what is on it. */
#ifndef STILE_METRICS_H
#define STILE_METRICS_H

#include "status.h"

void metrics_write(const struct status *s, struct buf *out);

#endif
