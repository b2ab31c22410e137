/* Key names: pure text. Whoever calls has checked the node name, so nothing here can fail. */
#include "schema.h"

#include <assert.h>
#include <stdio.h>

#define NODE_NAME_MAX 64

static bool name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.';
}

bool node_name_ok(struct span name)
{
	if (name.n == 0 || name.n > NODE_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!name_byte(name.p[i]))
			return false;
	return true;
}

bool day_name_ok(struct span day)
{
	if (day.n != 10)
		return false;
	for (size_t i = 0; i < day.n; i++) {
		bool dash = i == 4 || i == 7;
		if (dash ? day.p[i] != '-' : (day.p[i] < '0' || day.p[i] > '9'))
			return false;
	}
	return true;
}

void key_node(char out[KEY_MAX], struct span node, const char *what)
{
	assert(node_name_ok(node));
	snprintf(out, KEY_MAX, "stile:{%.*s}:%s", SPAN_ARG(node), what);
}

void key_day(char out[KEY_MAX], struct span node, const char *what, struct span day)
{
	assert(node_name_ok(node) && day_name_ok(day));
	snprintf(out, KEY_MAX, "stile:{%.*s}:%s:%.*s", SPAN_ARG(node), what, SPAN_ARG(day));
}
