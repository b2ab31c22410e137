/* Configuration: wrong text, names and types become problems with a place and what was expected. */
#include "conf.h"
#include "file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define T(literal)                                                                                 \
	{                                                                                          \
		(literal), sizeof(literal) - 1                                                     \
	}

static char *printed(struct problems *p)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	problems_print(p, f);
	fclose(f);
	problems_free(p);
	return text;
}

/* The problems must contain `part`, or be none for NULL. */
static void expect(struct problems *p, const char *about, const char *part)
{
	char *text = printed(p);

	if (part ? !strstr(text, part) : text[0])
		fail_msg("%s\n  expected: %s\n  said: %s", about, part ? part : "nothing", text);
	free(text);
}

/* --- text --- */

static const struct {
	struct span text;
	const char *problem; /* NULL: it is good */
} texts[] = {
	{T(""), NULL},
	{T("# only a comment"), NULL},
	{T("a = 1 # no newline behind"), NULL},
	{T("a = 1 // nor here"), NULL},
	{T("a = 1/* */;b = 2//x\nc=3/**/"), NULL},
	{T("a = 1 b = 2, c : 3;"), NULL},
	{T("a = \"x\" \"y\"\n\"z\";"), NULL},
	{T("a = ( );b = [ ];c = { };"), NULL},
	{T("a = \"5000000000 # // /* 0xffffffff\"; # 5000000000\n/* 5000000000 */"), NULL},
	{T("a-5000000000 = 1; b_0xffffffff = 2;"), NULL},
	{T("a = 5000000000.5; b = 5e12; c = -1.5E+3; d = 5.;"), NULL},
	{T("a = 2147483647; b = -2147483648; c = +7; d = 0x7fffffff; e = 0x000000007FFFFFFF"),
		NULL},
	{T("a = 5000000000L; b = 0xffffffffLL; c = 9223372036854775807L;"), NULL},
	{T("a = -9223372036854775808L; b = 0x7fffffffffffffffL;"), NULL},
	{T("a = \"\\\\\"; b = \"\\\"\"; c = \"\\x41\\q\";"), NULL},
	{T("a = TRUE; b = False;"), NULL},
	/* what libconfig 1.5 cuts */
	{T("\na = 2147483648;"), "t:2: integers beyond 32 bits need an L"},
	{T("a = 5000000000;"), "at `5000000000`"},
	{T("a = -2147483649;"), "t:1: integers beyond"},
	{T("a = 0xffffffff;"), "t:1: integers beyond"},
	{T("a = 0X80000000;"), "t:1: integers beyond"},
	{T("a = 0x100000000;"), "t:1: integers beyond"},
	{T("a = [1, 2,\n3000000000];"), "t:2: integers beyond"},
	{T("a = ( { b = 3000000000; } );"), "t:1: integers beyond"},
	{T("a = 9223372036854775808L;"), "t:1: integers beyond"},
	{T("a = 0x8000000000000000L;"), "t:1: integers beyond"},
	{T("a = 0x10000000000000000L;"), "t:1: integers beyond"},
	{T("a = 99999999999999999999999999;"), "t:1: integers beyond"},
	/* two of a name */
	{T("a = 1;\nb = 2;\na = 3;"), "t:3: \"a\" is set twice in this group (before at t:1)"},
	{T("g = { x = 1;\n y = 2;\n x = 3; };"), "t:3: \"x\" is set twice"},
	{T("g = { x = 1; }; h = { x = 1; }; x = 1;"), NULL},
	{T("g = ( { x = 1; }, { x = 1; } );"), NULL},
	{T("a = 1; A = 2; aa = 3; a-a = 4;"), NULL},
	{T("a = 1; a = 2; b = 1;\nb = 2"), "t:2: \"b\" is set twice"},
	/* grammar */
	{T("a"), "t:1: expected `=` or `:` behind the setting's name, found the end of the file"},
	{T("a\n\n1;"), "t:3: expected `=` or `:` behind the setting's name, found `1`"},
	{T("a = ;"), "t:1: expected a value (strings need quotes), found `;`"},
	{T("a = hello;"), "t:1: expected a value (strings need quotes), found `hello`"},
	{T("= 1"), "t:1: expected a setting's name, found `=`"},
	{T("a = 1;;"), "t:1: expected a setting's name, found `;`"},
	{T("1 = a;"), "t:1: expected a setting's name, found `1`"},
	{T("true = 1;"), "t:1: expected a setting's name, found `true`"},
	{T("a = 1 2"), "t:1: expected `;` or a setting's name, found `2`"},
	{T("g = {\n a = 1\n"), "found the end of the file (`{` is open since line 1)"},
	{T("l = ( 1, \n 2 ]"), "t:2: expected `,` or `)`, found `]`"},
	{T("l = ( 1; 2 )"), "t:1: expected `,` or `)`, found `;`"},
	{T("l = ( 1, )"), "t:1: expected a value"},
	{T("l = [ 1 2 ]"), "t:1: expected `,` or `]`, found `2`"},
	{T("l = [ ( ) ]"), "t:1: expected a string in quotes, number, boolean or `]`, found `(`"},
	{T("l = [ 1, { } ]"), "t:1: expected a string in quotes, number or boolean, found `{`"},
	{T("l = [ 1, \"x\" ]"), "t:1: all elements of an array [ ] must be of one type"},
	{T("a = 1; }"), "t:1: expected a setting's name, found `}`"},
	{T("g = { )"), "t:1: expected a setting's name or `}`, found `)`"},
	/* strings that were not quoted */
	{T("a = 30s;"),
		"t:1: a value that starts like a number but goes on needs quotes, at `30s`"},
	{T("a = 10.0.0.1;"), "needs quotes"},
	{T("a = 10/8;"), "needs quotes"},
	{T("a = 12:30;"), "needs quotes"},
	{T("a = 0x;"), "t:1: 0x wants hexadecimal digits"},
	{T("a = -;"), "t:1: a number starts with a digit"},
	{T("a = .;"), "t:1: a number starts with a digit"},
	{T("a = 'x';"), "t:1: this byte has no meaning here"},
	{T("a = \xc3\xa4;"), "t:1: this byte has no meaning here"},
	{T("a = /x;"), "t:1: this byte has no meaning here"},
	/* what has no end, and zero bytes */
	{T("a = 1;\nb = \"x\n\n"), "t:2: this string has no closing quote"},
	{T("a = \"x\\\""), "t:1: this string has no closing quote"},
	{T("a = \"x\\"), "t:1: this string has no closing quote"},
	{T("a = 1;\n/* x\n"), "t:2: this comment has no end"},
	{T("/*/"), "t:1: this comment has no end"},
	{T("a = \"x\n\\x00\";"), "a string cannot hold a zero byte"},
	{T("a = \"\\X00\";"), "a string cannot hold a zero byte"},
	{T("a = \"\\\\x00\";"), NULL}, /* an escaped backslash, then x00 */
	{T("a = 1;\nb\0 = 2;"), "t:2: zero byte"},
	/* included files have no place in text without a folder */
	{T("a = 1;\n @include \"x\""), "t:2: @include is not allowed here"},
	{T("a = \"\n@include\";"), NULL},
	{T("a = 1; @include \"x\""), "t:1: this byte has no meaning here"},
};

static void wrong_text_is_refused_with_line_and_expectation(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct problems p = {0};
		struct conf *c = conf_parse("t", texts[i].text, &p);

		assert_int_equal(c == NULL, p.errors > 0);
		conf_free(c);
		expect(&p, texts[i].text.p, texts[i].problem);
	}
}

static void depth_members_and_bytes_are_bounded(void **state)
{
	struct problems p = {0};
	struct buf b = {0};
	struct conf *c;

	(void)state;
	buf_adds(&b, "a = ");
	for (int i = 0; i < 64; i++)
		buf_addc(&b, '(');
	for (int i = 0; i < 64; i++)
		buf_addc(&b, ')');
	c = conf_parse("t", buf_spanof(&b), &p);
	assert_non_null(c);
	conf_free(c);
	buf_reset(&b);
	buf_adds(&b, "a = ");
	for (int i = 0; i < 1000000; i++)
		buf_addc(&b, '(');
	assert_null(conf_parse("t", buf_spanof(&b), &p));
	expect(&p, "depth", "more than 64 groups and lists within each other");
	buf_reset(&b);
	for (int i = 0; i < 16385; i++)
		buf_printf(&b, "n%d=1;\n", i);
	assert_null(conf_parse("t", buf_spanof(&b), &p));
	expect(&p, "members", "t:16385: more than 16384 settings in one group");
	buf_reset(&b);
	while (b.n <= 4 << 20)
		buf_adds(&b, "# a long line of comment, many times over\n");
	assert_null(conf_parse("t", buf_spanof(&b), &p));
	expect(&p, "bytes", "t: larger than 4194304 bytes");
	buf_free(&b);
}

/* --- files --- */

static void put(const char *path, const char *text)
{
	assert_true(file_replace(path, span_str(text), 0600, NULL));
}

static void load_fails(const char *path, const char *part)
{
	struct problems p = {0};

	assert_null(conf_load(path, &p));
	expect(&p, path, part);
}

static void lies_at(const struct conf *c, const char *name, const char *file, unsigned line)
{
	const struct conf_node *n = conf_get(conf_root(c), name);

	assert_non_null(n);
	assert_string_equal(conf_file(c, n), file);
	assert_int_equal(conf_line(n), line);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdir("d", 0700) || mkdir("d/sub", 0700);
}

static int drop_folder(void **state)
{
	(void)state;
	return system("rm -rf d");
}

static void included_files_keep_their_names_and_lines(void **state)
{
	struct problems p = {0};
	struct conf *c;

	(void)state;
	put("d/main.cfg", "a = 1;\n@include \"sub/one.cfg\" z = 9;\nb = 2;\n"
			  "g = {\n\t@include \"two.cfg\"\n};\nl = [ \"x\",\n \"y\"\n];\n");
	put("d/sub/one.cfg", "\nc = 3;\n@include \"three.cfg\"\nd = 4 # no newline");
	put("d/sub/three.cfg", "\n\n\ne = 5");
	put("d/two.cfg", "\nf = 6;");
	c = conf_load("d/main.cfg", &p);
	expect(&p, "main", NULL);
	assert_non_null(c);
	lies_at(c, "a", "d/main.cfg", 1);
	lies_at(c, "c", "d/sub/one.cfg", 2);
	lies_at(c, "e", "d/sub/three.cfg", 4);
	lies_at(c, "d", "d/sub/one.cfg", 4);
	lies_at(c, "z", "d/main.cfg", 2);
	lies_at(c, "b", "d/main.cfg", 3);
	lies_at(c, "g", "d/main.cfg", 4);
	assert_string_equal(conf_file(c, conf_at(conf_get(conf_root(c), "g"), 0)), "d/two.cfg");
	assert_int_equal(conf_line(conf_at(conf_get(conf_root(c), "l"), 1)), 8);
	assert_int_equal(conf_line(conf_root(c)), 0);
	assert_string_equal(conf_file(c, conf_root(c)), "d/main.cfg");
	conf_free(c);
}

static void errors_in_included_files_name_that_file(void **state)
{
	(void)state;
	put("d/main.cfg", "a = 1;\n@include \"one.cfg\"\nb = 2;\n");
	put("d/one.cfg", "\nc = ;\n");
	load_fails("d/main.cfg", "d/one.cfg:2: expected a value");
	put("d/one.cfg", "\n\nc = 5000000000;\n");
	load_fails("d/main.cfg", "d/one.cfg:3: integers beyond");
	put("d/one.cfg", "\nb = 1;");
	load_fails("d/main.cfg",
		"d/main.cfg:3: \"b\" is set twice in this group (before at d/one.cfg:2)");
	put("d/one.cfg", "c = [ 1,\n \"x\" ]");
	load_fails("d/main.cfg", "d/one.cfg:2: all elements");
	put("d/one.cfg", "c = (\n");
	load_fails("d/main.cfg", "d/main.cfg:3: expected");
	put("d/one.cfg", "/* open");
	load_fails("d/main.cfg", "d/one.cfg:1: this comment has no end");
}

static void bad_includes_are_refused_at_their_line(void **state)
{
	(void)state;
	load_fails("d/none.cfg", "cannot open d/none.cfg: No such file");
	load_fails("d", "Is a directory");
	put("d/main.cfg", "\n@include \"none.cfg\"\n");
	load_fails("d/main.cfg", "d/main.cfg:2: @include: cannot open d/none.cfg: No such file");
	put("d/main.cfg", "@include \"main.cfg\"\n");
	load_fails("d/main.cfg", "d/main.cfg:1: @include goes deeper than 10 files");
	put("d/main.cfg", "@include \"\"\n");
	load_fails("d/main.cfg", "d/main.cfg:1: @include wants a file name");
	put("d/main.cfg", "@include \"a\nb\"\n");
	load_fails("d/main.cfg", "d/main.cfg:1: @include wants a file name");
	put("d/main.cfg", "@include x\n");
	load_fails("d/main.cfg", "d/main.cfg:1: this byte has no meaning here");
	put("d/main.cfg", "\n@include \"/dev/zero\"\n");
	load_fails("d/main.cfg", "d/main.cfg:2: @include: /dev/zero is larger than 4194304 bytes");
}

static void ten_files_within_files_and_no_more(void **state)
{
	struct problems p = {0};
	char path[32], text[64];
	struct conf *c;

	(void)state;
	for (int i = 0; i <= 10; i++) {
		snprintf(path, sizeof(path), "d/%d.cfg", i);
		snprintf(text, sizeof(text), "n%d = 1;\n@include \"%d.cfg\"\n", i, i + 1);
		put(path, i < 10 ? text : "last = 1;");
	}
	c = conf_load("d/0.cfg", &p);
	expect(&p, "ten", NULL);
	lies_at(c, "last", "d/10.cfg", 1);
	conf_free(c);
	put("d/10.cfg", "@include \"11.cfg\"");
	put("d/11.cfg", "last = 1;");
	load_fails("d/0.cfg", "d/10.cfg:1: @include goes deeper than 10 files");
}

static void all_files_together_are_bounded(void **state)
{
	struct buf b = {0};

	(void)state;
	while (b.n < 3u << 20)
		buf_adds(&b, "# a long line of comment, many times over\n");
	put("d/big.cfg", b.p);
	buf_free(&b);
	put("d/main.cfg", "@include \"big.cfg\"\n@include \"big.cfg\"\n");
	load_fails("d/main.cfg", "d/main.cfg:2: @include: all files together are larger");
}

/* --- typed reading --- */

static const char sample[] = "s = \"text\";\n"
			     "b = true;\n"
			     "i = 42; big = 5000000000L; neg = -7;\n"
			     "f = 1.5;\n"
			     "g = { x = 1; };\n"
			     "l = ( 1, \"x\", { y = 2; } );\n"
			     "a = [ \"p\", \"q\" ];\n"
			     "n = [ 1, 2 ];\n"
			     "e = [ ]; el = ( );\n"
			     "ls = ( \"p\" );\n";

static struct conf *parsed(const char *text)
{
	struct problems p = {0};
	struct conf *c = conf_parse("t", span_str(text), &p);

	expect(&p, text, NULL);
	assert_non_null(c);
	return c;
}

static void right_types_are_read_and_missing_ones_left(void **state)
{
	struct conf *c = parsed(sample);
	const struct conf_node *g = conf_root(c), *n;
	struct problems p = {0};
	const char *s = "default";
	bool b = false;
	int64_t i = 5;

	(void)state;
	assert_true(conf_string(c, g, "missing", &s, &p));
	assert_string_equal(s, "default");
	assert_true(conf_string(c, g, "s", &s, &p));
	assert_string_equal(s, "text");
	assert_true(conf_bool(c, g, "b", &b, &p) && b);
	assert_true(conf_int(c, g, "missing", 100, 200, &i, &p) && i == 5);
	assert_true(conf_int(c, g, "i", 42, 42, &i, &p) && i == 42);
	assert_true(conf_int(c, g, "big", 0, INT64_MAX, &i, &p) && i == 5000000000);
	assert_true(conf_int(c, g, "neg", -7, 0, &i, &p) && i == -7);
	assert_true(conf_group(c, g, "g", &n, &p) && conf_kind(n) == CONF_GROUP);
	assert_true(conf_group(c, g, "missing", &n, &p) && !n);
	assert_true(conf_list(c, g, "l", &n, &p) && conf_len(n) == 3);
	assert_int_equal(conf_kind(conf_at(n, 2)), CONF_GROUP);
	assert_null(conf_name(conf_at(n, 2)));
	assert_null(conf_at(n, 3));
	assert_true(conf_list(c, g, "e", &n, &p) && conf_len(n) == 0);
	assert_true(conf_list(c, g, "missing", &n, &p) && !n);
	assert_true(conf_strings(c, g, "a", &n, &p) && conf_len(n) == 2);
	assert_string_equal(conf_string_at(n, 1), "q");
	assert_true(conf_strings(c, g, "ls", &n, &p) && conf_len(n) == 1);
	assert_true(conf_strings(c, g, "el", &n, &p) && conf_len(n) == 0);
	assert_true(conf_strings(c, g, "missing", &n, &p) && !n);
	/* a name is a name, not a path */
	assert_null(conf_get(g, "g.x"));
	assert_null(conf_get(g, "s.x"));
	assert_null(conf_get(conf_get(g, "s"), "x"));
	assert_null(conf_get(NULL, "x"));
	assert_int_equal(conf_len(conf_get(g, "s")), 0);
	assert_int_equal(conf_kind(conf_get(g, "f")), CONF_FLOAT);
	expect(&p, "sample", NULL);
	conf_free(c);
}

static void wrong_types_say_what_was_expected(void **state)
{
	struct conf *c = parsed(sample);
	const struct conf_node *g = conf_root(c), *n = g;
	struct problems p = {0};
	const char *s = "kept";
	bool b = true;
	int64_t i = 5;
	uint64_t u = 6;

	(void)state;
	assert_false(conf_string(c, g, "i", &s, &p));
	expect(&p, "s", "t:3: i must be a string in quotes, not an integer");
	assert_false(conf_bool(c, g, "s", &b, &p));
	expect(&p, "b", "t:1: s must be true or false, without quotes, not a string");
	assert_false(conf_bool(c, g, "i", &b, &p));
	expect(&p, "b", "t:3: i must be true or false");
	assert_false(conf_int(c, g, "s", 0, 9, &i, &p));
	expect(&p, "i", "t:1: s must be an integer without quotes, not a string");
	assert_false(conf_int(c, g, "f", 0, 9, &i, &p));
	expect(&p, "i", "t:4: f must be an integer without quotes, not a number with a fraction");
	assert_false(conf_int(c, g, "i", 43, 50, &i, &p));
	expect(&p, "i", "t:3: i = 42 is out of range: expected 43 to 50");
	assert_false(conf_int(c, g, "big", 0, 41, &i, &p));
	expect(&p, "i", "t:3: big = 5000000000 is out of range: expected 0 to 41");
	assert_false(conf_group(c, g, "l", &n, &p));
	expect(&p, "g", "t:6: l must be a group { }, not a list ( )");
	assert_null(n);
	assert_false(conf_list(c, g, "a", &n, &p));
	expect(&p, "l", "t:7: a must be a list ( ), not an array [ ]");
	assert_false(conf_strings(c, g, "s", &n, &p));
	expect(&p, "a", "t:1: s must be an array of strings");
	assert_false(conf_strings(c, g, "n", &n, &p));
	assert_int_equal(p.errors, 2);
	expect(&p, "a", "t:8: this element must be a string in quotes, not an integer");
	assert_null(n);
	assert_false(conf_duration(c, g, "b", 0, 9, &i, &p));
	expect(&p, "d", "t:2: b must be a duration such as \"30s\", or an integer of seconds");
	assert_false(conf_size(c, g, "g", 0, 9, &u, &p));
	expect(&p, "z", "t:5: g must be a size such as \"64K\", or an integer of bytes");
	assert_false(conf_size(c, g, "neg", 0, UINT64_MAX, &u, &p));
	expect(&p, "z", "t:3: neg is out of range");
	assert_string_equal(s, "kept");
	assert_true(b && i == 5 && u == 6);
	conf_free(c);
}

static void long_strings_are_refused(void **state)
{
	struct buf b = {0};
	struct problems p = {0};
	const char *s = NULL;
	const struct conf_node *n;
	struct conf *c;

	(void)state;
	for (size_t len = 65536; len <= 65537; len++) {
		buf_reset(&b);
		buf_adds(&b, "s = \"");
		for (size_t i = 0; i < len - 1; i++)
			buf_addc(&b, 'x');
		buf_adds(&b, "\" \"y\";\na = [ \"");
		for (size_t i = 0; i < len; i++)
			buf_addc(&b, 'x');
		buf_adds(&b, "\" ];");
		c = parsed(b.p);
		assert_int_equal(conf_string(c, conf_root(c), "s", &s, &p), len == 65536);
		expect(&p, "long", len == 65536 ? NULL : "t:1: s is longer than 65536 bytes");
		assert_int_equal(conf_strings(c, conf_root(c), "a", &n, &p), len == 65536);
		expect(&p, "long", len == 65536 ? NULL : "t:2: this string is longer than 65536");
		conf_free(c);
	}
	buf_free(&b);
}

static void durations_and_sizes_keep_their_range(void **state)
{
	struct conf *c = parsed("d = \"90s\"; i = 2; h = 9223372036854775807L; bad = \"2 weeks\";\n"
				"z = \"3K\"; n = 2048; neg = -1; badz = \"much\";");
	const struct conf_node *g = conf_root(c);
	struct problems p = {0};
	int64_t ms = 7;
	uint64_t n = 7;

	(void)state;
	assert_true(conf_duration(c, g, "missing", 10, 20, &ms, &p) && ms == 7);
	assert_true(conf_duration(c, g, "d", 1000, 90000, &ms, &p) && ms == 90000);
	assert_true(conf_duration(c, g, "i", 1000, 90000, &ms, &p) && ms == 2000);
	assert_false(conf_duration(c, g, "d", 1500, 60000, &ms, &p));
	expect(&p, "d", "t:1: d is out of range: expected 1500ms to 1m");
	assert_false(conf_duration(c, g, "h", 0, 86400000, &ms, &p));
	expect(&p, "h", "t:1: h is out of range: expected 0s to 1d");
	assert_false(conf_duration(c, g, "neg", 0, 86400000, &ms, &p));
	expect(&p, "h", "t:2: neg is out of range");
	assert_false(conf_duration(c, g, "bad", 0, 1, &ms, &p));
	expect(&p, "bad",
		"t:1: bad = \"2 weeks\" is no duration: expected a number with ms, s, m, h");
	assert_int_equal(ms, 2000);
	assert_true(conf_size(c, g, "missing", 10, 20, &n, &p) && n == 7);
	assert_true(conf_size(c, g, "z", 3072, 3072, &n, &p) && n == 3072);
	assert_true(conf_size(c, g, "n", 0, 4096, &n, &p) && n == 2048);
	assert_false(conf_size(c, g, "z", 4096, 1 << 30, &n, &p));
	expect(&p, "z", "t:2: z is out of range: expected 4K to 1G");
	assert_false(conf_size(c, g, "badz", 0, 1, &n, &p));
	expect(&p, "badz", "t:2: badz = \"much\" is no size");
	assert_int_equal(n, 2048);
	conf_free(c);
}

static void unknown_names_get_the_nearest_known_one(void **state)
{
	static const char *const known[] = {"address", "rules", "limits", NULL};
	static const char *const none[] = {NULL};
	struct conf *c = parsed("adress = 1;\nrules = 2;\nrulse = 3;\nlimit = 4;");
	struct problems p = {0};

	(void)state;
	assert_false(conf_only(c, conf_root(c), known, &p));
	assert_int_equal(p.errors, 3);
	expect(&p, "only",
		"t:1: unknown setting \"adress\"; the nearest known is \"address\"\n"
		"t:3: unknown setting \"rulse\"; the nearest known is \"rules\"\n"
		"t:4: unknown setting \"limit\"; the nearest known is \"limits\"\n");
	assert_false(conf_only(c, conf_root(c), none, &p));
	expect(&p, "none", "t:1: unknown setting \"adress\"; known here: none");
	conf_free(c);
	c = parsed("rules = 2; limits = 1;");
	assert_true(conf_only(c, conf_root(c), known, &p));
	expect(&p, "all known", NULL);
	conf_free(c);
}

static void errors_at_a_node_carry_its_place(void **state)
{
	struct conf *c = parsed("\n\nx = \"%s\";");
	struct problems p = {0};

	(void)state;
	assert_false(conf_error(c, conf_get(conf_root(c), "x"), &p, "no such %s", "%d thing"));
	expect(&p, "x", "t:3: no such %d thing\n");
	conf_free(c);
	conf_free(NULL);
}

int main(void)
{
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, drop_folder)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_text_is_refused_with_line_and_expectation),
		cmocka_unit_test(depth_members_and_bytes_are_bounded),
		IN_FOLDER(included_files_keep_their_names_and_lines),
		IN_FOLDER(errors_in_included_files_name_that_file),
		IN_FOLDER(bad_includes_are_refused_at_their_line),
		IN_FOLDER(ten_files_within_files_and_no_more),
		IN_FOLDER(all_files_together_are_bounded),
		cmocka_unit_test(right_types_are_read_and_missing_ones_left),
		cmocka_unit_test(wrong_types_say_what_was_expected),
		cmocka_unit_test(long_strings_are_refused),
		cmocka_unit_test(durations_and_sizes_keep_their_range),
		cmocka_unit_test(unknown_names_get_the_nearest_known_one),
		cmocka_unit_test(errors_at_a_node_carry_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
