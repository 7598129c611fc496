#include "atlassian/act.h"

#include <string.h>

#include "atlassian/change.h"
#include "atlassian/org.h"
#include "atlassian/users.h"

#define TOKEN_ROUNDS                                                                           \
	20 /* lists of tokens that are worked through, lest one turns up for ever */

/* One step on its way. */
struct doing {
	struct atl_client *c;
	struct str account;
	const struct action_step *step;
	bool urgent;
};

/* --- doing -------------------------------------------------------------------------------- */

static int do_suspend(const struct doing *d, struct err *err)
{
	return atl_org_suspend(d->c, str_of(d->step->directory), d->account, err);
}

static int do_restore(const struct doing *d, struct err *err)
{
	int r = atl_org_restore(d->c, str_of(d->step->directory), d->account, err);

	return r == ATL_LIMIT_REACHED ? ATL_IMPOSSIBLE : r;
}

/* Asks first: what an external directory owns, only it may deactivate, and Atlassian's refusal
 * would come after we had tried. */
static int may_change(const struct doing *d, const char *verb, struct err *err)
{
	struct atl_privileges may = { 0 };
	int r = atl_users_privileges(d->c, d->account, d->urgent, &may, err);

	if (r == -ERR_FORBIDDEN || r == -ERR_NOT_FOUND) {
		(void)err_context(err, r,
				  "the account cannot be %s: it is not managed, or the "
				  "API key was made with scopes",
				  verb);
		return ATL_IMPOSSIBLE;
	}
	if (r < 0)
		return r;
	if (!may.enablement.told)
		return err_set(err, ERR_PROTOCOL,
			       "Atlassian does not say whether the account may be %s", verb);
	if (may.enablement.allowed)
		return 0;
	(void)err_set(err, ERR_FORBIDDEN, "the account cannot be %s: %s", verb,
		      may.enablement.reason[0] ? atl_reason_words(may.enablement.reason)
					       : "Atlassian does not allow it");
	return ATL_IMPOSSIBLE;
}

/* 409: the account is not eligible, and never will be by asking again. */
static int lifecycle(int r)
{
	return r == -ERR_CONFLICT ? ATL_IMPOSSIBLE : r;
}

static int do_disable(const struct doing *d, struct err *err)
{
	int r = may_change(d, "deactivated", err);

	if (r != 0)
		return r;
	return lifecycle(atl_users_disable(d->c, d->account,
					   str_of(atl_client_options(d->c)->message), err));
}

static int do_enable(const struct doing *d, struct err *err)
{
	int r = may_change(d, "activated again", err);

	return r != 0 ? r : lifecycle(atl_users_enable(d->c, d->account, err));
}

static int do_delete(const struct doing *d, struct err *err)
{
	return lifecycle(atl_change_delete(d->c, d->account, err));
}

static int do_cancel_delete(const struct doing *d, struct err *err)
{
	return lifecycle(atl_change_delete_cancel(d->c, d->account, err));
}

static int do_remove_group(const struct doing *d, struct err *err)
{
	return atl_org_leave(d->c, str_of(d->step->directory), str_of(d->step->group),
			     d->account, err);
}

static int do_add_group(const struct doing *d, struct err *err)
{
	int r = atl_org_join(d->c, str_of(d->step->directory), str_of(d->step->group),
			     d->account, err);

	return r == ATL_LIMIT_REACHED ? ATL_IMPOSSIBLE : r;
}

static int do_revoke_role(const struct doing *d, struct err *err)
{
	int r = atl_org_revoke(d->c, d->account, str_of(d->step->role),
			       str_of(d->step->resource), err);

	return r == ATL_LIMIT_REACHED ? ATL_IMPOSSIBLE : r;
}

static int do_assign_role(const struct doing *d, struct err *err)
{
	int r = atl_org_assign(d->c, d->account, str_of(d->step->role),
			       str_of(d->step->resource), err);

	return r == ATL_LIMIT_REACHED ? ATL_IMPOSSIBLE : r;
}

/* One after the other, until a list comes back empty. */
static int do_revoke_tokens(const struct doing *d, struct err *err)
{
	for (int round = 0; round < TOKEN_ROUNDS; round++) {
		CLEANUP(atl_tokens_done) struct vec_atl_token tokens = { 0 };
		int r = atl_users_tokens(d->c, d->account, d->urgent, &tokens, err);

		if (r < 0 || tokens.n == 0)
			return r;
		for (size_t i = 0; i < tokens.n; i++) {
			r = atl_users_token_revoke(d->c, d->account, str_of(tokens.v[i].id),
						   err);
			if (r < 0)
				return r;
		}
	}
	return err_set(err, ERR_REMOTE,
		       "the account still has API tokens after %d rounds of revoking them: "
		       "somebody makes new ones",
		       TOKEN_ROUNDS);
}

/* --- verifying ---------------------------------------------------------------------------- */

static enum atl_verified is(bool done)
{
	return done ? ATL_VERIFY_DONE : ATL_VERIFY_NOT_DONE;
}

static enum atl_verified is_tri(enum tri told, enum tri wanted)
{
	return told == TRI_UNKNOWN ? ATL_VERIFY_UNKNOWN : is(told == wanted);
}

/* In an organisation with several directories the account's own state says "suspended" only
 * when it is so in all of them: the rows of its roles tell of each. */
static int directory_state(const struct doing *d, bool *told, bool *suspended, struct err *err)
{
	CLEANUP(atl_pages_done) struct atl_pages p = { 0 };
	int r = atl_org_user_roles(&p, d->c, str_of(d->step->directory), d->account,
				   (struct str){ 0 }, "the roles of an account", err);

	*told = false;
	while (r == 0) {
		CLEANUP(json_decref_at) json_t *page = NULL;
		json_t *rows, *row;
		size_t i;

		r = atl_pages_next(&p, &page, &rows, err);
		if (r != 0)
			break;
		json_array_foreach (rows, i, row) {
			const char *id = json_string_value(json_object_get(row, "directoryId"));
			const char *state =
				json_string_value(json_object_get(row, "userDirectoryStatus"));

			if (!id || !state || !d->step->directory ||
			    strcmp(id, d->step->directory) != 0)
				continue;
			*told = true;
			*suspended = !strcmp(state, "suspended");
		}
	}
	return r < 0 ? r : 0;
}

static int verify_membership(const struct doing *d, enum tri wanted, enum atl_verified *ret,
			     struct err *err)
{
	CLEANUP(atl_reading_done) struct atl_reading now = { 0 };
	bool told, suspended = false;
	int r = atl_read_account(d->c, d->account, 0, (struct str){ 0 }, d->urgent, &now, err);

	if (r != 0)
		return r;
	if (now.suspended == TRI_YES || atl_client_only_directory(d->c)[0]) {
		*ret = is_tri(now.suspended, wanted);
		return 0;
	}
	r = directory_state(d, &told, &suspended, err);
	if (r < 0)
		return r;
	*ret = told ? is(tri_of(suspended) == wanted) : ATL_VERIFY_UNKNOWN;
	return 0;
}

static int verify_suspend(const struct doing *d, enum atl_verified *ret, struct err *err)
{
	return verify_membership(d, TRI_YES, ret, err);
}

static int verify_restore(const struct doing *d, enum atl_verified *ret, struct err *err)
{
	return verify_membership(d, TRI_NO, ret, err);
}

static int verify_life(const struct doing *d, enum tri wanted, enum atl_verified *ret,
		       struct err *err)
{
	CLEANUP(atl_reading_done) struct atl_reading now = { 0 };
	int r = atl_read_account(d->c, d->account, 0, (struct str){ 0 }, d->urgent, &now, err);

	if (r == 0)
		*ret = is_tri(now.disabled, wanted);
	return r;
}

static int verify_disable(const struct doing *d, enum atl_verified *ret, struct err *err)
{
	return verify_life(d, TRI_YES, ret, err);
}

static int verify_enable(const struct doing *d, enum atl_verified *ret, struct err *err)
{
	return verify_life(d, TRI_NO, ret, err);
}

static int verify_end(const struct doing *d, bool wanted, enum atl_verified *ret,
		      struct err *err)
{
	CLEANUP(atl_reading_done) struct atl_reading now = { 0 };
	int r = atl_read_account(d->c, d->account, 0, (struct str){ 0 }, d->urgent, &now, err);

	if (r == 0)
		*ret = is((now.row.status == ACCOUNT_DELETING) == wanted);
	return r;
}

static int verify_delete(const struct doing *d, enum atl_verified *ret, struct err *err)
{
	return verify_end(d, true, ret, err);
}

static int verify_cancel_delete(const struct doing *d, enum atl_verified *ret, struct err *err)
{
	return verify_end(d, false, ret, err);
}

static int verify_group(const struct doing *d, bool wanted, enum atl_verified *ret,
			struct err *err)
{
	bool member;
	int r = atl_org_is_member(d->c, str_of(d->step->group), d->account, &member, err);

	if (r == 0)
		*ret = is(member == wanted);
	return r;
}

static int verify_remove_group(const struct doing *d, enum atl_verified *ret, struct err *err)
{
	return verify_group(d, false, ret, err);
}

static int verify_add_group(const struct doing *d, enum atl_verified *ret, struct err *err)
{
	return verify_group(d, true, ret, err);
}

static int verify_role(const struct doing *d, bool wanted, enum atl_verified *ret,
		       struct err *err)
{
	CLEANUP(atl_reading_done) struct atl_reading now = { 0 };
	bool direct = false;
	int r = atl_read_account(d->c, d->account, ATL_WITH_PATHS, str_of(d->step->resource),
				 d->urgent, &now, err);

	if (r != 0)
		return r;
	for (size_t i = 0; i < now.paths.n; i++)
		direct |= now.paths.v[i].kind == ATL_PATH_DIRECT && d->step->role &&
			  !strcmp(now.paths.v[i].role, d->step->role);
	*ret = is(direct == wanted);
	return 0;
}

static int verify_revoke_role(const struct doing *d, enum atl_verified *ret, struct err *err)
{
	return verify_role(d, false, ret, err);
}

static int verify_assign_role(const struct doing *d, enum atl_verified *ret, struct err *err)
{
	return verify_role(d, true, ret, err);
}

static int verify_tokens(const struct doing *d, enum atl_verified *ret, struct err *err)
{
	CLEANUP(atl_tokens_done) struct vec_atl_token tokens = { 0 };
	int r = atl_users_tokens(d->c, d->account, d->urgent, &tokens, err);

	if (r == -ERR_NOT_FOUND)
		return ATL_GONE;
	if (r == 0)
		*ret = is(tokens.n == 0);
	return r;
}

/* --- the table ---------------------------------------------------------------------------- */

enum { NEEDS_DIRECTORY = 1, NEEDS_GROUP = 2, NEEDS_ROLE = 4 };

/* clang-format off */
static const struct {
	int (*act)(const struct doing *d, struct err *err);
	int (*verify)(const struct doing *d, enum atl_verified *ret, struct err *err);
	unsigned needs;
} ops[STEP_OP_COUNT] = {
	[STEP_SUSPEND]      = { do_suspend,       verify_suspend,      NEEDS_DIRECTORY },
	[STEP_RESTORE]      = { do_restore,       verify_restore,      NEEDS_DIRECTORY },
	[STEP_DISABLE]      = { do_disable,       verify_disable,      0 },
	[STEP_ENABLE]       = { do_enable,        verify_enable,       0 },
	[STEP_REMOVE_GROUP] = { do_remove_group,  verify_remove_group, NEEDS_DIRECTORY | NEEDS_GROUP },
	[STEP_ADD_GROUP]    = { do_add_group,     verify_add_group,    NEEDS_DIRECTORY | NEEDS_GROUP },
	[STEP_REVOKE_ROLE]  = { do_revoke_role,   verify_revoke_role,  NEEDS_ROLE },
	[STEP_ASSIGN_ROLE]  = { do_assign_role,   verify_assign_role,  NEEDS_ROLE },
	[STEP_REVOKE_TOKEN] = { do_revoke_tokens, verify_tokens,       0 },
	[STEP_DELETE]       = { do_delete,        verify_delete,       0 },
	[STEP_CANCEL_DELETE] = { do_cancel_delete, verify_cancel_delete, 0 },
};
/* clang-format on */

static bool given(const char *text)
{
	return text && *text;
}

static int step_check(const struct doing *d, struct err *err)
{
	const struct action_step *step = d->step;
	unsigned needs;

	if ((unsigned)step->op >= STEP_OP_COUNT || !ops[step->op].act)
		return err_set(err, ERR_INTERNAL, "step %d is no call to Atlassian", step->op);
	needs = ops[step->op].needs;
	if (!d->account.len || ((needs & NEEDS_DIRECTORY) && !given(step->directory)) ||
	    ((needs & NEEDS_GROUP) && !given(step->group)) ||
	    ((needs & NEEDS_ROLE) && !given(step->role)))
		return err_set(err, ERR_INTERNAL,
			       "step %d lacks the account, directory, group or role that it is "
			       "about",
			       step->op);
	return 0;
}

/* Refusals that are about this account or group, not about our key: asking again is of no use,
 * and nothing stronger may be tried. */
static bool about_the_account(const struct err *err)
{
	static const char *const marks[] = {
		" ADMIN-403-5",     /* may not manage the group */
		" ADMIN-403-6",     /* default group */
		" ADMIN-403-7",     /* group grants admin access */
		" ADMIN-UAM-400-2", /* inactive user */
		" ADMIN-UAM-400-3", /* role not valid for the resource */
		" forbidden.action",
	};

	for (size_t i = 0; i < COUNT_OF(marks); i++)
		if (strstr(err->text, marks[i]))
			return true;
	return false;
}

int atl_act(struct atl_client *c, struct str account, const struct action_step *step,
	    bool urgent, struct err *err)
{
	struct doing d = { c, account, step, urgent };
	struct err own;
	int r;

	if (!err)
		err = &own;
	r = step_check(&d, err);
	if (r == 0 && !atl_client_may_write(c))
		return err_set(err, ERR_REFUSED,
			       "organisation %s is in mode observe: nothing is sent",
			       atl_client_options(c)->name ? atl_client_options(c)->name : "");
	if (r == 0)
		r = ops[step->op].act(&d, err);
	if ((r == -ERR_FORBIDDEN || r == -ERR_REMOTE) && about_the_account(err))
		return ATL_IMPOSSIBLE;
	return r;
}

int atl_verify(struct atl_client *c, struct str account, const struct action_step *step,
	       enum atl_verified *ret, struct err *err)
{
	struct doing d = { c, account, step, true };
	int r = step_check(&d, err);

	return r == 0 ? ops[step->op].verify(&d, ret, err) : r;
}
