/* The metrics port: an evhttp server with one page. */
#include "scrape.h"

#include <stdlib.h>

#include <event2/buffer.h>
#include <event2/http.h>

#define TIMEOUT_S    10
#define HEAD_MAX     8192
#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct scrape {
	struct evhttp *server;
	scrape_fn *fn;
	void *arg;
};

static void on_metrics(struct evhttp_request *rq, void *arg)
{
	struct scrape *s = arg;
	struct evbuffer *body = evhttp_request_get_output_buffer(rq);
	struct buf page = {0};

	s->fn(s->arg, &page);
	if (page.failed || evbuffer_add(body, page.p, page.n) != 0) {
		evhttp_send_error(rq, HTTP_INTERNAL, NULL);
	} else {
		evhttp_add_header(
			evhttp_request_get_output_headers(rq), "Content-Type", CONTENT_TYPE);
		evhttp_send_reply(rq, HTTP_OK, "OK", NULL);
	}
	buf_free(&page);
}

static void on_other(struct evhttp_request *rq, void *arg)
{
	(void)arg;
	evhttp_send_error(rq, HTTP_NOTFOUND, NULL);
}

struct scrape *scrape_open(struct loop *loop, const struct settings_address *at, scrape_fn *fn,
	void *arg, struct err *e)
{
	struct scrape *s = calloc(1, sizeof *s);
	char text[ADDR_TEXT_MAX];

	if (!s || !(s->server = evhttp_new(loop_native(loop)))) {
		free(s);
		return (void)err_set(e, "metrics: out of memory"), NULL;
	}
	s->fn = fn;
	s->arg = arg;
	evhttp_set_timeout(s->server, TIMEOUT_S);
	evhttp_set_max_headers_size(s->server, HEAD_MAX);
	evhttp_set_max_body_size(s->server, 0);
	evhttp_set_allowed_methods(s->server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_cb(s->server, "/metrics", on_metrics, s);
	evhttp_set_gencb(s->server, on_other, NULL);
	addr_format(&at->addr, text);
	if (evhttp_bind_socket(s->server, text, at->port) == 0)
		return s;
	err_sys(e, "metrics: cannot listen on %s port %u", text, at->port);
	scrape_close(s);
	return NULL;
}

void scrape_close(struct scrape *s)
{
	if (!s)
		return;
	evhttp_free(s->server);
	free(s);
}
