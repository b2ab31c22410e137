/* A report for machines: groups as objects, tables with their columns, lists always as lists. */
#include "jsonout.h"
#include "table.h"

static struct js *value(const struct value *v, enum value_type type)
{
	if (!v->set)
		return js_null();
	switch (type) {
	case VALUE_TEXT:
		return js_text(span_str(v->text));
	case VALUE_BOOL:
		return js_bool(v->num != 0);
	case VALUE_NUMBER:
	case VALUE_MINUTES:
	case VALUE_BYTES:
		break;
	}
	return js_number(v->num);
}

static const char *unit(enum value_type type)
{
	static const char *const units[] = {[VALUE_TEXT] = "text",
		[VALUE_NUMBER] = "count",
		[VALUE_MINUTES] = "minutes",
		[VALUE_BYTES] = "bytes",
		[VALUE_BOOL] = "bool"};
	return units[type];
}

static struct js *group(const struct field_group *g)
{
	struct js *o = js_object();
	for (size_t i = 0; i < g->n; i++)
		js_put(o, g->v[i].what.key, value(&g->v[i].v, g->v[i].what.type));
	return o;
}

static struct js *columns(const struct table *t)
{
	struct js *list = js_list();
	for (size_t i = 0; i < t->ncolumns; i++) {
		struct js *o = js_object();
		js_put(o, "key", js_text(span_str(t->columns[i].key)));
		js_put(o, "unit", js_text(span_str(unit(t->columns[i].type))));
		js_add(list, o);
	}
	return list;
}

static struct js *rows(const struct table *t)
{
	struct js *list = js_list();
	for (size_t i = 0; i < t->nrows; i++) {
		struct js *o = js_object();
		for (size_t k = 0; k < t->ncolumns; k++)
			js_put(o, t->columns[k].key,
				value(&t->v[i * t->ncolumns + k], t->columns[k].type));
		js_add(list, o);
	}
	return list;
}

static struct js *table(const struct table *t)
{
	struct js *o = js_object();
	js_put(o, "table", js_text(span_str(t->key)));
	js_put(o, "title", js_text(span_str(t->title)));
	js_put(o, "columns", columns(t));
	js_put(o, "rows", rows(t));
	return o;
}

static struct js *paragraphs(const struct report *r, const char *key)
{
	struct js *list = js_list();
	for (size_t i = 0; i < r->nparagraphs; i++)
		if (strcmp(r->paragraph[i].key, key) == 0)
			js_add(list, js_text(span_str(r->paragraph[i].text)));
	return list;
}

bool write_json(const struct report *r, struct buf *out)
{
	if (r->failed)
		return false;
	struct js *o = js_object(), *tables = js_list();
	js_put(o, "report", js_text(span_str(r->name)));
	js_put(o, "version", js_number(r->version));
	for (size_t i = 0; i < r->ngroups; i++)
		js_put(o, r->group[i].key, group(&r->group[i]));
	for (size_t i = 0; i < r->ntables; i++)
		js_add(tables, table(&r->table[i]));
	js_put(o, "tables", tables);
	js_put(o, "method", paragraphs(r, "method"));
	js_put(o, "notes", paragraphs(r, "notes"));
	js_finish(o, out);
	return !out->failed;
}
