#include "bridge/hands_provision.h"

#include "bridge/clients.h"
#include "store/accounts.h"
#include "store/provision.h"
#include "store/writer.h"

bool hands_provision_is(enum step_op op)
{
	return op >= STEP_SCIM_CREATE && op <= STEP_SCIM_LEAVE;
}

/* --- aiming --------------------------------------------------------------------------------
 */

static struct str text(const json_t *object, const char *key)
{
	return str_of(jx_get_text(object, key));
}

static void attrs_read(const json_t *object, struct str ret[PROVISION_ATTR_COUNT])
{
	for (int i = 0; i < PROVISION_ATTR_COUNT; i++)
		ret[i] = text(object, provision_attrs[i].word);
}

static int groups_read(struct hands_provision *h, const json_t *list, struct err *err)
{
	const json_t *each;
	size_t i;

	if (json_array_size(list) > HANDS_GROUPS_MOST)
		return err_set(err, ERR_LIMIT, "it names more than %d groups",
			       HANDS_GROUPS_MOST);
	json_array_foreach ((json_t *)(uintptr_t)list, i, each)
		h->groups[i] = str_of(json_string_value(each));
	h->deed.groups = h->groups;
	h->deed.group_count = json_array_size(list);
	return 0;
}

int hands_provision_aim(struct hands_provision *h, struct app *app,
			const struct config_org *org, const json_t *values, bool writes,
			struct err *err)
{
	json_t *said = json_object_get(values, "provision");
	int r;

	hands_provision_done(h);
	if (!json_is_object(said))
		return err_set(err, ERR_DAMAGED,
			       "its values say nothing of the provisioning directory");
	*h = (struct hands_provision){ .app = app, .org = org, .values = json_incref(said) };
	h->deed = (struct atl_deed){ .directory = text(said, "directory"),
				     .record = text(said, "record"),
				     .external_id = text(said, "external_id") };
	attrs_read(json_object_get(said, "held"), h->deed.held);
	attrs_read(json_object_get(said, "wanted"), h->deed.wanted);
	r = groups_read(h, json_object_get(said, "groups"), err);
	if (r < 0)
		return r;
	if (!org->provision.scim.directory ||
	    !str_eq(h->deed.directory, str_of(org->provision.scim.directory)))
		return err_set(err, ERR_CONFIG,
			       "it was planned for another provisioning directory than the "
			       "configured one");
	r = clients_get_provision(app, org, &h->client, err);
	if (r == 0)
		atl_client_writes(h->client, writes);
	return r;
}

void hands_provision_done(struct hands_provision *h)
{
	json_decref(h->values);
	*h = (struct hands_provision){ 0 };
}

/* --- looking -------------------------------------------------------------------------------
 */

struct seen_write {
	struct hands_provision *h;
	const struct atl_scim_user *user;
	const struct atl_scim_group *group;
	struct str record;
	bool in;
};

static int seen_run(void *ctx, struct db *db, struct err *err)
{
	CLEANUP(org_row_done) struct org_row org = { 0 };
	struct seen_write *w = ctx;
	struct scim_user_row user;
	struct scim_group_row group;
	int r = accounts_org_get(db, w->h->org->name, &org, err);

	if (r != 0)
		return r < 0 ? r : 0;
	if (w->user) {
		user = (struct scim_user_row){ .scim_id = w->user->id,
					       .external_id = w->user->external_id,
					       .account_id = w->user->account,
					       .active = w->user->active };
		memcpy(user.attrs, w->user->attrs, sizeof(user.attrs));
		return provision_seen_user(db, org.id, &user, err);
	}
	group = (struct scim_group_row){ .scim_id = w->group->id, .name = w->group->name };
	return provision_seen_member(db, org.id, w->record, &group, w->in, err);
}

static int on_user(void *ctx, const struct atl_scim_user *row, struct err *err)
{
	struct hands_provision *h = ctx;
	struct seen_write w = { .h = h, .user = row };

	return writer_call(h->app->writer, seen_run, &w, err);
}

static int on_member(void *ctx, struct str record, const struct atl_scim_group *group, bool in,
		     struct err *err)
{
	struct hands_provision *h = ctx;
	struct seen_write w = { .h = h, .group = group, .record = record, .in = in };

	return writer_call(h->app->writer, seen_run, &w, err);
}

int hands_provision_state(struct hands_provision *h, enum action_kind kind,
			  enum provision_state *ret, struct err *err)
{
	const struct atl_provision_seen seen = { h, on_user, on_member };

	return atl_provision_state(h->client, &h->deed, kind, &seen, ret, err);
}
