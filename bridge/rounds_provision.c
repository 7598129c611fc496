/* Reading an organisation's provisioning directory into the store. */
#include "bridge/rounds.h"

#include "atlassian/provision.h"
#include "base/log.h"
#include "base/stamp.h"
#include "bridge/clients.h"
#include "store/accounts.h"
#include "store/provision.h"
#include "store/writer.h"

#define BATCH_ROWS 200

/* Copies of rows: what the client hands out is borrowed. */
struct user_kept {
	char *text; /* all texts, one after the other */
	struct scim_user_row row;
};

struct group_kept {
	char *id, *name;
	char **members;
	size_t member_count;
};

struct provisioned {
	struct app *app;
	const struct config_org *org;
	const atomic_bool *cancel;
	int64_t org_id;
	struct provision_run run;
	struct user_kept users[BATCH_ROWS];
	size_t user_count;
	struct group_kept *group; /* of the write under way */
	struct atl_provision_result result;
	char reason[ERR_TEXT_BYTES];
};

/* --- writing -------------------------------------------------------------------------------
 */

static int begin_write(void *ctx, struct db *db, struct err *err)
{
	CLEANUP(org_row_done) struct org_row row = { 0 };
	struct provisioned *p = ctx;
	int r = accounts_org_get(db, p->org->name, &row, err);

	if (r > 0)
		return err_set(err, ERR_INTERNAL, "it was not declared");
	p->org_id = row.id;
	return r < 0 ? r
		     : provision_begin(db, p->org_id, p->org->provision.scim.directory, &p->run,
				       err);
}

static int users_write(void *ctx, struct db *db, struct err *err)
{
	struct provisioned *p = ctx;
	int r = 0;

	for (size_t i = 0; i < p->user_count && r == 0; i++)
		r = provision_put_user(db, &p->run, &p->users[i].row, err);
	return r;
}

static int group_write(void *ctx, struct db *db, struct err *err)
{
	struct provisioned *p = ctx;
	const struct group_kept *g = p->group;
	struct scim_group_row row = { .scim_id = str_of(g->id), .name = str_of(g->name) };
	CLEANUP(free_at)
	struct str *members = calloc(g->member_count + 1, sizeof(*members));

	if (!members)
		return err_nomem(err);
	for (size_t i = 0; i < g->member_count; i++)
		members[i] = str_of(g->members[i]);
	return provision_put_group(db, &p->run, &row, members, g->member_count, err);
}

static int end_write(void *ctx, struct db *db, struct err *err)
{
	struct provisioned *p = ctx;

	return provision_end(db, &p->run, p->org->provision.scim.directory,
			     p->reason[0] ? p->reason : NULL, stamp_now_ms(), err);
}

/* --- what comes ----------------------------------------------------------------------------
 */

static void users_free(struct provisioned *p)
{
	for (size_t i = 0; i < p->user_count; i++)
		free(p->users[i].text);
	p->user_count = 0;
}

static int users_flush(struct provisioned *p, struct err *err)
{
	int r = writer_call(p->app->writer, users_write, p, err);

	users_free(p);
	return r;
}

static struct str put(char **at, struct str s)
{
	struct str copy = str_n(*at, s.len);

	if (s.len)
		memcpy(*at, s.p, s.len);
	*at += s.len;
	return copy;
}

static int on_user(void *ctx, const struct atl_scim_user *u, struct err *err)
{
	struct provisioned *p = ctx;
	struct user_kept *k;
	size_t bytes = u->id.len + u->external_id.len + u->account.len + 1;
	char *at;
	int r = p->user_count == BATCH_ROWS ? users_flush(p, err) : 0;

	if (r < 0)
		return r;
	for (int i = 0; i < PROVISION_ATTR_COUNT; i++)
		bytes += u->attrs[i].len;
	k = &p->users[p->user_count];
	*k = (struct user_kept){ .text = at = malloc(bytes) };
	if (!at)
		return err_nomem(err);
	k->row = (struct scim_user_row){ .active = u->active };
	k->row.scim_id = put(&at, u->id);
	k->row.external_id = put(&at, u->external_id);
	k->row.account_id = put(&at, u->account);
	for (int i = 0; i < PROVISION_ATTR_COUNT; i++)
		k->row.attrs[i] = put(&at, u->attrs[i]);
	p->user_count++;
	return 0;
}

static void group_free(struct group_kept *g)
{
	for (size_t i = 0; i < g->member_count; i++)
		free(g->members[i]);
	free(g->members);
	free(g->id);
	free(g->name);
	*g = (struct group_kept){ 0 };
}

/* One group at a time: the writer's thread reads what stands on ours, which waits for it. */
static int on_group(void *ctx, const struct atl_scim_group *row, struct err *err)
{
	CLEANUP(group_free)
	struct group_kept g = { .id = str_dup(row->id), .name = str_dup(row->name) };
	struct provisioned *p = ctx;
	int r = p->user_count ? users_flush(p, err) : 0;

	g.members = calloc(row->member_count + 1, sizeof(*g.members));
	if (r == 0 && (!g.id || !g.name || !g.members))
		r = err_nomem(err);
	for (size_t i = 0; r == 0 && i < row->member_count; i++) {
		g.members[i] = str_dup(row->members[i]);
		g.member_count = i + 1;
		if (!g.members[i])
			r = err_nomem(err);
	}
	p->group = &g;
	if (r == 0)
		r = writer_call(p->app->writer, group_write, p, err);
	p->group = NULL;
	return r;
}

static bool on_stop(void *ctx)
{
	const struct provisioned *p = ctx;

	return p->cancel && atomic_load(p->cancel);
}

/* --- one read ------------------------------------------------------------------------------
 */

/* What could not be read at all is told like what was cut short: then nothing is written. */
static int read_all(struct provisioned *p, struct err *err)
{
	const struct atl_provision_sink sink = { p, on_user, on_group, on_stop };
	struct atl_client *client = NULL;
	struct err said;
	int r = clients_get_provision(p->app, p->org, &client, &said);

	if (r == 0)
		r = atl_provision_read(client, &p->org->provision.scim, &sink, &p->result,
				       &said);
	if (r == -ERR_NOMEM || r == -ERR_CANCELLED || r == -ERR_LEASE) {
		*err = said;
		return r;
	}
	snprintf(p->reason, sizeof(p->reason), "%s", r < 0 ? said.text : p->result.why);
	return p->user_count ? users_flush(p, err) : 0;
}

static int tell(const struct provisioned *p, json_t *out, struct err *err)
{
	json_t *told =
		json_pack("{s:b,s:s?,s:I,s:I,s:I,s:I}", "complete", !p->reason[0], "why",
			  p->reason[0] ? p->reason : NULL, "users", (json_int_t)p->result.users,
			  "groups", (json_int_t)p->result.groups, "members",
			  (json_int_t)p->result.members, "changed", (json_int_t)p->run.changed);

	if (p->reason[0])
		log_warn("provision.incomplete", LOG_T("org", p->org->name),
			 LOG_T("text", p->reason));
	else
		log_info("provision.read", LOG_T("org", p->org->name),
			 LOG_U("users", p->result.users), LOG_U("groups", p->result.groups),
			 LOG_U("requests", p->result.calls));
	return jx_set(out, "provisioning", told, err);
}

int rounds_provision(struct app *app, const struct config_org *org, const atomic_bool *cancel,
		     json_t *out, struct err *err)
{
	struct provisioned *p;
	int r;

	if (!org->provision.scim.directory)
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_nomem(err);
	p->app = app;
	p->org = org;
	p->cancel = cancel;
	r = writer_call(app->writer, begin_write, p, err);
	if (r == 0)
		r = read_all(p, err);
	if (r == 0)
		r = writer_call(app->writer, end_write, p, err);
	if (r == 0)
		r = tell(p, out, err);
	users_free(p);
	provision_run_done(&p->run);
	free(p);
	return r < 0 ? err_context(err, r, "the provisioning directory") : 0;
}
