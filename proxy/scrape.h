/*
 * The loopback port where Prometheus reads the metrics page: GET /metrics, nothing else. libevent's
 * HTTP server is good enough for readers on this machine and is known by this file alone; clients
 * of the proxy never reach it.
 */
#ifndef STILE_SCRAPE_H
#define STILE_SCRAPE_H

#include "buf.h"
#include "err.h"
#include "loop.h"
#include "settings.h"

struct scrape;

typedef void scrape_fn(void *arg, struct buf *page);

/* NULL with *e. */
struct scrape *scrape_open(struct loop *loop, const struct settings_address *at, scrape_fn *fn,
	void *arg, struct err *e);
/* NULL is fine. Before the loop is freed. */
void scrape_close(struct scrape *s);

#endif
