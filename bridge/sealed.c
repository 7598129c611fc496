#include "bridge/sealed.h"

#include "base/stamp.h"
#include "model/plan.h"
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
