/* The verbs compare, and adopt over many accounts at once. */
#include "bridge/verb.h"

#include "base/stamp.h"
#include "bridge/ask.h"
#include "bridge/bulk_adopt.h"
#include "bridge/listing.h"
#include "bridge/named.h"
#include "store/persons.h"
#include "store/writer.h"

/* --- compare -------------------------------------------------------------------------------
 */

enum { SIDE_MINE, SIDE_YOURS, SIDE_BOTH, SIDE_COUNT };
static const char *const sides[SIDE_COUNT] = { "mine", "yours", "both" };

struct comparing {
	struct named_file file;
	json_t *rows;
	size_t limit;
	int only; /* a side; SIDE_COUNT: all */
	json_int_t counts[SIDE_COUNT];
	bool truncated;
};

static int side_add(struct comparing *c, int side, json_t *row, struct err *err)
{
	c->counts[side]++;
	if (c->only != SIDE_COUNT && c->only != side) {
		json_decref(row);
		return 0;
	}
	if (json_array_size(c->rows) >= c->limit) {
		c->truncated = true;
		json_decref(row);
		return 0;
	}
	return jx_add(c->rows, row, err);
}

static int account_seen(void *ctx, const json_t *row, struct err *err)
{
	struct comparing *c = ctx;
	struct named_one *one = NULL, *by_id = NULL;
	int r = named_file_find(&c->file, jx_get_text(row, "email"), &one, err);

	if (r == 0)
		r = named_file_find(&c->file, jx_get_text(row, "account_id"), &by_id, err);
	if (r < 0)
		return r;
	if (one)
		one->found = true;
	if (by_id)
		by_id->found = true;
	one = one ? one : by_id;
	return side_add(c, one ? SIDE_BOTH : SIDE_MINE,
			json_pack("{s:s,s:o,s:O,s:O,s:O,s:O,s:O}", "side",
				  sides[one ? SIDE_BOTH : SIDE_MINE], "line",
				  one ? json_integer((json_int_t)one->line) : json_null(),
				  "email", json_object_get(row, "email"), "account_id",
				  json_object_get(row, "account_id"), "status",
				  json_object_get(row, "status"), "person",
				  json_object_get(row, "person"), "org",
				  json_object_get(row, "org")),
			err);
}

static int yours_add(struct comparing *c, struct err *err)
{
	struct named_one *one, *next;
	int r = 0;

	HASH_ITER (hh, c->file.all, one, next) {
		if (r == 0 && !one->found)
			r = side_add(c, SIDE_YOURS,
				     json_pack("{s:s,s:I,s:s}", "side", sides[SIDE_YOURS],
					       "line", (json_int_t)one->line,
					       strchr(one->text, '@') ? "email" : "account_id",
					       one->text),
				     err);
	}
	return r;
}

static int compare_out(struct comparing *c, json_t *out, struct err *err)
{
	int r = 0;

	for (int i = 0; i < SIDE_COUNT && r == 0; i++)
		r = jx_set(out, sides[i], json_integer(c->counts[i]), err);
	return r == 0 ? jx_set(out, "truncated", json_boolean(c->truncated), err) : r;
}

static int compare_run(struct app *app, const json_t *in, struct comparing *c, json_t *out,
		       struct err *err)
{
	const json_t *text = json_object_get(in, "text");
	const char *only = jx_get_text(in, "only"), *name = jx_get_text(in, "file");
	struct listing_place place = { 0 };
	int r = jx_set(out, "rows", c->rows = json_array(), err);

	for (int i = 0; only && i < SIDE_COUNT; i++)
		if (strcmp(only, sides[i]) == 0)
			c->only = i;
	c->limit = listing_limit(in);
	if (r == 0)
		r = named_file_read(str_n(json_string_value(text), json_string_length(text)),
				    name ? name : "the file", &c->file, out, err);
	if (r == 0)
		r = listing_walk(app, in, false, &place, account_seen, c, err);
	if (r >= 0)
		r = yours_add(c, err);
	return r == 0 ? compare_out(c, out, err) : r;
}

static int run_compare(struct app *app, const struct who *who, const json_t *in, json_t *out,
		       struct err *err)
{
	struct comparing c = { .only = SIDE_COUNT };
	int r;

	(void)who;
	if (!json_is_string(json_object_get(in, "text")))
		return err_set(err, ERR_USAGE, "compare needs a file");
	r = compare_run(app, in, &c, out, err);
	named_file_done(&c.file);
	return r;
}

/* --- adopt, in bulk ------------------------------------------------------------------------
 */

struct adopting {
	struct app *app;
	struct named_file file;
	bool by_file;
	json_t *rows;
	json_int_t ready, held, refused;
};

/* One account that is asked for: what would become of it, and on what evidence. */
static int judge_row(struct adopting *a, const json_t *row, json_t *into, struct err *err)
{
	const char *linked = jx_get_text(row, "linked_by"), *suspect;
	const char *result = "ready", *text = "";

	suspect = jx_get_text(row, "suspect");
	if (!json_is_integer(json_object_get(row, "person"))) {
		result = "refused";
		text = "no person is linked to it: it is an orphan, or a doubt ('leaverd "
		       "match')";
	} else if (json_is_true(json_object_get(row, "adopted"))) {
		result = "unchanged";
		text = "it was adopted before";
	} else if (suspect) {
		result = "held";
		text = suspect;
	}
	a->ready += strcmp(result, "ready") == 0;
	a->held += strcmp(result, "held") == 0;
	a->refused += strcmp(result, "refused") == 0;
	if (json_object_update(into, (json_t *)(uintptr_t)row) < 0)
		return err_nomem(err);
	if (jx_set(into, "result", json_string(result), err) < 0)
		return -err->code;
	if (linked && *linked && strcmp(result, "ready") == 0)
		return jx_set(into, "text",
			      json_sprintf("linked by %s to person %lld", linked,
					   (long long)json_integer_value(
						   json_object_get(row, "person"))),
			      err);
	return jx_set(into, "text", json_string(text), err);
}

static int adopt_seen(void *ctx, const json_t *row, struct err *err)
{
	struct adopting *a = ctx;
	struct named_one *one = NULL, *by_id = NULL;
	json_t *into;
	int r = 0;

	if (a->by_file) {
		r = named_file_find(&a->file, jx_get_text(row, "email"), &one, err);
		if (r == 0)
			r = named_file_find(&a->file, jx_get_text(row, "account_id"), &by_id,
					    err);
		if (r < 0 || (!one && !by_id))
			return r;
		if (one)
			one->found = true;
		if (by_id)
			by_id->found = true;
	}
	r = jx_add(a->rows, into = json_object(), err);
	return r == 0 ? judge_row(a, row, into, err) : r;
}

static int missing_add(struct adopting *a, struct err *err)
{
	struct named_one *one, *next;
	int r = 0;

	HASH_ITER (hh, a->file.all, one, next) {
		if (r < 0 || one->found)
			continue;
		a->refused++;
		r = jx_add(a->rows,
			   json_pack("{s:s,s:s,s:o}", "account_id", one->text, "result",
				     "refused", "text",
				     json_sprintf("line %lld: there is no such account",
						  (long long)one->line)),
			   err);
	}
	return r;
}

static int adopt_find(struct adopting *a, const json_t *in, json_t *out, struct err *err)
{
	const json_t *text = json_object_get(in, "text");
	struct listing_place place = { 0 };
	int r = jx_set(out, "accounts", a->rows = json_array(), err);

	a->by_file = json_is_string(text);
	if (r == 0 && a->by_file)
		r = named_file_read(str_n(json_string_value(text), json_string_length(text)),
				    jx_get_text(in, "file"), &a->file, out, err);
	if (r == 0)
		r = listing_walk(a->app, in, false, &place, adopt_seen, a, err);
	if (r >= 0)
		r = missing_add(a, err);
	if (r == 0)
		r = jx_set(out, "ready", json_integer(a->ready), err);
	if (r == 0)
		r = jx_set(out, "held", json_integer(a->held), err);
	return r == 0 ? jx_set(out, "refused", json_integer(a->refused), err) : r;
}

/* --- the accounts that were counted --- */

struct adopt_write {
	const json_t *rows;
	const char *who, *why;
};

/* All of them or none. */
static int adopt_write(void *ctx, struct db *db, struct err *err)
{
	struct adopt_write *w = ctx;
	const json_t *row;
	size_t i;
	int r = 0;

	json_array_foreach (w->rows, i, row) {
		if (r < 0 || strcmp(jx_get_text(row, "result"), "ready") != 0)
			continue;
		r = persons_adopt(db, json_integer_value(json_object_get(row, "account")),
				  w->who, w->why, stamp_now_ms(), err);
		if (r == STORE_NOT_FOUND)
			r = err_set(err, ERR_CONFLICT,
				    "account %s is nobody's any more: ask again",
				    jx_get_text(row, "account_id"));
		r = r > 0 ? 0 : r;
	}
	return r;
}

static int adopted_out(struct adopting *a, struct err *err)
{
	json_t *row;
	size_t i;
	int r = 0;

	json_array_foreach (a->rows, i, row)
		if (r == 0 && strcmp(jx_get_text(row, "result"), "ready") == 0)
			r = jx_set(row, "result", json_string("adopted"), err);
	return r;
}

static int adopt_all(struct adopting *a, const struct who *who, const json_t *in, json_t *out,
		     struct err *err)
{
	const json_t *count = json_object_get(in, "count");
	struct adopt_write w = { .who = who->name, .why = jx_get_text(in, "reason") };
	int r = adopt_find(a, in, out, err);

	w.rows = a->rows;
	if (r < 0)
		return r;
	if (!count)
		return jx_set(out, "dry", json_true(), err);
	if (json_integer_value(count) != a->ready)
		return err_set(err, ERR_CONFLICT,
			       "--count says %lld accounts, %lld would be adopted: look again, "
			       "without --count",
			       (long long)json_integer_value(count), (long long)a->ready);
	r = writer_call(a->app->writer, adopt_write, &w, err);
	return r == 0 ? adopted_out(a, err) : r;
}

int bulk_adopt(struct app *app, const struct who *who, const json_t *in, json_t *out,
	       struct err *err)
{
	struct adopting a = { .app = app };
	int r = adopt_all(&a, who, in, out, err);

	named_file_done(&a.file);
	return r;
}

const struct verb verbs_compare[] = {
	{ "compare", VERB_STORE, run_compare },
	{ NULL, 0, NULL },
};
