/*
 * The PAC file: leads a browser to the proxy at the address by which it was asked for, so that it
 * needs no setting. Decided by host only, as Chromium tells a PAC file no path, and without DNS.
 */
#include "portal_pages.h"

#include <sys/socket.h>

/* Where the client reached us, as it would be written into a PAC file. */
static void own_address(const struct portal *p, struct buf *out)
{
	struct conn *c = p->c;
	const struct head_request *h = &c->rq->head;
	struct sockaddr_storage ss = {0};
	socklen_t size = sizeof ss;
	char text[HOST_MAX + 3], addr[ADDR_TEXT_MAX];
	struct span name = c->side[CLIENT].tls ? tls_name(c->side[CLIENT].tls) : SPAN("");
	struct host host;
	struct addr a;
	uint16_t port = 0;

	/* asked as a server: by the name and port that it was asked by */
	if (h->form == FORM_ORIGIN && h->host.len) {
		host_text(&h->host, text);
		buf_printf(out, "%s:%u", text, h->port);
		return;
	}
	if (getsockname(c->side[CLIENT].fd, (struct sockaddr *)&ss, &size) != 0 ||
		!addr_from_sockaddr((struct sockaddr *)&ss, &a, &port))
		a = c->local;
	addr_format(&a, addr);
	/* a certificate is for a name: the one that the client has just accepted */
	if (name.n && host_parse(name, &host)) {
		host_text(&host, text);
		buf_printf(out, "%s:%u", text, port);
	} else {
		buf_printf(out, a.v4 ? "%s:%u" : "[%s]:%u", addr, port);
	}
}

/* Names that `pac.direct` lists. All that comes from outside was read as a host name before, and
 * holds no character that a string of JavaScript would take for its end. */
static void direct_names(const struct portal *p, struct buf *b)
{
	const struct settings *s = p->settings;

	for (size_t i = 0; i < s->pac_direct.n; i++)
		buf_printf(b,
			"\tif (host == \"%s\" || dnsDomainIs(host, \".%s\")) return \"DIRECT\";\n",
			s->pac_direct.v[i], s->pac_direct.v[i]);
}

void portal_pac(struct portal *p)
{
	struct buf *b = &p->body;

	p->type = "application/x-ns-proxy-autoconfig";
	buf_adds(b, "function FindProxyForURL(url, host) {\n\tvar proxy = \"");
	buf_adds(b, p->c->side[CLIENT].tls ? "HTTPS " : "PROXY ");
	own_address(p, b);
	buf_printf(b,
		"\";\n\tif (host == \"%s\") return proxy;\n"
		"\tif (isPlainHostName(host)) return \"DIRECT\";\n",
		p->settings->portal);
	direct_names(p, b);
	/* literal addresses of the inside; names are never looked up here */
	buf_adds(b, "\tif (/^(10|127)(\\.\\d+){3}$/.test(host) || "
		    "/^192\\.168(\\.\\d+){2}$/.test(host) ||\n"
		    "\t\t/^169\\.254(\\.\\d+){2}$/.test(host) || "
		    "/^172\\.(1[6-9]|2\\d|3[01])(\\.\\d+){2}$/.test(host) ||\n"
		    "\t\t/^\\[?(::1$|::1\\]|f[cd]..:|fe[89ab].:)/i.test(host)) return \"DIRECT\";\n"
		    "\treturn proxy;\n}\n");
}
