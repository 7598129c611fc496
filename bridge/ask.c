#include "bridge/ask.h"

#include <inttypes.h>

#include "base/stamp.h"
#include "model/plan.h"
#include "store/accounts.h"
#include "store/audit.h"
#include "store/persons.h"
#include "store/store.h"
#include "store/writer.h"

#define ASK_PERSONS_MOST 8

json_t *ask_ms(int64_t ms)
{
	return ms == 0 || ms == STAMP_NEVER ? json_null() : json_integer(ms);
}

int ask_person(struct app *app, const char *text, int64_t *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int64_t found[ASK_PERSONS_MOST];
	char numbers[ASK_PERSONS_MOST * 22];
	size_t count = 0, at = 0;
	int r;

	r = store_read_begin(app->store, &db, err);
	if (r < 0)
		return r;
	r = persons_find(db, str_of(text), found, COUNT_OF(found), &count, err);
	if (r < 0)
		return r;
	if (!count)
		return err_set(
			err, ERR_NOT_FOUND,
			"nobody here is named %s: give a ledger number, mail address, user "
			"name, account id or record key",
			text);
	if (count == 1) {
		*ret = found[0];
		return 0;
	}
	for (size_t i = 0; i < count && i < COUNT_OF(found); i++)
		at += (size_t)snprintf(numbers + at, sizeof(numbers) - at, "%s%" PRId64,
				       i ? ", " : "", found[i]);
	return err_set(
		err, ERR_CONFLICT,
		"%s names %zu people: %s%s; say which by number ('leaverd why NUMBER' shows "
		"one)",
		text, count, numbers, count > COUNT_OF(found) ? ", ..." : "");
}

static int account_in(struct db *db, const char *org, const char *account_id, int64_t *ret,
		      struct err *err)
{
	struct org_row row = { 0 };
	int r;

	r = accounts_org_get(db, org, &row, err);
	if (r)
		return r;
	r = accounts_number(db, row.id, str_of(account_id), ret, err);
	org_row_done(&row);
	return r;
}

int ask_account(struct app *app, const char *org, const char *account_id, int64_t *ret,
		struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r;

	r = store_read_begin(app->store, &db, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < app->config.organisations.n; i++) {
		const struct config_org *o = config_org_at(&app->config, i);

		if (org && strcmp(org, o->name) != 0)
			continue;
		r = account_in(db, o->name, account_id, ret, err);
		if (r <= 0)
			return r;
	}
	return err_set(err, ERR_NOT_FOUND, "no account %s in %s as last collected", account_id,
		       org ? org : "any organisation");
}

int ask_source(struct app *app, const char *name, const struct config_source **ret,
	       struct err *err)
{
	char known[256] = "";
	size_t at = 0;

	*ret = config_source(&app->config, name);
	if (*ret)
		return 0;
	for (size_t i = 0; i < app->config.sources.n && at < sizeof(known); i++)
		at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s", i ? ", " : "",
				       config_source_at(&app->config, i)->name);
	return err_set(err, ERR_NOT_FOUND, "there is no source %s; there is: %s", name,
		       known[0] ? known : "none");
}

int ask_org(struct app *app, const char *name, const struct config_org **ret, struct err *err)
{
	char known[256] = "";
	size_t at = 0;

	*ret = config_org(&app->config, name);
	if (*ret)
		return 0;
	for (size_t i = 0; i < app->config.organisations.n && at < sizeof(known); i++)
		at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s", i ? ", " : "",
				       config_org_at(&app->config, i)->name);
	return err_set(err, ERR_NOT_FOUND, "there is no organisation %s; there is: %s", name,
		       known[0] ? known : "none");
}

struct read_note {
	const char *who, *what;
	int64_t rows;
};

static int note_read(void *ctx, struct db *db, struct err *err)
{
	const struct read_note *n = ctx;
	char body[64];
	const struct audit_new entry = {
		.who = n->who,
		.what = "people.read",
		.target = n->what,
		.body = { body, (size_t)snprintf(body, sizeof(body), "{\"rows\":%" PRId64 "}",
						 n->rows) },
		.now_ms = stamp_now_ms(),
	};

	return audit_add(db, &entry, NULL, err);
}

int ask_note_read(struct app *app, const struct who *who, const char *what, int64_t rows,
		  struct err *err)
{
	struct read_note n = { who->name, what, rows };

	return rows ? writer_call(app->writer, note_read, &n, err) : 0;
}

int ask_note_idle(struct app *app, const struct who *who, const json_t *actions,
		  struct err *err)
{
	const char *idle = plan_class_word(PLAN_INACTIVE);
	const json_t *row;
	int64_t rows = 0;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)actions, i, row) {
		const char *class = jx_get_text(row, "class");

		rows += class && !strcmp(class, idle);
	}
	return ask_note_read(app, who, "plans", rows, err);
}

int ask_say(json_t *out, struct err *err, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return jx_set(out, "text", json_string(text), err);
}
