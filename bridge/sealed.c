#include "bridge/sealed.h"

#include "base/stamp.h"
#include "model/plan.h"
#include "model/schema.h"
#include "store/store.h"
#include "store/tokens.h"

#define SEALED_ROLE "hr-confidential"

int sealed_may_see(struct app *app, const json_t *in, bool *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	const char *token = jx_get_text(in, "token");
	struct token_found found = { 0 };
	int r;

	*ret = false;
	if (!token)
		return 0;
	r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = tokens_find(db, str_of(token), stamp_now_ms(), &found, err);
	if (r < 0)
		return r;
	if (r == STORE_NOT_FOUND)
		return err_set(
			err, ERR_UNAUTHORIZED,
			"the token opens nothing: it is unknown, revoked or past its end");
	if (found.scope != TOKEN_ROLE || strcmp(found.of, SEALED_ROLE) != 0)
		return err_set(err, ERR_FORBIDDEN,
			       "token %s does not have role " SEALED_ROLE
			       ", which sees ends that lie ahead",
			       found.name);
	*ret = true;
	return 0;
}

static int path_is_open(void *ctx, struct path *path, struct err *err)
{
	(void)ctx;
	if (path->urn && str_ieq(str_of(path->urn), STR(SCHEMA_EMPLOYMENT)))
		return err_set(err, ERR_FORBIDDEN,
			       "byte %zu: employment is sealed: only role hr-confidential may "
			       "select by it (--token-file)",
			       path->at);
	return 0;
}

int sealed_filter(struct query *query, struct err *err)
{
	return query ? query_each_path(query, path_is_open, NULL, err) : 0;
}

/* A date is over everywhere 36 hours after its midnight in UTC: 12 hours west of it. */
static bool is_ahead(const json_t *value, int64_t now_ms)
{
	const char *text = json_string_value(value);
	int64_t ms;

	if (!text)
		return false;
	if (!stamp_parse_date(str_of(text), &ms) && !stamp_parse(str_of(text), &ms))
		return true; /* not understood: not shown */
	return ms + 36 * STAMP_HOUR_MS > now_ms;
}

bool sealed_ends(const json_t *employment, int64_t now_ms)
{
	return is_ahead(json_object_get(employment, "lastWorkingDay"), now_ms) ||
	       is_ahead(json_object_get(employment, "terminationDate"), now_ms);
}

/* Each round's plan supersedes the one before it: who stood in that still is to leave. */
bool sealed_action(const struct action_row *a, int64_t now_ms)
{
	bool begun = a->state == ACTION_STARTED || a->state == ACTION_DONE ||
		     a->state == ACTION_ALREADY;

	return a->due_ms > now_ms && !begun &&
	       str_eq(a->class_, str_of(plan_class_word(PLAN_LEAVER)));
}

/* What is shown of a sealed row; all else could tell whom it is about. */
static bool is_open_member(const char *key)
{
	static const char *const members[] = {
		"n",      "kind",    "rule",    "class",       "product", "site",
		"due",    "verdict", "held_by", "automatic",   "needs",   "state",
		"change", "missing", "plan",    "not_after_ms"
	};

	for (size_t i = 0; i < COUNT_OF(members); i++)
		if (strcmp(key, members[i]) == 0)
			return true;
	return false;
}

bool sealed_row(const json_t *row, int64_t now_ms)
{
	const char *class = jx_get_text(row, "class"), *anchor = jx_get_text(row, "anchor");
	const char *state = jx_get_text(row, "state");
	bool begun = state && (strcmp(state, action_state_words[ACTION_STARTED]) == 0 ||
			       strcmp(state, action_state_words[ACTION_DONE]) == 0 ||
			       strcmp(state, action_state_words[ACTION_ALREADY]) == 0);
	int64_t ms;

	return !begun && class && strcmp(class, plan_class_word(PLAN_LEAVER)) == 0 && anchor &&
	       stamp_parse(str_of(anchor), &ms) && ms > now_ms;
}

/* Values are replaced, keys stay: the walk is not disturbed. */
static int row_seal(json_t *row, struct err *err)
{
	json_t *value;
	const char *key;
	int r = 0;

	json_object_foreach (row, key, value) {
		if (r == 0 && value && !is_open_member(key))
			r = jx_set(row, key, json_null(), err);
	}
	return r == 0 ? jx_set(row, "sealed", json_true(), err) : r;
}

int sealed_rows(json_t *rows, int64_t now_ms, size_t *ret, struct err *err)
{
	json_t *row;
	size_t i;
	int r = 0;

	*ret = 0;
	json_array_foreach (rows, i, row) {
		if (r < 0 || !sealed_row(row, now_ms))
			continue;
		r = row_seal(row, err);
		++*ret;
	}
	return r;
}

int sealed_plan(json_t *plan, int64_t now_ms, struct err *err)
{
	size_t hidden = 0, changes;
	int r = sealed_rows(json_object_get(plan, "actions"), now_ms, &hidden, err);

	if (r == 0)
		r = sealed_rows(json_object_get(json_object_get(plan, "since"), "rows"), now_ms,
				&changes, err);
	return r == 0 ? jx_set(plan, "sealed", json_integer((json_int_t)hidden), err) : r;
}
