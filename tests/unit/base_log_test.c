/* The running log: one line an event, whatever the text; levels; errno left alone. */
#include "clock.h"
#include "err.h"
#include "log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char said[16384];

/* Runs one log call with stderr in a pipe and leaves what it wrote in `said`. */
#define CATCH(call)                                                                                \
	do {                                                                                       \
		int fd[2], old = dup(STDERR_FILENO);                                               \
		ssize_t n;                                                                         \
		assert_int_equal(pipe2(fd, O_NONBLOCK), 0);                                        \
		dup2(fd[1], STDERR_FILENO);                                                        \
		call;                                                                              \
		dup2(old, STDERR_FILENO);                                                          \
		n = read(fd[0], said, sizeof(said) - 1);                                           \
		said[n < 0 ? 0 : n] = 0;                                                           \
		close(fd[0]);                                                                      \
		close(fd[1]);                                                                      \
		close(old);                                                                        \
	} while (0)

static void line_names_process_topic_and_text(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	log_open("worker 0", LOG_LEVEL_INFO);
	CATCH(log_info("reload", "policy %d in force", 7));
	assert_string_equal(said, "stile worker 0: reload: policy 7 in force\n");
	CATCH(log_debug("reload", "quiet"));
	assert_string_equal(said, "");
	log_open("worker 0", LOG_LEVEL_ERROR);
	CATCH(log_warn("reload", "quiet"));
	assert_string_equal(said, "");
	CATCH(log_error("reload", "%s", "loud"));
	assert_string_equal(said, "stile worker 0: reload: loud\n");
}

static void journal_gets_the_level_in_front(void **state)
{
	struct stat st;
	char stream[64];

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", "8:1", 1); /* of a process above: its stderr, not ours */
	log_open("master", LOG_LEVEL_DEBUG);
	CATCH(log_debug("t", "x"));
	assert_string_equal(said, "stile master: t: x\n");
	setenv("JOURNAL_STREAM", stream, 1);
	log_open("master", LOG_LEVEL_DEBUG);
	unsetenv("JOURNAL_STREAM");
	CATCH(log_debug("t", "x"));
	assert_string_equal(said, "<7>stile master: t: x\n");
	CATCH(log_error("t", "x"));
	assert_string_equal(said, "<3>stile master: t: x\n");
	log_open("master", LOG_LEVEL_DEBUG);
}

static void text_cannot_forge_a_second_line(void **state)
{
	(void)state;
	CATCH(log_info("t", "%s", "a\nstile master: t: b\r\x1b[31m\x7f\t\xc3\xa4"));
	assert_string_equal(said,
		"stile master: t: a\\x0astile master: t: b\\x0d\\x1b[31m\\x7f\\x09\xc3\xa4\n");
}

static void longest_text_is_cut_and_still_one_line(void **state)
{
	char text[5000];

	(void)state;
	memset(text, '\n', sizeof(text));
	text[sizeof(text) - 1] = 0;
	CATCH(log_info("t", "%s", text));
	assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
	assert_string_equal(said + strlen(said) - 8, "\\x0a...\n");
}

static void json_lines_parse_whatever_the_text(void **state)
{
	char text[5000];
	int64_t by;

	(void)state;
	log_open("worker 0", LOG_LEVEL_INFO);
	log_json(true);
	by = INT64_C(1700000000123) - clock_wall_ms();
	clock_shift_ms(by);
	CATCH(log_warn("t", "%s", "a\n\"b\"\x01\xff"));
	clock_shift_ms(-by);
	assert_memory_equal(said, "{\"@timestamp\":\"2023-11-14T22:13:20.1", 36);
	assert_string_equal(said + 38,
		"Z\",\"level\":\"warning\",\"process\":\"worker 0\",\"topic\":\"t\","
		"\"message\":\"a\\n\\\"b\\\"\\u0001\xef\xbf\xbd\"}\n");
	memset(text, 1, sizeof(text));
	text[sizeof(text) - 1] = 0;
	CATCH(log_info("t", "%s", text));
	assert_string_equal(said + strlen(said) - 12, "\\u0001...\"}\n");
	log_json(false);
}

static void a_log_can_move_to_a_file(void **state)
{
	char text[100] = "";
	int old = dup(STDERR_FILENO), fd = open("log", O_RDWR | O_CREAT | O_APPEND, 0600);

	(void)state;
	assert_true(log_onto(fd));
	log_info("t", "in the file");
	assert_true(log_onto(old));
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, "stile worker 0: t: in the file\n");
	close(fd), close(old);
}

static void errno_survives_a_log_line(void **state)
{
	(void)state;
	errno = EXDEV;
	CATCH(errno = EXDEV; log_info("t", "x"); assert_int_equal(errno, EXDEV));
}

static void errors_carry_what_the_system_said(void **state)
{
	struct err e = {""};
	char text[600];

	(void)state;
	errno = ENOENT;
	assert_false(err_sys(&e, "cannot open %s", "f"));
	assert_string_equal(e.text, "cannot open f: No such file or directory");
	assert_int_equal(errno, ENOENT);
	assert_false(err_set(&e, "%d", 1));
	assert_string_equal(e.text, "1");
	assert_false(err_set(NULL, "x"));
	assert_false(err_sys(NULL, "x"));
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	assert_false(err_sys(&e, "%s", text));
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
}

static void wall_clock_shifts_and_the_other_does_not(void **state)
{
	uint64_t mono = clock_mono_ms();
	int64_t wall = clock_wall_ms();

	(void)state;
	assert_true(wall > INT64_C(1700000000000));
	clock_shift_ms(86400000);
	assert_in_range(clock_wall_ms() - wall, 86400000, 86400000 + 10000);
	clock_shift_ms(-86400000);
	assert_in_range(clock_wall_ms() - wall, 0, 10000);
	assert_in_range(clock_mono_ms() - mono, 0, 10000);
	assert_in_range(clock_mono_us() / 1000 - mono, 0, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_names_process_topic_and_text),
		cmocka_unit_test(journal_gets_the_level_in_front),
		cmocka_unit_test(text_cannot_forge_a_second_line),
		cmocka_unit_test(longest_text_is_cut_and_still_one_line),
		cmocka_unit_test(json_lines_parse_whatever_the_text),
		cmocka_unit_test(a_log_can_move_to_a_file),
		cmocka_unit_test(errno_survives_a_log_line),
		cmocka_unit_test(errors_carry_what_the_system_said),
		cmocka_unit_test(wall_clock_shifts_and_the_other_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
