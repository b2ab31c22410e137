/*
 * Any bytes on the control socket: they are answered with one JSON object and the end, or with the
 * end alone; what the master is asked for is within its bounds.
 */
#include "control.h"

#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

static struct loop *loop;
static struct control *control;
static unsigned asked;

/* --- the master ---------------------------------------------------------------------------------
 */

static void status(void *arg, struct status *out)
{
	(void)arg;
	*out = (struct status){.node = "fuzz", .digest = "", .ship_text = "", .observe_reason = ""};
	asked++;
}

static void reload(void *arg)
{
	(void)arg;
	control_reloaded(control, true, "in force", "", "a \"note\"", NULL);
	asked++;
}

static void drain(void *arg)
{
	(void)arg;
	asked++;
}

static bool observe(void *arg, uint64_t seconds, const char *reason, struct err *e)
{
	(void)arg;
	must(seconds <= UINT32_MAX && strlen(reason) <= OBSERVE_TEXT_MAX);
	asked++;
	return seconds % 2 || err_set(e, "not \"%s\"", reason);
}

static bool enforce(void *arg, struct err *e)
{
	(void)arg, (void)e;
	asked++;
	return true;
}

static void limits(void *arg, const char *who, struct buf *out)
{
	(void)arg;
	must(*who);
	buf_adds(out, ",\"who\":");
	buf_json(out, span_str(who));
	asked++;
}

static bool grant(void *arg, const struct grant *g, struct err *e)
{
	(void)arg, (void)e;
	must(*g->who && *g->reason && strlen(g->reason) <= GRANT_REASON_MAX);
	must(g->n > 0 && g->n <= GRANT_MAX);
	asked++;
	return true;
}

static unsigned list(void *arg, uint32_t number)
{
	(void)arg, (void)number;
	asked++;
	return 0;
}

/* --- the client ---------------------------------------------------------------------------------
 */

static char answer[65536];
static size_t answered;

static void on_answer(int fd, short what, void *arg)
{
	ssize_t n = recv(fd, answer + answered, sizeof answer - 1 - answered, 0);

	(void)what, (void)arg;
	must(n >= 0 || errno == EAGAIN || errno == ECONNRESET);
	if (n > 0)
		answered += (size_t)n;
	else if (n == 0 || errno == ECONNRESET)
		loop_stop(loop);
}

static void open_control(void)
{
	const struct control_hooks hooks = {
		NULL, status, reload, drain, observe, enforce, limits, grant, list};
	struct err e;

	loop = loop_new();
	must(loop != NULL);
	control = control_open(loop, "./control.sock", &hooks, &e);
	must(control != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loop_ev ev;
	int fd;

	if (!control)
		open_control();
	answered = asked = 0;
	fd = control_connect("./control.sock");
	must(fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	must(size == 0 || send(fd, data, size < 4096 ? size : 4096, MSG_NOSIGNAL) > 0);
	shutdown(fd, SHUT_WR);
	loop_init(&ev, loop, fd, LOOP_READ | LOOP_PERSIST, on_answer, NULL);
	loop_add(&ev, -1);
	loop_run(loop);
	loop_del(&ev);
	close(fd);
	must(asked <= 1 && answered < sizeof answer - 1);
	answer[answered] = 0;
	must(answered == 0 ||
		(strncmp(answer, "{\"ok\":", 6) == 0 && strcmp(answer + answered - 2, "}\n") == 0));
	for (size_t i = 0; i + 1 < answered; i++)
		must((unsigned char)answer[i] >= ' ' || answer[i] == '\n');
	return 0;
}
