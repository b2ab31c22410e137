/*
 * The master's side of the control socket. A client's story: its line is read, asked of the master,
 * answered at once or when the master has the answer, written, closed; all within a deadline.
 */
#include "control.h"

#include "file.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS_MAX 16
#define LINE_MAX_   512
#define DEADLINE_MS 60000
#define LIST_MS	    5000
#define PART_MAX    (16 << 20) /* bytes of one worker's listing */

enum waiting { FOR_LINE, FOR_RELOAD, FOR_LISTING, FOR_WRITING };

struct client {
	struct control *c; /* NULL: free */
	int fd;
	struct loop_ev ev;
	enum waiting waiting;
	char line[LINE_MAX_];
	size_t n;
	struct buf answer;
	size_t sent;
};

struct control {
	struct loop *loop;
	struct loop_ev ev, list_timer;
	struct control_hooks hooks;
	char *path;
	int fd;
	struct client client[CLIENTS_MAX];
	uint32_t listing; /* its number */
	unsigned awaited;
	struct buf list;
};

/* --- the socket ----------------------------------------------------------------------------------
 */

/* A path may be longer than sun_path: its folder is opened and named by descriptor. */
static bool address_of(const char *path, struct sockaddr_un *sa, int *folder)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX] = ".";
	int n;

	if (slash && !span_copy(span_of(path, (size_t)(slash - path) + 1), dir, sizeof dir))
		return errno = ENAMETOOLONG, false;
	*folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*folder < 0)
		return false;
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	n = snprintf(sa->sun_path, sizeof sa->sun_path, "/proc/self/fd/%d/%s", *folder,
		slash ? slash + 1 : path);
	if (n < (int)sizeof sa->sun_path)
		return true;
	close(*folder);
	return errno = ENAMETOOLONG, false;
}

static int socket_at(
	const char *path, int (*fn)(int fd, const struct sockaddr *sa, socklen_t n), int flags)
{
	struct sockaddr_un sa;
	int folder, fd, no;

	if (!address_of(path, &sa, &folder))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd >= 0 && fn(fd, (struct sockaddr *)&sa, sizeof sa) != 0) {
		no = errno;
		close(fd);
		errno = no;
		fd = -1;
	}
	no = errno;
	close(folder);
	errno = no;
	return fd;
}

int control_connect(const char *path)
{
	return socket_at(path, connect, 0);
}

/* One that a dead master left answers nobody; anything else that lies there is not ours. */
static bool make_way(const char *path, struct err *e)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) != 0)
		return errno == ENOENT || err_sys(e, "control: %s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, "control: %s is there and is no socket", path);
	fd = control_connect(path);
	if (fd >= 0) {
		close(fd);
		return err_set(e, "control: another stile-proxy answers at %s", path);
	}
	return unlink(path) == 0 || err_sys(e, "control: %s", path);
}

static int listen_at(const char *path, struct err *e)
{
	mode_t before;
	int fd;

	if (!make_way(path, e))
		return -1;
	before = umask(0177);
	fd = socket_at(path, bind, SOCK_NONBLOCK);
	umask(before);
	if (fd >= 0 && listen(fd, CLIENTS_MAX) == 0)
		return fd;
	err_sys(e, "control: %s", path);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* --- answers -------------------------------------------------------------------------------------
 */

static void drop(struct client *k)
{
	loop_del(&k->ev);
	close(k->fd);
	buf_free(&k->answer);
	k->c = NULL;
}

static void on_client(int fd, short what, void *arg);

static void write_answer(struct client *k)
{
	while (k->sent < k->answer.n) {
		ssize_t n = send(k->fd, k->answer.p + k->sent, k->answer.n - k->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		k->sent += (size_t)n;
	}
	drop(k);
}

static void finish(struct client *k)
{
	buf_adds(&k->answer, "}\n");
	k->waiting = FOR_WRITING;
	if (k->answer.failed) {
		drop(k);
		return;
	}
	loop_del(&k->ev);
	loop_init(&k->ev, k->c->loop, k->fd, LOOP_WRITE | LOOP_PERSIST, on_client, k);
	loop_add(&k->ev, DEADLINE_MS);
	write_answer(k);
}

static void begin(struct client *k, bool ok)
{
	buf_printf(&k->answer, "{\"ok\":%s", ok ? "true" : "false");
}

static void member(struct client *k, const char *key, const char *value)
{
	if (!value)
		return;
	buf_printf(&k->answer, ",\"%s\":", key);
	buf_json(&k->answer, span_str(value));
}

static void say(struct client *k, bool ok, const char *text)
{
	begin(k, ok);
	member(k, "text", text);
	finish(k);
}

/* --- what is asked -------------------------------------------------------------------------------
 */

static void status(struct client *k)
{
	struct status *s = calloc(1, sizeof *s);

	if (!s) {
		say(k, false, "out of memory");
		return;
	}
	k->c->hooks.status(k->c->hooks.arg, s);
	buf_adds(&k->answer, "{\"ok\":true,");
	struct buf b = {0};
	status_json(s, &b);
	buf_span(&k->answer, buf_spanof(&b));
	buf_free(&b);
	free(s);
	finish(k);
}

static void reload(struct client *k)
{
	k->waiting = FOR_RELOAD;
	k->c->hooks.reload(k->c->hooks.arg);
}

static void drain(struct client *k)
{
	struct control *c = k->c;

	say(k, true, "draining");
	c->hooks.drain(c->hooks.arg);
}

static void observe(struct client *k, struct span rest)
{
	struct span number = span_cut(&rest, ' ');
	struct err e = {""};
	char reason[OBSERVE_TEXT_MAX + 1];
	uint64_t seconds;

	if (!span_u64(number, UINT32_MAX, &seconds) || !rest.p ||
		!span_copy(rest, reason, sizeof reason))
		say(k, false, "expected: observe SECONDS REASON");
	else if (k->c->hooks.observe(k->c->hooks.arg, seconds, reason, &e))
		say(k, true, "refusals by rules are only recorded from now on");
	else
		say(k, false, e.text);
}

static void enforce(struct client *k)
{
	struct err e = {""};

	if (k->c->hooks.enforce(k->c->hooks.arg, &e))
		say(k, true, "refusals are enforced again");
	else
		say(k, false, e.text);
}

static void limits(struct client *k, struct span rest)
{
	char who[LINE_MAX_];

	if (rest.n == 0 || !span_copy(rest, who, sizeof who)) {
		say(k, false, "expected: limits WHO");
		return;
	}
	begin(k, true);
	k->c->hooks.limits(k->c->hooks.arg, who, &k->answer);
	finish(k);
}

static bool grant_read(struct span rest, char text[3][LINE_MAX_], struct grant *g)
{
	struct span who = span_cut(&rest, ' '), kind = span_cut(&rest, ' ');
	struct span n = span_cut(&rest, ' '), rule = span_cut(&rest, ' ');

	*g = (struct grant){.who = text[0], .rule = text[1], .reason = text[2]};
	g->kind = span_is(kind, "minutes") ? STANDING_MINUTES : STANDING_BYTES;
	if (span_is(rule, "*"))
		rule = span_of("", 0);
	return who.n && rest.n && rest.n <= GRANT_REASON_MAX &&
	       (g->kind == STANDING_MINUTES || span_is(kind, "bytes")) &&
	       span_u64(n, GRANT_MAX, &g->n) && g->n && span_copy(who, text[0], LINE_MAX_) &&
	       span_copy(rule, text[1], LINE_MAX_) && span_copy(rest, text[2], LINE_MAX_);
}

static void grant(struct client *k, struct span rest)
{
	char text[3][LINE_MAX_];
	struct err e = {""};
	struct grant g;

	if (!grant_read(rest, text, &g))
		say(k, false, "expected: grant WHO minutes|bytes N RULE|* REASON");
	else if (k->c->hooks.grant(k->c->hooks.arg, &g, &e))
		say(k, true, "granted for today");
	else
		say(k, false, e.text);
}

static void end_listing(struct control *c)
{
	loop_del(&c->list_timer);
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *k = &c->client[i];

		if (!k->c || k->waiting != FOR_LISTING)
			continue;
		begin(k, c->awaited == 0 && !c->list.failed);
		if (c->awaited)
			member(k, "text", "not every worker has answered");
		buf_adds(&k->answer, ",\"connections\":[");
		buf_span(&k->answer, buf_spanof(&c->list));
		buf_addc(&k->answer, ']');
		finish(k);
	}
	buf_free(&c->list);
	c->awaited = 0;
}

static void on_list_late(int fd, short what, void *arg)
{
	(void)fd, (void)what;
	end_listing(arg);
}

static void connections(struct client *k)
{
	struct control *c = k->c;

	k->waiting = FOR_LISTING;
	if (c->awaited) /* one is under way: it will do */
		return;
	c->awaited = c->hooks.list(c->hooks.arg, ++c->listing);
	loop_add(&c->list_timer, LIST_MS);
	if (c->awaited == 0)
		end_listing(c);
}

static void ask(struct client *k)
{
	struct span rest = span_of(k->line, k->n), word = span_cut(&rest, ' ');

	if (span_is(word, "status"))
		status(k);
	else if (span_is(word, "reload"))
		reload(k);
	else if (span_is(word, "connections"))
		connections(k);
	else if (span_is(word, "drain"))
		drain(k);
	else if (span_is(word, "observe"))
		observe(k, rest);
	else if (span_is(word, "enforce"))
		enforce(k);
	else if (span_is(word, "limits"))
		limits(k, rest);
	else if (span_is(word, "grant"))
		grant(k, rest);
	else
		say(k, false, "this stile-proxy knows no such command");
}

/* --- events --------------------------------------------------------------------------------------
 */

static void read_line(struct client *k)
{
	ssize_t n = recv(k->fd, k->line + k->n, sizeof k->line - k->n, 0);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || k->waiting != FOR_LINE) { /* gone, or more than was to be said */
		drop(k);
		return;
	}
	k->n += (size_t)n;
	end = memchr(k->line, '\n', k->n);
	if (end) {
		k->n = (size_t)(end - k->line);
		ask(k);
	} else if (k->n == sizeof k->line) {
		say(k, false, "the line is too long");
	}
}

static void on_client(int fd, short what, void *arg)
{
	struct client *k = arg;

	(void)fd;
	if (what & LOOP_TIMEOUT)
		drop(k);
	else if (k->waiting == FOR_WRITING)
		write_answer(k);
	else
		read_line(k);
}

static void on_accept(int fd, short what, void *arg)
{
	struct control *c = arg;
	size_t i = 0;
	int in = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (in < 0)
		return;
	while (i < CLIENTS_MAX && c->client[i].c)
		i++;
	if (i == CLIENTS_MAX) {
		close(in);
		return;
	}
	c->client[i] = (struct client){.c = c, .fd = in};
	loop_init(
		&c->client[i].ev, c->loop, in, LOOP_READ | LOOP_PERSIST, on_client, &c->client[i]);
	loop_add(&c->client[i].ev, DEADLINE_MS);
}

struct control *control_open(
	struct loop *loop, const char *path, const struct control_hooks *hooks, struct err *e)
{
	struct control *c = calloc(1, sizeof *c);

	if (!c || !(c->path = strdup(path))) {
		free(c);
		return (void)err_set(e, "out of memory"), NULL;
	}
	c->loop = loop;
	c->hooks = *hooks;
	c->fd = listen_at(path, e);
	if (c->fd < 0) {
		free(c->path);
		free(c);
		return NULL;
	}
	loop_init(&c->ev, loop, c->fd, LOOP_READ | LOOP_PERSIST, on_accept, c);
	loop_init(&c->list_timer, loop, -1, 0, on_list_late, c);
	loop_add(&c->ev, -1);
	return c;
}

void control_close(struct control *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (c->client[i].c)
			drop(&c->client[i]);
	loop_del(&c->ev);
	loop_del(&c->list_timer);
	close(c->fd);
	unlink(c->path);
	buf_free(&c->list);
	free(c->path);
	free(c);
}

/* --- what the master answers ---------------------------------------------------------------------
 */

static void problem_list(struct client *k, const struct problems *p)
{
	buf_adds(&k->answer, ",\"problems\":[");
	for (size_t i = 0; i < p->n; i++) {
		buf_adds(&k->answer, i ? ",{\"file\":" : "{\"file\":");
		buf_json(&k->answer, span_str(p->v[i].file));
		buf_printf(&k->answer, ",\"line\":%u,\"text\":", p->v[i].line);
		buf_json(&k->answer, span_str(p->v[i].text));
		buf_addc(&k->answer, '}');
	}
	buf_addc(&k->answer, ']');
}

void control_reloaded(struct control *c, bool ok, const char *text, const char *digest,
	const char *notes, const struct problems *problems)
{
	for (size_t i = 0; c && i < CLIENTS_MAX; i++) {
		struct client *k = &c->client[i];

		if (!k->c || k->waiting != FOR_RELOAD)
			continue;
		begin(k, ok);
		member(k, "text", text);
		member(k, "digest", digest);
		member(k, "notes", notes && *notes ? notes : NULL);
		if (problems)
			problem_list(k, problems);
		finish(k);
	}
}

static void take_in(struct control *c, int fd)
{
	char part[16384];
	off_t at = 0;
	ssize_t n;

	while (at < PART_MAX && (n = pread(fd, part, sizeof part, at)) > 0) {
		if (at == 0 && c->list.n)
			buf_adds(&c->list, ",\n");
		buf_add(&c->list, part, (size_t)n);
		at += n;
	}
}

void control_listed(struct control *c, uint32_t number, int fd)
{
	if (!c || number != c->listing || c->awaited == 0)
		return;
	if (fd >= 0)
		take_in(c, fd);
	if (--c->awaited == 0)
		end_listing(c);
}
