/* Whole files: limits when reading, all or nothing when writing. The working folder is scratch. */
#include "file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t entries(const char *folder)
{
	DIR *d = opendir(folder);
	size_t n = 0;

	assert_non_null(d);
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void holds(const char *path, const char *expected)
{
	struct buf b = {0};

	assert_true(file_read(path, 1000, &b, NULL));
	assert_string_equal(b.p, expected);
	buf_free(&b);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static int folder(void **state)
{
	(void)state;
	umask(077);
	return mkdir("d", 0700);
}

static int clear(void **state)
{
	(void)state;
	return system("rm -rf d");
}

static void replacing_leaves_new_content_and_no_litter(void **state)
{
	struct err e = {""};

	(void)state;
	assert_true(file_replace("d/f", SPAN("one"), 0640, &e));
	holds("d/f", "one");
	assert_int_equal(mode_of("d/f"), 0640); /* whatever the umask */
	assert_true(file_replace("d/f", SPAN("two"), 0600, &e));
	holds("d/f", "two");
	assert_int_equal(mode_of("d/f"), 0600);
	assert_int_equal(entries("d"), 1);
}

static void failed_replacing_leaves_the_old_file_and_no_litter(void **state)
{
	struct err e = {""};

	(void)state;
	assert_int_equal(mkdir("d/folder", 0700), 0);
	assert_int_equal(mkdir("d/folder/x", 0700), 0);
	assert_false(file_replace("d/folder", SPAN("one"), 0600, &e));
	assert_non_null(strstr(e.text, "d/folder: Is a directory"));
	assert_int_equal(entries("d"), 1);
	assert_false(file_replace("d/none/f", SPAN("one"), 0600, &e));
	assert_non_null(strstr(e.text, "No such file"));
}

static void making_never_overwrites(void **state)
{
	struct err e = {""};
	bool made = false;

	(void)state;
	assert_true(file_make("d/f", SPAN("one"), 0600, &made, &e));
	assert_true(made);
	assert_true(file_make("d/f", SPAN("two"), 0600, &made, &e));
	assert_false(made);
	holds("d/f", "one");
	assert_int_equal(entries("d"), 1);
	/* a dangling link is something that is there */
	assert_int_equal(symlink("nowhere", "d/l"), 0);
	assert_true(file_make("d/l", SPAN("two"), 0600, &made, &e));
	assert_false(made);
	assert_int_equal(entries("d"), 2);
}

/* a key may lie in a folder that cannot be written to: credentials of systemd do */
static void what_is_there_needs_no_place_to_write(void **state)
{
	struct err e = {""};
	bool made = true;

	(void)state;
	assert_true(file_make("/proc/self/status", SPAN("two"), 0600, &made, &e));
	assert_false(made);
	assert_false(file_make("/proc/self/nothing", SPAN("two"), 0600, &made, &e));
}

static void reading_keeps_to_its_limit(void **state)
{
	struct buf b = {0};
	struct err e = {""};

	(void)state;
	assert_true(file_replace("d/f", SPAN("12345"), 0600, &e));
	buf_adds(&b, "0");
	assert_true(file_read("d/f", 5, &b, &e));
	assert_string_equal(b.p, "012345");
	assert_false(file_read("d/f", 4, &b, &e));
	assert_non_null(strstr(e.text, "d/f is larger than 4 bytes"));
	assert_string_equal(b.p, "012345");
	/* no size to look at beforehand */
	assert_false(file_read("/dev/zero", 1000000, &b, &e));
	assert_non_null(strstr(e.text, "larger than"));
	assert_string_equal(b.p, "012345");
	assert_true(file_read("/dev/null", 0, &b, &e));
	assert_false(file_read("d", 100, &b, &e));
	assert_non_null(strstr(e.text, "Is a directory"));
	assert_false(file_read("d/none", 100, &b, &e));
	assert_non_null(strstr(e.text, "d/none: No such file"));
	assert_string_equal(b.p, "012345");
	buf_free(&b);
}

static void folders_are_made_with_their_parents(void **state)
{
	struct err e = {""};
	bool made = false;

	(void)state;
	assert_true(dir_make("d/a/b//c/", 0750, &made, &e));
	assert_true(made);
	assert_int_equal(mode_of("d/a"), 0750);
	assert_int_equal(mode_of("d/a/b/c"), 0750);
	assert_true(dir_make("d/a/b/c", 0700, &made, &e));
	assert_false(made);
	assert_int_equal(mode_of("d/a/b/c"), 0750); /* what was there is left alone */
	assert_true(dir_make("/", 0700, NULL, &e));
	assert_true(file_replace("d/f", SPAN(""), 0600, &e));
	assert_false(dir_make("d/f", 0700, &made, &e));
	assert_non_null(strstr(e.text, "is no folder"));
	assert_false(dir_make("d/f/g", 0700, &made, &e));
	assert_false(dir_make("", 0700, &made, &e));
}

static void beside(const char *base, const char *rel, const char *expected)
{
	char *path = path_beside(base, rel);

	assert_string_equal(path, expected);
	free(path);
}

static void paths_are_relative_to_the_file_that_names_them(void **state)
{
	(void)state;
	beside("proxy.cfg", "policy.cfg", "policy.cfg");
	beside("/etc/stile/proxy.cfg", "policy.cfg", "/etc/stile/policy.cfg");
	beside("/etc/stile/proxy.cfg", "lists/x", "/etc/stile/lists/x");
	beside("/etc/stile/proxy.cfg", "/srv/x", "/srv/x");
	beside("a/b", "../c", "a/../c");
	beside("/x", "y", "/y");
}

static void writing_tells_when_it_cannot(void **state)
{
	int fd[2];

	(void)state;
	assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
	assert_true(write_all(fd[1], "abc", 3));
	assert_true(write_all(fd[1], NULL, 0));
	assert_false(write_all(fd[0], "abc", 3));
	close(fd[0]);
	close(fd[1]);
}

int main(void)
{
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, folder, clear)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(replacing_leaves_new_content_and_no_litter),
		IN_FOLDER(failed_replacing_leaves_the_old_file_and_no_litter),
		IN_FOLDER(making_never_overwrites),
		IN_FOLDER(what_is_there_needs_no_place_to_write),
		IN_FOLDER(reading_keeps_to_its_limit),
		IN_FOLDER(folders_are_made_with_their_parents),
		cmocka_unit_test(paths_are_relative_to_the_file_that_names_them),
		cmocka_unit_test(writing_tells_when_it_cannot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
