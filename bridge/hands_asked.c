#include "bridge/hands_asked.h"

#include "atlassian/change.h"
#include "atlassian/row.h"

bool hands_asked_is(enum step_op op)
{
	return op == STEP_SET_EMAIL || op == STEP_SET_NAME || op == STEP_MAKE_GROUP ||
	       op == STEP_DROP_GROUP;
}

/* --- membership -----------------------------------------------------------------------------
 */

static bool reading_has(const struct atl_reading *reading, const char *group)
{
	for (size_t i = 0; i < reading->groups.n; i++)
		if (strcmp(reading->groups.v[i], group) == 0)
			return true;
	return false;
}

static int compare_texts(const void *x, const void *y)
{
	return strcmp(*(char *const *)x, *(char *const *)y);
}

/* Those of the steps' groups that the account is in. */
static int memberships(const struct action *action, const struct atl_reading *reading,
		       struct target_state *ret, struct err *err)
{
	for (size_t i = 0; i < action->step_count; i++) {
		const char *group = action->steps[i].group;
		char *copy;

		if (!group || !reading_has(reading, group))
			continue;
		copy = str_dup(str_of(group));
		if (!copy || vec_text_add(&ret->groups, copy) < 0) {
			free(copy);
			return err_nomem(err);
		}
	}
	if (ret->groups.n)
		qsort(ret->groups.v, ret->groups.n, sizeof(*ret->groups.v), compare_texts);
	ret->paths = true;
	return 0;
}

/* --- profiles -------------------------------------------------------------------------------
 */

static struct str said(const json_t *values, const char *which, const char *key)
{
	const json_t *profile = json_object_get(values, "profile");

	return str_of(jx_get_text(json_object_get(profile, which), key));
}

/* As wanted, as it was when it was planned, or neither. What is not told is not known. */
static enum provision_state profile_state(const struct atl_reading *reading,
					  const json_t *values)
{
	static const char *const keys[] = { "email", "name" };
	const struct str now[] = { reading->row.email, reading->row.name };
	bool wanted = true, held = true;

	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		struct str want = said(values, "wanted", keys[i]);

		if (!want.len)
			continue;
		if (!now[i].len)
			return PROVISION_UNKNOWN;
		wanted = wanted && str_eq(now[i], want);
		held = held && str_eq(now[i], said(values, "held", keys[i]));
	}
	return wanted ? PROVISION_WANTED : held ? PROVISION_PLANNED : PROVISION_OTHER;
}

int hands_asked_fields(const struct action *action, const struct atl_reading *reading,
		       const json_t *values, struct target_state *ret, struct err *err)
{
	if (action->kind == ACTION_CHANGE_PROFILE)
		ret->provision = profile_state(reading, values);
	if (action->kind == ACTION_ADD_GROUPS || action->kind == ACTION_REMOVE_GROUPS)
		return memberships(action, reading, ret, err);
	return 0;
}

static int profile_change(struct atl_client *c, struct str account,
			  const struct action_step *step, const json_t *values, struct err *err)
{
	struct atl_profile profile = { .name = said(values, "wanted", "name") };
	struct str email = said(values, "wanted", "email");

	if (step->op == STEP_SET_EMAIL && email.len)
		return atl_change_email(c, account, email, err);
	if (step->op == STEP_SET_NAME && profile.name.len)
		return atl_change_profile(c, account, &profile, err);
	return err_set(err, ERR_DAMAGED, "what the profile is to say was erased");
}

static int profile_verify(struct atl_client *c, struct str account,
			  const struct action_step *step, const json_t *values,
			  enum verify *ret, struct err *err)
{
	CLEANUP(atl_reading_done) struct atl_reading now = { 0 };
	bool email = step->op == STEP_SET_EMAIL;
	int r = atl_read_account(c, account, 0, (struct str){ 0 }, false, &now, err);
	struct str told;

	if (r != 0)
		return r == ATL_GONE ? TARGET_GONE : r;
	told = email ? now.row.email : now.row.name;
	if (!told.len)
		*ret = VERIFY_UNKNOWN;
	else if (str_eq(told, said(values, "wanted", email ? "email" : "name")))
		*ret = VERIFY_DONE;
	else
		*ret = VERIFY_NOT_DONE;
	return 0;
}

/* --- groups as such -------------------------------------------------------------------------
 */

static int has_members(struct atl_client *c, struct str group, bool *ret, struct err *err)
{
	CLEANUP(atl_pages_done) struct atl_pages p = { 0 };
	json_t *body = json_pack("{s:[s%]}", "groupIds", group.p, group.len);
	int r = body ? atl_org_users(&p, c, STR("-"), body, "the members of a group", err)
		     : err_nomem(err);

	return r == 0 ? atl_pages_any(&p, ret, err) : r;
}

static int gives_something(struct atl_client *c, struct str directory, struct str group,
			   bool *ret, struct err *err)
{
	CLEANUP(atl_pages_done) struct atl_pages p = { 0 };
	int r = atl_org_group_roles(&p, c, directory, group, "what a group gives", err);

	return r == 0 ? atl_pages_any(&p, ret, err) : r;
}

/* Whether a group of that id is there. */
static int id_there(struct atl_client *c, struct str group, bool *ret, struct err *err)
{
	CLEANUP(atl_pages_done) struct atl_pages p = { 0 };
	json_t *body = json_pack("{s:[s%]}", "groupIds", group.p, group.len);
	int r = body ? atl_org_groups(&p, c, STR("-"), body, "one group", err) : err_nomem(err);

	return r == 0 ? atl_pages_any(&p, ret, err) : r;
}

static int name_there(struct atl_client *c, const struct action_step *step, bool *ret,
		      struct err *err)
{
	char id[80];
	int r = atl_change_group_find(c, str_of(step->directory), str_of(step->name), id, err);

	*ret = r == 0;
	return r < 0 ? r : 0;
}

int hands_asked_group(struct atl_client *c, const struct action *action,
		      enum provision_state *ret, struct err *err)
{
	const struct action_step *step = &action->steps[0];
	struct str group = str_of(step->group);
	bool there = false, used = false;
	int r;

	if (action->step_count != 1)
		return err_set(err, ERR_DAMAGED, "it is not about one group");
	if (action->kind == ACTION_CREATE_GROUP) {
		r = name_there(c, step, &there, err);
		*ret = there ? PROVISION_WANTED : PROVISION_NONE;
		return r;
	}
	r = id_there(c, group, &there, err);
	if (r == 0 && there)
		r = has_members(c, group, &used, err);
	if (r == 0 && there && !used)
		r = gives_something(c, str_of(step->directory), group, &used, err);
	*ret = !there ? PROVISION_NONE : used ? PROVISION_OTHER : PROVISION_PLANNED;
	return r;
}

static int group_act(struct atl_client *c, const struct action_step *step, struct err *err)
{
	struct str directory = str_of(step->directory);
	bool used = true;
	int r;

	if (step->op == STEP_MAKE_GROUP) {
		r = atl_change_group_new(c, directory, str_of(step->name), STR(""), err);
		return r == ATL_EXISTS ? 0 : r;
	}
	/* somebody may have been put into it a moment ago: they would lose it in silence */
	r = has_members(c, str_of(step->group), &used, err);
	if (r < 0)
		return r;
	if (used) {
		(void)err_set(err, ERR_REFUSED, "the group has members now");
		return TARGET_IMPOSSIBLE;
	}
	return atl_change_group_drop(c, directory, str_of(step->group), err);
}

/* --- the port -------------------------------------------------------------------------------
 */

int hands_asked_act(struct atl_client *c, struct str account, const struct action_step *step,
		    const json_t *values, struct err *err)
{
	int r = step->op == STEP_MAKE_GROUP || step->op == STEP_DROP_GROUP
			? group_act(c, step, err)
			: profile_change(c, account, step, values, err);

	return r == ATL_IMPOSSIBLE ? TARGET_IMPOSSIBLE : r;
}

int hands_asked_verify(struct atl_client *c, struct str account, const struct action_step *step,
		       const json_t *values, enum verify *ret, struct err *err)
{
	bool there = false;
	int r;

	if (step->op == STEP_SET_EMAIL || step->op == STEP_SET_NAME)
		return profile_verify(c, account, step, values, ret, err);
	r = step->op == STEP_MAKE_GROUP ? name_there(c, step, &there, err)
					: id_there(c, str_of(step->group), &there, err);
	if (r == 0)
		*ret = there == (step->op == STEP_MAKE_GROUP) ? VERIFY_DONE : VERIFY_NOT_DONE;
	return r;
}
