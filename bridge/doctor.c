#include "bridge/doctor.h"

#include <inttypes.h>

#include "atlassian/events.h"
#include "atlassian/org.h"
#include "atlassian/provision.h"
#include "atlassian/site_rights.h"
#include "atlassian/users.h"
#include "base/stamp.h"
#include "bridge/admins_left.h"
#include "bridge/anchors.h"
#include "bridge/ask.h"
#include "bridge/clients.h"
#include "bridge/owners.h"
#include "bridge/prune.h"
#include "bridge/door.h"
#include "bridge/forward.h"
#include "bridge/limits.h"
#include "bridge/loaded.h"
#include "bridge/rounds.h"
#include "bridge/rounds_hr.h"
#include "bridge/tickets.h"
#include "ldap/groups.h"
#include "ldap/source.h"
#include "ldap/tls.h"
#include "store/accounts.h"
#include "store/audit.h"
#include "store/backup.h"
#include "store/sources.h"
#include "store/tokens.h"
#include "store/vault.h"

#define DOCTOR_SOON_MS (30 * STAMP_DAY_MS)  /* what ends within is warned of */
#define DOCTOR_BACKUP_MS (7 * STAMP_DAY_MS) /* an older backup is warned of */

enum verdict { DOCTOR_OK, DOCTOR_NOTE, DOCTOR_WARN, DOCTOR_BAD };
static const char *const verdict_words[] = { "ok", "note", "warn", "bad" };

struct doctor {
	struct app *app;
	json_t *checks; /* borrowed from out */
	int64_t now_ms;
	int bad, warned, oks;
	struct err first; /* of the first bad check */
};

static int say(struct doctor *d, enum verdict verdict, const char *check, const char *target,
	       struct err *err, const char *format, ...) PRINTF(6, 7) MUST_USE;

static int say(struct doctor *d, enum verdict verdict, const char *check, const char *target,
	       struct err *err, const char *format, ...)
{
	char text[ERR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	d->bad += verdict == DOCTOR_BAD;
	d->warned += verdict == DOCTOR_WARN;
	d->oks += verdict == DOCTOR_OK;
	return jx_add(d->checks,
		      json_pack("{s:s,s:s,s:s,s:s}", "check", check, "target", target,
				"verdict", verdict_words[verdict], "text", text),
		      err);
}

/* A fault of a check is a finding of the doctor, not its end. */
static int bad(struct doctor *d, const char *check, const char *target, const struct err *why,
	       struct err *err)
{
	if (!d->first.code)
		d->first = *why;
	return say(d, DOCTOR_BAD, check, target, err, "%s", why->text);
}

/* --- directories -----------------------------------------------------------------------------
 */

static int say_probe(struct doctor *d, const char *name, const struct dir_probe *p,
		     struct err *err)
{
	int r;

	r = say(d, DOCTOR_OK, "directory", name, err,
		"%s at %s%s%s, as %s; %" PRIu64 " people in the first page%s",
		dir_trait(p->kind)->title, p->uri ? p->uri : "?", p->tls ? ", " : "",
		p->tls ? p->tls : "",
		!p->who   ? "whom the server does not tell"
		: *p->who ? p->who
			  : "nobody (anonymous)",
		p->sampled, p->paged ? "" : "; the server does not page");
	if (r == 0)
		r = say(d, p->strategy == DIR_FULL ? DOCTOR_NOTE : DOCTOR_OK, "changes", name,
			err, "%s is %s: %s. What changed comes by %s: %s%s%s", name,
			dir_trait(p->kind)->title, p->why,
			dir_strategy_traits[p->strategy].title, p->strategy_why,
			dir_strategy_traits[p->strategy].blind ? "; it never shows " : "",
			dir_strategy_traits[p->strategy].blind
				? dir_strategy_traits[p->strategy].blind
				: "");
	for (size_t i = 0; r == 0 && i < p->unheard.n; i++)
		r = say(d, DOCTOR_WARN, "directory", name, err,
			"the map names %s, which the server's schema does not know",
			p->unheard.v[i]);
	for (size_t i = 0; r == 0 && i < p->canaries.n; i++) {
		const struct dir_canary *c = &p->canaries.v[i];

		if (!c->seen)
			r = say(d, DOCTOR_BAD, "canary", name, err, "%s is not to be seen",
				c->text);
		else if (c->lacks)
			r = say(d, DOCTOR_WARN, "canary", name, err, "%s is seen without %s",
				c->text, c->lacks);
	}
	for (size_t i = 0; r == 0 && i < p->notes.n; i++)
		r = say(d, DOCTOR_NOTE, "directory", name, err, "%s", p->notes.v[i]);
	for (size_t i = 0; r == 0 && i < p->ways.n; i++)
		r = say(d, DOCTOR_NOTE, "way", name, err, "%s", p->ways.v[i]);
	for (size_t i = 0; r == 0 && i < p->rights.n; i++) {
		const struct dir_right *right = &p->rights.v[i];

		r = say(d,
			right->state == DIR_RIGHT_SEEN ? DOCTOR_OK
			: right->needed                ? DOCTOR_WARN
						       : DOCTOR_NOTE,
			"right", name, err, "%s: %s: %s", right->what,
			dir_right_words[right->state], right->text);
	}
	return r;
}

/* Whether the way works for this account: by going it once, keeping nothing. */
static int check_changes(struct doctor *d, const struct config_source *s,
			 const struct secret *password, const struct dir_probe *p,
			 struct err *err)
{
	CLEANUP(dir_delta_done) struct dir_delta delta = { 0 };
	struct err why = { 0 };
	int r = dir_delta(&s->ldap, password, NULL, NULL, verb_cancel_flag(), &delta, &why);

	if (r < 0)
		return bad(d, "changes", s->name, &why, err);
	if (r == 0)
		return say(d, DOCTOR_OK, "changes", s->name, err, "asked: the server answers");
	return say(d, DOCTOR_WARN, "changes", s->name, err,
		   "by %s they cannot be asked: %s. Give the account the right, or set delta; "
		   "until then there are full reads only",
		   dir_strategy_traits[p->strategy].title, delta.reason);
}

static int group_name_seen(void *ctx, const char *key, const char *name, struct err *err)
{
	(void)ctx;
	(void)key;
	(void)name;
	(void)err;
	return 0;
}

/* ctx: room for why the first one is not known. */
static int group_seen(void *ctx, const struct dir_group *group, struct err *err)
{
	char *why = ctx;

	(void)err;
	if (!group->known && !why[0])
		snprintf(why, 256, "%.60s: %.180s", group->name, group->why);
	return 0;
}

static int check_groups(struct doctor *d, const struct config_source *s,
			const struct secret *password, struct err *err)
{
	char first[256] = "";
	const struct dir_group_sink sink = { first, group_name_seen, group_seen };
	struct dir_groups_verdict v;
	struct err why = { 0 };
	int r = dir_groups_read(&s->ldap, password, &sink, verb_cancel_flag(), &v, &why);

	if (r < 0)
		return bad(d, "groups", s->name, &why, err);
	if (!v.complete)
		return say(d, DOCTOR_WARN, "groups", s->name, err, "%s", v.why);
	if (v.unknown)
		return say(d, DOCTOR_WARN, "groups", s->name, err,
			   "of %" PRIu64 " groups %" PRIu64
			   " do not show all members, so no rule acts on groups; one is %s",
			   v.groups, v.unknown, first);
	return say(d, v.groups ? DOCTOR_OK : DOCTOR_WARN, "groups", s->name, err,
		   "%" PRIu64 " groups with %" PRIu64 " members", v.groups, v.memberships);
}

static int check_directory(struct doctor *d, const struct config_source *s, struct err *err)
{
	CLEANUP(dir_probe_done) struct dir_probe probe = { 0 };
	CLEANUP(secret_done) struct secret password = { 0 };
	struct err why = { 0 };
	int r;

	r = rounds_directory_secrets(d->app, &s->ldap, &password, &why);
	if (r < 0)
		return bad(d, "directory", s->name, &why, err);
	r = dir_probe(&s->ldap, password.p ? &password : NULL, verb_cancel_flag(), &probe,
		      &why);
	if (r < 0)
		return bad(d, "directory", s->name, &why, err);
	r = say_probe(d, s->name, &probe, err);
	if (r == 0 && probe.strategy != DIR_FULL && s->ldap.delta_every_ms)
		r = check_changes(d, s, &password, &probe, err);
	if (r == 0 && s->ldap.groups_base)
		r = check_groups(d, s, &password, err);
	return r;
}

/* --- exports ---------------------------------------------------------------------------------
 */

/* Reads the export as sync would, and keeps nothing. */
static int check_export(struct doctor *d, const struct config_source *s, struct err *err)
{
	CLEANUP(json_decref_at) json_t *out = json_object();
	struct err why = { 0 };
	const json_t *file;
	const char *said;

	if (!out)
		return err_nomem(err);
	if (!s->file.path && !s->file.folder)
		return say(d, DOCTOR_NOTE, "export", s->name, err,
			   "comes on stdin: `leaverd sync %s < FILE`", s->name);
	if (rounds_hr(d->app, s, -1, true, verb_cancel_flag(), out, &why) < 0)
		return bad(d, "export", s->name, &why, err);
	file = json_object_get(out, "file");
	said = jx_get_text(out, "why");
	if (!file || !json_is_true(json_object_get(out, "plausible")))
		return say(d,
			   file                                           ? DOCTOR_BAD
			   : json_is_true(json_object_get(out, "stands")) ? DOCTOR_NOTE
									  : DOCTOR_WARN,
			   "export", s->name, err, "%s", said ? said : "not read");
	return say(d, DOCTOR_OK, "export", s->name, err,
		   "%.100s: %" PRId64 " people, %s (%s), %s, sealed with %s",
		   jx_get_text(file, "name"),
		   (int64_t)json_integer_value(json_object_get(out, "entries")),
		   jx_get_text(file, "encoding"), jx_get_text(file, "how"),
		   s->file.format == HR_LDIF ? "LDIF" : jx_get_text(file, "delimiter"),
		   jx_get_text(file, "seal"));
}

/* --- push sources ----------------------------------------------------------------------------
 */

/* The issuer of a source's tokens: whether its keys can be read from here. */
static int check_issuer(struct doctor *d, const struct config_source *s, struct err *err)
{
	CLEANUP(jwt_keys_drop_at) struct jwt_keys *keys = NULL;
	struct jwks_from from = door_keys_from(s);
	struct err why = { 0 };
	int64_t age_ms;

	if (!s->scim.jwt.issuer)
		return 0;
	if (jwks_fetch(d->app->http, &from, &keys, &age_ms, &why) < 0)
		return bad(d, "issuer", s->name, &why, err);
	return say(d, DOCTOR_OK, "issuer", s->name, err,
		   "%s: %zu keys from %s, read again within %" PRId64 " min",
		   s->scim.jwt.issuer, jwt_keys_count(keys), from.url ? from.url : from.file,
		   (int64_t)(age_ms / STAMP_MINUTE_MS));
}

static int check_push(struct doctor *d, const struct config_source *s, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(source_row_done) struct source_row row = { 0 };
	struct err why;
	int r;

	r = store_read_begin(d->app->store, &db, err);
	if (r < 0)
		return r;
	r = sources_get(db, s->name, &row, &why);
	if (r < 0)
		return bad(d, "push source", s->name, &why, err);
	if (r > 0 || !row.spoke_ms)
		return say(d, DOCTOR_WARN, "push source", s->name, err,
			   "nothing was ever pushed: has the identity provider its token and "
			   "URL?");
	if (row.state != SOURCE_READY)
		return say(d, DOCTOR_WARN, "push source", s->name, err,
			   "%" PRId64 " people, but it is %s and says nothing about anybody: "
			   "'leaverd source ready %s' when everybody was sent",
			   row.users, source_state_words[row.state], s->name);
	return say(d, DOCTOR_OK, "push source", s->name, err,
		   "%" PRId64 " people, %" PRId64 " active", row.users, row.active);
}

/* --- organisations ---------------------------------------------------------------------------
 */

/* One list, its first page: whether the key may read it, and what will not work if not. */
struct right {
	const char *name;
	int (*open)(struct atl_pages *p, struct atl_client *c, struct err *err);
	const char *without;
	bool needed; /* nothing can be planned without it */
};

static int open_users(struct atl_pages *p, struct atl_client *c, struct err *err)
{
	return atl_org_users(p, c, STR("-"), NULL, "users", err);
}

static int open_groups(struct atl_pages *p, struct atl_client *c, struct err *err)
{
	return atl_org_groups(p, c, STR("-"), NULL, "groups", err);
}

/* clang-format off */
static const struct right rights[] = {
	{ "read directories",      atl_org_directories,  "nothing is collected",                                    true },
	{ "read domains",          atl_org_domains,      "who can be managed is not foretold",                      false },
	{ "read products",         atl_org_workspaces,   "no seat is known",                                        true },
	{ "read users",            open_users,           "nothing is collected",                                    true },
	{ "read groups",           open_groups,          "no seat is known and none is freed",                      true },
	{ "read managed accounts", atl_users_managed,    "organisations of the older kind are not read whole",      true },
	{ "read API tokens",       atl_users_all_tokens, "activity that only tokens show is unknown: whoever works "
							 "through the API alone may seem idle",                    false },
	{ "read audit events",     atl_events_list,      "who else changes accounts is not told, and nobody notices what "
							 "is done under our key",                                  false },
};
/* clang-format on */

static int check_right(struct doctor *d, const char *org, struct atl_client *client,
		       const struct right *right, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct atl_pages pages = { 0 };
	struct err why = { 0 };
	json_t *rows;
	int r;

	r = right->open(&pages, client, &why);
	if (r == 0) {
		r = atl_pages_next(&pages, &doc, &rows, &why);
		atl_pages_done(&pages);
	}
	if (r >= 0)
		return say(d, DOCTOR_OK, right->name, org, err, "allowed");
	if (r != -ERR_FORBIDDEN && r != -ERR_UNAUTHORIZED)
		return bad(d, right->name, org, &why, err);
	(void)err_context(&why, r, "the key of %s may not %s: %s", org, right->name,
			  right->without);
	return right->needed ? bad(d, right->name, org, &why, err)
			     : say(d, DOCTOR_WARN, right->name, org, err, "%s", why.text);
}

/* Whether we could deactivate: asked about one account that is managed, changing nothing. */
static int first_managed(void *ctx, const struct account_row *row, struct err *err)
{
	struct buf *into = ctx;

	(void)err;
	if (row->managed != TRI_YES || row->type != ACCOUNT_PERSON)
		return 0;
	buf_add_str(into, row->account_id);
	return 1;
}

static int managed_account(struct doctor *d, const char *org, struct buf *into, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct org_row row = { 0 };
	int r;

	r = store_read_begin(d->app->store, &db, err);
	if (r == 0)
		r = accounts_org_get(db, org, &row, err);
	if (r)
		return r;
	r = accounts_page(db, row.id, 0, 1000, first_managed, into, err);
	org_row_done(&row);
	return r;
}

static int check_manage(struct doctor *d, const char *org, struct atl_client *client,
			struct err *err)
{
	struct atl_privileges may = { 0 };
	CLEANUP(buf_done) struct buf id;
	struct err why = { 0 };
	int r;

	buf_init(&id, 256);
	r = managed_account(d, org, &id, &why);
	if (r < 0)
		return bad(d, "manage accounts", org, &why, err);
	if (!id.len)
		return say(d, DOCTOR_NOTE, "manage accounts", org, err,
			   "not asked: no managed account is known yet ('leaverd collect %s')",
			   org);
	r = atl_users_privileges(client, buf_str(&id), false, &may, &why);
	if (r == -ERR_FORBIDDEN || r == -ERR_UNAUTHORIZED)
		(void)err_context(
			&why, r,
			"the key of %s may not manage accounts: nobody is deactivated "
			"and no API token revoked; suspending may still work; a key made "
			"without scopes may",
			org);
	if (r < 0)
		return bad(d, "manage accounts", org, &why, err);
	if (!may.enablement.told)
		return say(d, DOCTOR_NOTE, "manage accounts", org, err,
			   "Atlassian does not say whether accounts may be deactivated");
	return say(d, may.enablement.allowed ? DOCTOR_OK : DOCTOR_WARN, "manage accounts", org,
		   err, "%s%s",
		   may.enablement.allowed ? "allowed" : "deactivation is not possible: ",
		   may.enablement.allowed ? "" : atl_reason_words(may.enablement.reason));
}

/* What can be said of the key without asking: whose it is, and whether it is the first. */
static int check_key(struct doctor *d, const struct config_org *org, struct atl_client *client,
		     struct err *err)
{
	const struct atl_options *o = &org->cloud;
	int r = 0;

	if (atl_client_on_standby(client))
		r = say(d, DOCTOR_WARN, "key", org->name, err,
			"Atlassian refused %s, and the standby key %s is in use: 'leaverd "
			"secret rotate %s' with a new one",
			o->key, o->standby_key, o->key);
	if (r == 0 && !o->own.n && !atl_client_has_owner(client))
		r = say(d, DOCTOR_WARN, "key", org->name, err,
			"whose account made it is not known, so nothing protects that account: "
			"'leaverd secret rotate %s --owner ADDRESS', or 'own:' in the "
			"configuration",
			o->key);
	if (r == 0)
		r = say(d, DOCTOR_NOTE, "change access", org->name, err,
			"not asked: Atlassian has no question about suspending, groups and "
			"roles that changes nothing; a key made without scopes may do all of "
			"them");
	return r;
}

/* What the provisioning directory's own key can do: two reads. That it may write no read tells.
 */
static int check_provision(struct doctor *d, const struct config_org *org, struct err *err)
{
	struct atl_client *client;
	struct err why = { 0 };
	int64_t users = 0;
	int r;

	if (!org->provision.scim.directory)
		return 0;
	r = clients_get_provision(d->app, org, &client, &why);
	if (r == 0)
		r = atl_provision_check(client, &org->provision.scim, &users, &why);
	if (r < 0)
		return bad(d, "provisioning", org->name, &why, err);
	return say(d, DOCTOR_OK, "provisioning", org->name, err,
		   "directory %s opens to its key: %" PRId64
		   " records; whether the key may change them is not asked",
		   org->provision.scim.directory, users);
}

/* --- sites -----------------------------------------------------------------------------------
 */

static int check_site_right(struct doctor *d, const char *host, struct atl_site *site,
			    const struct atl_site_right *right, struct err *err)
{
	struct err why = { 0 };
	int r;

	if (!atl_site_has(site, right->api))
		return right->api == ATL_API_AUTOMATION
			       ? say(d, DOCTOR_NOTE, right->name, host, err,
				     "not asked: the site has no cloud_id in the "
				     "configuration; "
				     "%s",
				     right->without)
			       : 0;
	r = atl_site_right_ask(site, right, &why);
	if (r == ATL_RIGHT_NONE)
		return say(d, DOCTOR_NOTE, right->name, host, err, "the site has none");
	if (r == ATL_RIGHT_NO)
		return say(d, DOCTOR_WARN, right->name, host, err, "%s: %s", right->without,
			   why.text);
	return r < 0 ? bad(d, right->name, host, &why, err)
		     : say(d, DOCTOR_OK, right->name, host, err, "allowed");
}

struct end_of {
	const char *name;
	bool known; /* when it ends */
};

static int end_seek(void *ctx, const struct vault_entry *row, struct err *err)
{
	struct end_of *e = ctx;

	(void)err;
	if (str_eq(row->name, str_of(e->name)))
		e->known = row->expires_ms != 0;
	return 0;
}

/* Tokens of accounts end within a year; one that was put in without its end ends unannounced.
 */
static int check_site_end(struct doctor *d, const struct atl_site_options *o, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct end_of e = { o->token, true };
	int r = store_read_begin(d->app->store, &db, err);

	if (r == 0)
		r = vault_list(db, end_seek, &e, err);
	if (r < 0 || e.known)
		return r;
	return say(d, DOCTOR_NOTE, "site token", o->host, err,
		   "when %s ends is not known, so nobody is warned: Atlassian's live a year at "
		   "most; 'leaverd secret set %s --expires SPAN' says it",
		   o->token, o->token);
}

static int check_site(struct doctor *d, const struct config_org *org,
		      const struct atl_site_options *o, struct err *err)
{
	struct atl_site *site = NULL;
	struct atl_site_self self;
	struct err why = { 0 };
	int r = clients_site(d->app, org, o, &site, &why);

	if (r == 0 && atl_site_has(site, ATL_API_JIRA)) {
		r = atl_site_self(site, &self, &why);
		if (r == 0)
			r = say(d, self.active ? DOCTOR_OK : DOCTOR_BAD, "site credential",
				o->host, err, "%s acts as account %s%s", o->token, self.account,
				self.active ? "" : ", which is not active");
		else
			(void)err_context(&why, r, "%s", o->token);
	}
	if (why.code)
		return bad(d, "site credential", o->host, &why, err);
	for (const struct atl_site_right *right = atl_site_rights;
	     r == 0 && right->name && !verb_cancelled(d->app); right++)
		r = check_site_right(d, o->host, site, right, err);
	return r == 0 ? check_site_end(d, o, err) : r;
}

/* --- issues ----------------------------------------------------------------------------------
 */

/* What a channel of issues needs in its project, and what will not work without. */
static const struct {
	const char *permission, *without;
	bool to_move; /* only where what is over is moved */
} issue_rights[] = {
	{ "BROWSE_PROJECTS", "whether an issue was opened is not found out", false },
	{ "CREATE_ISSUES", "no issue is opened", false },
	{ "ADD_COMMENTS", "what is over is not said in its issue", false },
	{ "TRANSITION_ISSUES", "issues of what is over are not moved", true },
};

static int check_issues(struct doctor *d, const struct config_issues *to, struct err *err)
{
	const struct config_org *org = tickets_org(d->app, to);
	struct atl_site *site = NULL;
	struct err why = { 0 };
	bool all = true;
	int r;

	if (!org)
		return say(d, DOCTOR_BAD, "issues", to->name, err,
			   "no organisation has the site %s", to->site);
	r = clients_site(d->app, org, config_site(org, to->site), &site, &why);
	for (size_t i = 0; r == 0 && i < COUNT_OF(issue_rights); i++) {
		if (issue_rights[i].to_move && !to->done)
			continue;
		r = atl_site_project_ask(site, to->project, issue_rights[i].permission, &why);
		if (r != ATL_RIGHT_NO)
			continue;
		all = false;
		r = say(d, DOCTOR_WARN, "issues", to->name, err, "%s: %s",
			issue_rights[i].without, why.text);
		if (r < 0)
			return r;
	}
	if (r == ATL_RIGHT_NONE)
		return say(d, DOCTOR_WARN, "issues", to->name, err,
			   "the credential of %s sees no project %s: no issue is opened",
			   to->site, to->project);
	if (r < 0)
		return bad(d, "issues", to->name, &why, err);
	return all ? say(d, DOCTOR_OK, "issues", to->name, err,
			 "they may be opened and commented%s in project %s of %s",
			 to->done ? " and moved" : "", to->project, to->site)
		   : 0;
}

static int check_org(struct doctor *d, const struct config_org *org, struct err *err)
{
	struct atl_client *client;
	struct err why = { 0 }, said;
	char id[80], name[128];
	int r;

	r = clients_get(d->app, org, &client, &why);
	if (r == 0)
		r = atl_org_get(client, id, name, &why);
	if (r == -ERR_UNAUTHORIZED) {
		said = why;
		err_set(&why, ERR_UNAUTHORIZED, "%.380s with `leaverd secret rotate %.80s`",
			said.text, org->cloud.key);
	}
	if (r < 0)
		return bad(d, "organisation", org->name, &why, err);
	r = say(d, DOCTOR_OK, "organisation", org->name, err, "%s (%s)", name, id);
	for (size_t i = 0; r == 0 && i < COUNT_OF(rights) && !verb_cancelled(d->app); i++)
		r = check_right(d, org->name, client, &rights[i], err);
	if (r == 0)
		r = check_manage(d, org->name, client, err);
	if (r == 0)
		r = check_provision(d, org, err);
	for (size_t i = 0; r == 0 && i < org->sites.n && !verb_cancelled(d->app); i++)
		r = check_site(d, org, config_site_at(org, i), err);
	return r < 0 ? r : check_key(d, org, client, err);
}

/* --- at home ---------------------------------------------------------------------------------
 */

static int check_end(struct doctor *d, const char *check, struct str name, int64_t ends_ms,
		     struct err *err)
{
	char target[160], date[STAMP_TEXT_BYTES];

	if (!ends_ms || ends_ms == STAMP_NEVER || ends_ms > d->now_ms + DOCTOR_SOON_MS)
		return 0;
	snprintf(target, sizeof(target), STR_FMT, STR_ARG(name));
	stamp_date_text(ends_ms, date);
	if (ends_ms <= d->now_ms)
		return say(d, DOCTOR_WARN, check, target, err,
			   "ended on %s: renew or remove it", date);
	return say(d, DOCTOR_WARN, check, target, err, "ends on %s: renew it", date);
}

/* The certificate that a directory is shown; files that cannot be read are told by its own
 * check. */
static int check_certificate(struct doctor *d, const struct config_source *s, struct err *err)
{
	int64_t ends_ms;

	if (s->kind != CONFIG_LDAP || dir_tls_ends(&s->ldap, &ends_ms, NULL) != 0)
		return 0;
	return check_end(d, "certificate", str_of(s->name), ends_ms, err);
}

static int each_secret(void *ctx, const struct vault_entry *row, struct err *err)
{
	return check_end(ctx, "secret", row->name, row->expires_ms, err);
}

static int each_token(void *ctx, const struct token_row *row, struct err *err)
{
	return row->revoked_ms ? 0 : check_end(ctx, "token", row->name, row->expires_ms, err);
}

/* Secrets that are to be rotated before somebody's account ends. */
static int check_owners(struct doctor *d, struct err *err)
{
	CLEANUP(json_decref_at) json_t *list = json_array();
	json_t *row;
	size_t i;
	int r = list ? owners_leaving(d->app, d->now_ms, false, list, err) : err_nomem(err);

	json_array_foreach (list, i, row) {
		char date[STAMP_TEXT_BYTES];

		stamp_date_text(json_integer_value(json_object_get(row, "leaves_ms")), date);
		if (r == 0 && json_is_true(json_object_get(row, "sealed")))
			r = say(d, DOCTOR_WARN, "secret", "all", err,
				"an owner leaves soon: %s", jx_get_text(row, "todo"));
		else if (r == 0)
			r = say(d, DOCTOR_WARN, "secret", jx_get_text(row, "secret"), err,
				"its owner leaves on %s: %s", date, jx_get_text(row, "todo"));
	}
	return r;
}

/* Keys of the organisation that somebody made who left. */
static int check_admins_left(struct doctor *d, struct err *err)
{
	CLEANUP(json_decref_at) json_t *list = json_array();
	json_t *row;
	size_t i;
	int r = list ? admins_left(d->app, d->now_ms, list, err) : err_nomem(err);

	json_array_foreach (list, i, row) {
		char date[STAMP_TEXT_BYTES];

		stamp_date_text(json_integer_value(json_object_get(row, "left_ms")), date);
		if (r == 0)
			r = say(d, DOCTOR_WARN, "keys", jx_get_text(row, "org"), err,
				"its administrator %s left on %s: %s",
				jx_get_text(row, "email"), date, jx_get_text(row, "todo"));
	}
	return r;
}

static int check_ends(struct doctor *d, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int64_t backup_ms = 0;
	int r;

	r = store_read_begin(d->app->store, &db, err);
	if (r == 0)
		r = vault_list(db, each_secret, d, err);
	if (r == 0)
		r = tokens_list(db, each_token, d, err);
	if (r == 0)
		r = backup_last(db, &backup_ms, err);
	if (r < 0)
		return r;
	if (!backup_ms)
		return say(d, DOCTOR_WARN, "backup", "store", err,
			   "there is none: 'leaverd backup FILE' makes one, and 'arm' asks for "
			   "it");
	return say(d, d->now_ms - backup_ms > DOCTOR_BACKUP_MS ? DOCTOR_WARN : DOCTOR_OK,
		   "backup", "store", err, "the newest is %" PRId64 " days old",
		   (int64_t)((d->now_ms - backup_ms) / STAMP_DAY_MS));
}

static int check_audit(struct doctor *d, struct err *err)
{
	struct audit_report report = { 0 };
	struct err why = { 0 };

	if (audit_verify(d->app->store, true, &report, &why) < 0)
		return bad(d, "audit chain", "store", &why, err);
	return say(d, DOCTOR_OK, "audit chain", "store", err, "%" PRId64 " entries verified",
		   report.entries);
}

/* Where anchors were kept last; a place that is behind for longer than it should is said. */
static int check_anchors(struct doctor *d, const char *place, bool wanted, struct err *err)
{
	const struct config_anchors *a = &d->app->config.anchors;
	int64_t seq = 0, ms = 0;
	int r = wanted ? anchors_standing(d->app, place, &seq, &ms, err) : 0;

	if (r < 0 || !wanted)
		return r < 0 ? r : 0;
	if (!seq)
		return say(d, DOCTOR_WARN, "anchors", place, err,
			   "none was kept there yet: 'leaverd audit anchor' keeps one");
	return say(d,
		   a->every_ms && d->now_ms - ms > 2 * a->every_ms + STAMP_DAY_MS ? DOCTOR_WARN
										  : DOCTOR_OK,
		   "anchors", place, err,
		   "the newest is of entry %" PRId64 ", %" PRId64 " hours old", seq,
		   (int64_t)((d->now_ms - ms) / STAMP_HOUR_MS));
}

static int check_forward(struct doctor *d, struct err *err)
{
	const char *server = d->app->config.audit.server;
	struct err why = { 0 };
	int64_t seq, ms;
	int r = server ? forward_standing(d->app, &seq, &ms, err) : 0;

	if (r < 0 || !server)
		return r < 0 ? r : 0;
	if (forward_probe(d->app, &why) < 0)
		return bad(d, "log server", server, &why, err);
	return say(d, DOCTOR_OK, "log server", server, err,
		   "its certificate fits; entries up to %" PRId64 " were taken", seq);
}

/* What waits for the daemon to go. */
static int check_retention(struct doctor *d, struct err *err)
{
	struct prune_due due = { .kind = "" };
	int r = 0;

	for (size_t i = 0; r == 0 && due.kind; i++) {
		r = prune_due(d->app, i, &due, err);
		if (r == 0 && due.kind && due.keep_ms)
			r = say(d, due.rows >= PRUNE_COUNT_MOST ? DOCTOR_WARN : DOCTOR_OK,
				"retention", due.kind, err,
				"%" PRId64 " rows are older than %" PRId64
				" days and wait to go",
				due.rows, (int64_t)(due.keep_ms / STAMP_DAY_MS));
	}
	return r;
}

static int check_outside(struct doctor *d, struct err *err)
{
	const struct config_anchors *a = &d->app->config.anchors;
	int r = check_anchors(d, "file", a->file != NULL, err);

	if (r == 0)
		r = check_anchors(d, "syslog", a->syslog != NULL, err);
	if (r == 0)
		r = check_anchors(d, "mail", a->mail.n > 0, err);
	if (r == 0)
		r = check_anchors(d, "stamp", a->stamps.url != NULL, err);
	if (r == 0 && !anchors_wanted(&d->app->config) && !d->app->config.audit.server)
		r = say(d, DOCTOR_NOTE, "anchors", "store", err,
			"none are kept outside: whoever has this machine and the master key "
			"could rewrite the audit chain unseen (anchors: in leaverd.yaml(5))");
	return r == 0 ? check_forward(d, err) : r;
}

static int check_files(struct doctor *d, struct err *err)
{
	struct limits_files files;

	limits_files(&d->app->config, &files);
	return say(d, files.hard < files.need ? DOCTOR_WARN : DOCTOR_OK, "open files", "system",
		   err,
		   "serve needs up to %" PRId64
		   " at once (scim.connections and its own), %" PRId64 " are allowed%s",
		   files.need, files.hard,
		   files.hard < files.need ? ": raise LimitNOFILE= of the unit, or lower "
					     "scim.connections"
					   : "");
}

static int check_config(struct doctor *d, struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	int r;

	buf_init(&text, 262144);
	r = loaded_sentence(d->app, &text, err);
	if (r == 0)
		r = loaded_restart(d->app, &text, err);
	if (r < 0)
		return r;
	return say(d, text.len ? DOCTOR_WARN : DOCTOR_OK, "configuration", "instance", err,
		   "%s", text.len ? text.p : "what is loaded acts");
}

static int run_checks(struct doctor *d, struct err *err)
{
	const struct config *c = &d->app->config;
	int r;

	r = check_audit(d, err);
	if (r == 0)
		r = check_outside(d, err);
	if (r == 0)
		r = check_retention(d, err);
	if (r == 0)
		r = check_ends(d, err);
	if (r == 0)
		r = check_owners(d, err);
	if (r == 0)
		r = check_admins_left(d, err);
	if (r == 0)
		r = check_files(d, err);
	if (r == 0)
		r = check_config(d, err);
	for (size_t i = 0; r == 0 && i < c->sources.n && !verb_cancelled(d->app); i++) {
		const struct config_source *s = config_source_at(c, i);

		r = check_certificate(d, s, err);
		if (r == 0 && s->kind == CONFIG_LDAP)
			r = check_directory(d, s, err);
		else if (r == 0)
			r = s->kind == CONFIG_FILE ? check_export(d, s, err)
						   : check_push(d, s, err);
		if (r == 0 && s->kind == CONFIG_SCIM)
			r = check_issuer(d, s, err);
	}
	for (size_t i = 0; r == 0 && i < c->organisations.n && !verb_cancelled(d->app); i++)
		r = check_org(d, config_org_at(c, i), err);
	for (size_t i = 0; r == 0 && i < c->notices.issues.n && !verb_cancelled(d->app); i++)
		r = check_issues(d, config_issues_at(&c->notices, i), err);
	return r;
}

int doctor_run(struct app *app, const struct who *who, const json_t *in, json_t *out,
	       struct err *err)
{
	struct doctor d = { .app = app, .now_ms = stamp_now_ms() };
	int r;

	(void)who;
	(void)in;
	r = jx_set(out, "checks", d.checks = json_array(), err);
	if (r < 0)
		return r;
	r = run_checks(&d, err);
	if (r == 0)
		r = jx_set(out, "bad", json_integer(d.bad), err);
	if (r == 0)
		r = jx_set(out, "warned", json_integer(d.warned), err);
	if (r < 0)
		return r;
	if (verb_cancelled(app))
		return err_set(err, ERR_CANCELLED, "doctor was interrupted");
	if (d.bad && d.first.code)
		return err_set(err, d.first.code, "%d of %d checks failed, the first: %s",
			       d.bad, d.bad + d.warned + d.oks, d.first.text);
	if (d.bad)
		return err_set(err, ERR_INCOMPLETE, "%d of %d checks failed", d.bad,
			       d.bad + d.warned + d.oks);
	return 0;
}
