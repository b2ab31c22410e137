/*
 * stile-policy passwd: adds an account or changes its password. The password never stands on a
 * command line; the file is replaced as a whole and keeps its mode and owner, so that the proxy,
 * which may run as somebody else, can go on reading it.
 */
#include "policy_commands.h"

#include "file.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define USER_MAX     128
#define PASSWORD_MAX 256
#define FILE_MAX     (16U << 20)

static const struct cli_option options[] = {{0}};

/* --- what is allowed -------------------------------------------------------------------------- */

static bool has_control(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

/* RFC 7617: a user-id holds no colon. A '#' in front would make the line a comment. */
static const char *user_wrong(struct span user)
{
	if (user.n == 0)
		return "is empty";
	if (user.n > USER_MAX)
		return "is longer than 128 bytes";
	if (memchr(user.p, ':', user.n))
		return "holds a colon";
	if (has_control(user))
		return "holds a control character";
	if (user.p[0] == '#')
		return "begins with '#', which begins a comment";
	if (span_trim(user).n != user.n)
		return "begins or ends with a space";
	return NULL;
}

static const char *password_wrong(struct span password)
{
	if (password.n == 0)
		return "the password is empty";
	if (has_control(password))
		return "the password holds a control character"; /* RFC 7617 2: not sendable */
	return NULL;
}

/* --- asking ----------------------------------------------------------------------------------- */

/* One line without its end; what does not fit is an error, never cut. */
static bool read_line(FILE *from, char out[PASSWORD_MAX + 2])
{
	if (!fgets(out, PASSWORD_MAX + 2, from))
		return false;
	size_t n = strcspn(out, "\r\n");
	bool ended = out[n] || feof(from);
	out[n] = 0;
	return ended && n <= PASSWORD_MAX;
}

static void ignore(int signo)
{
	(void)signo;
}

/* Ctrl-C must end the program, but never leave the terminal silent: the signal only interrupts the
 * reading, and is given again when the terminal is as it was. */
static bool read_interruptible(FILE *tty, char out[PASSWORD_MAX + 2])
{
	struct sigaction before, now = {.sa_handler = ignore};
	sigaction(SIGINT, &now, &before);
	errno = 0;
	bool ok = read_line(tty, out);
	bool interrupted = !ok && errno == EINTR;
	sigaction(SIGINT, &before, NULL);
	if (interrupted)
		errno = EINTR;
	return ok;
}

static bool ask(FILE *tty, const char *question, char out[PASSWORD_MAX + 2])
{
	struct termios before, silent;
	int fd = fileno(tty);
	if (tcgetattr(fd, &before) != 0)
		return false;
	silent = before;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	fprintf(stderr, "%s: ", question);
	if (tcsetattr(fd, TCSAFLUSH, &silent) != 0)
		return false;
	bool ok = read_interruptible(tty, out);
	bool interrupted = !ok && errno == EINTR;
	tcsetattr(fd, TCSAFLUSH, &before);
	fputc('\n', stderr);
	if (interrupted)
		raise(SIGINT);
	return ok;
}

static bool ask_twice(char out[PASSWORD_MAX + 2], struct err *e)
{
	char again[PASSWORD_MAX + 2] = "";
	bool ok = (ask(stdin, "Password", out) && ask(stdin, "Again", again)) ||
		  err_set(e, "no password was read (%d bytes at most)", PASSWORD_MAX);
	if (ok && strcmp(out, again) != 0)
		ok = err_set(e, "the two passwords differ; nothing was changed");
	explicit_bzero(again, sizeof again);
	return ok;
}

static bool read_password(char out[PASSWORD_MAX + 2], struct err *e)
{
	if (isatty(STDIN_FILENO)) {
		if (!ask_twice(out, e))
			return false;
	} else if (!read_line(stdin, out)) {
		return err_set(e, "standard input holds no line of 1 to %d bytes", PASSWORD_MAX);
	}
	const char *wrong = password_wrong(span_str(out));
	return wrong ? err_set(e, "%s", wrong) : true;
}

/* yescrypt with the library's default cost; the salt comes from the kernel. */
static bool hash_password(const char *password, struct buf *out, struct err *e)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data *data = calloc(1, sizeof *data);
	if (!data)
		return err_set(e, "out of memory");
	char *hash = crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof setting)
			     ? crypt_r(password, setting, data)
			     : NULL;
	bool ok = hash && hash[0] == '$';
	if (ok)
		buf_adds(out, hash);
	else
		err_sys(e, "the password cannot be hashed");
	explicit_bzero(data, sizeof *data);
	free(data);
	return ok;
}

/* --- the file --------------------------------------------------------------------------------- */

static bool line_of(struct span line, struct span user)
{
	return line.n > user.n && line.p[user.n] == ':' && span_starts(line, user);
}

/* Every line but those of the user as it was; the user's in the place of the first, or at the end.
 * *number is the line that is none of "user:hash", comment or empty; 0: all are fine. */
static bool replace_line(struct span old, struct span user, struct span hash, struct buf *out,
	bool *changed, unsigned *number)
{
	*changed = false;
	*number = 0;
	for (unsigned at = 1; old.n > 0; at++) {
		struct span line = span_cut(&old, '\n');
		bool comment = line.n == 0 || line.p[0] == '#';
		if (!comment && !memchr(line.p, ':', line.n) && span_trim(line).n > 0) {
			*number = at;
			return false;
		}
		bool mine = !comment && line_of(line, user);
		if (mine && !*changed)
			buf_printf(out, "%.*s:%.*s\n", SPAN_ARG(user), SPAN_ARG(hash));
		else if (!mine)
			buf_printf(out, "%.*s\n", SPAN_ARG(line));
		*changed = *changed || mine;
	}
	if (!*changed)
		buf_printf(out, "%.*s:%.*s\n", SPAN_ARG(user), SPAN_ARG(hash));
	return !out->failed;
}

struct account_file {
	char *path; /* behind symbolic links, which a rename would replace */
	bool there;
	struct stat before;
	struct buf old;
};

static bool load(const char *path, struct account_file *f, struct err *e)
{
	*f = (struct account_file){0};
	f->there = stat(path, &f->before) == 0;
	if (!f->there && errno != ENOENT)
		return err_sys(e, "cannot look at %s", path);
	f->path = f->there ? realpath(path, NULL) : strdup(path);
	if (!f->path)
		return err_sys(e, "cannot find %s", path);
	return !f->there || file_read(f->path, FILE_MAX, &f->old, e);
}

static bool store(const struct account_file *f, struct span content, struct err *e)
{
	mode_t mode = f->there ? f->before.st_mode & 07777 : 0600;
	if (!file_replace(f->path, content, mode, e))
		return false;
	if (!f->there || (f->before.st_uid == geteuid() && f->before.st_gid == getegid()))
		return true;
	if (chown(f->path, f->before.st_uid, f->before.st_gid) != 0)
		return err_sys(e, "%s is changed, but cannot keep its owner", f->path);
	return true;
}

static int change(struct cli *c, const char *path, struct span user, struct span hash)
{
	struct account_file f;
	struct buf content = {0};
	struct err e;
	bool changed;
	unsigned line = 0;
	int code = CLI_OK;
	if (!load(path, &f, &e))
		code = cli_fail(c, CLI_FOUND, "%s", e.text);
	else if (!replace_line(buf_spanof(&f.old), user, hash, &content, &changed, &line))
		code = line ? cli_fail(c, CLI_BAD_FILE, "%s:%u: expected user:hash", path, line)
			    : cli_fail(c, CLI_FOUND, "out of memory");
	else if (!store(&f, buf_spanof(&content), &e))
		code = cli_fail(c, CLI_FOUND, "%s", e.text);
	else
		printf(changed ? "%s: the password of '%.*s' is changed\n"
			       : "%s: '%.*s' is added\n",
			path, SPAN_ARG(user));
	free(f.path);
	buf_free(&f.old);
	buf_free(&content);
	return code;
}

/* Two changes at once would lose one of them: the folder is the lock, as the file is replaced. */
static int lock_folder(const char *path)
{
	char *folder = path_beside(path, ".");
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	free(folder);
	if (fd >= 0)
		flock(fd, LOCK_EX);
	return fd;
}

static int run(struct cli *c)
{
	const char *path = cli_operand(c, 0);
	struct span user = span_str(cli_operand(c, 1));
	char password[PASSWORD_MAX + 2] = "";
	struct buf hash = {0};
	struct err e;
	const char *wrong = user_wrong(user);
	if (wrong)
		return cli_usage(c, "the user name %s", wrong);
	bool ok = read_password(password, &e) && hash_password(password, &hash, &e);
	explicit_bzero(password, sizeof password);
	int code;
	if (ok) {
		int lock = lock_folder(path);
		code = change(c, path, user, buf_spanof(&hash));
		if (lock >= 0)
			close(lock);
	} else {
		code = cli_fail(c, CLI_FOUND, "%s", e.text);
	}
	buf_free(&hash);
	return code;
}

const struct cli_command policy_passwd_command = {
	.name = "passwd",
	.help = "adds a user to an htpasswd file or changes the password (yescrypt)",
	.operands = "FILE USER",
	.min = 2,
	.max = 2,
	.options = options,
	.about = "The password is asked for twice on a terminal; otherwise it is one line of "
		 "standard "
		 "input. A new file is readable by its owner only; an old one keeps mode and "
		 "owner. The "
		 "running proxy takes the change with its next reload.",
	.run = run,
};
