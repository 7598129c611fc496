#include <inttypes.h>
#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/stamp.h"
#include "ldap/clock.h"
#include "ldap/login.h"
#include "ldap/schema.h"
#include "ldap/session.h"
#include "ldap/source.h"
#include "ldap/watch.h"

#define SAMPLE 100
#define CLOCKS_APART_MS STAMP_MINUTE_MS

struct prober {
	struct dir_session session;
	struct dir_probe *probe;
	int64_t now_ms;
	uint64_t odd; /* entries that could not be mapped */
	struct dir_schema schema;
};

static int text_add(struct dir_paths *into, char *text, struct err *err)
{
	if (text && dir_paths_add(into, text) == 0)
		return 0;
	free(text);
	return err_nomem(err);
}

static int note(struct prober *p, struct err *err, const char *format, ...) PRINTF(3, 4);
static int note(struct prober *p, struct err *err, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return text_add(&p->probe->notes, text, err);
}

static int copy(const char *text, char **ret, struct err *err)
{
	if (!text)
		return 0;
	*ret = str_dup(str_of(text));
	return *ret ? 0 : err_nomem(err);
}

static int facts(struct prober *p, struct err *err)
{
	struct dir_session *s = &p->session;
	int r = copy(dir_conn_uri(s->conn), &p->probe->uri, err);

	p->probe->kind = s->dse.kind;
	memcpy(p->probe->why, s->dse.why, sizeof(p->probe->why));
	p->probe->paged = s->dse.paged;
	p->probe->strategy = dir_strategy_choose(&s->dse, s->o->delta, p->probe->strategy_why);
	if (r == 0)
		r = copy(dir_conn_tls(s->conn), &p->probe->tls, err);
	if (r == 0)
		r = copy(s->dse.vendor, &p->probe->vendor, err);
	if (r == 0)
		r = copy(s->who, &p->probe->who, err);
	if (r == 0)
		r = copy(s->base_id, &p->probe->base_id, err);
	return r;
}

/* --- the server's schema, and what it leaves of the ways ------------------------------------
 */

static int schema_ask(struct prober *p, struct err *err)
{
	char *const *names = dir_mapping_names(p->session.mapping);
	bool ordered;
	int r = 0;

	for (size_t i = 0; r == 0 && names[i]; i++)
		r = dir_schema_ask(&p->schema, names[i], err);
	for (int i = 0; r == 0 && i < DIR_STRATEGY_COUNT; i++) {
		const char *attr =
			dir_strategy_attr((enum dir_strategy)i, p->session.dse.kind, &ordered);

		r = attr ? dir_schema_ask(&p->schema, attr, err) : 0;
	}
	return r;
}

static bool is_known(const struct prober *p, const char *name)
{
	const struct dir_schema_row *row = dir_schema_find(&p->schema, name);

	return row && row->known;
}

static int schema_look(struct prober *p, struct err *err)
{
	char *const *names = dir_mapping_names(p->session.mapping);
	int r = schema_ask(p, err);

	if (r == 0)
		r = dir_schema_read(&p->session, &p->schema, err);
	if (r == 0 && !p->schema.seen)
		return note(p, err,
			    "the server does not show its schema: misspelt attributes in map "
			    "cannot be told from unset ones");
	for (size_t i = 0; names[i] && r == 0; i++)
		if (!is_known(p, names[i]))
			r = text_add(&p->probe->unheard, str_dup(str_of(names[i])), err);
	p->probe->strategy = dir_strategy_judge(&p->session.dse, &p->schema,
						p->session.o->delta, p->probe->strategy_why);
	return r;
}

static const char *index_says(enum tri indexed)
{
	return indexed == TRI_YES  ? "an index"
	       : indexed == TRI_NO ? "no index, so that the server looks at everybody"
				   : "an index of which the server tells us nothing";
}

static const char *order_says(const struct dir_schema_row *row)
{
	return row->ordering   ? "an ordering rule"
	       : row->equality ? "no ordering rule"
			       : "an order that the schema says nothing of";
}

/* One way: whether it is offered, and what is known of the attribute that it goes by. */
static int way_look(struct prober *p, enum dir_strategy way, struct err *err)
{
	struct dir_session *s = &p->session;
	CLEANUP(buf_done) struct buf text;
	struct dir_schema_row *row = NULL;
	char room[160];
	const char *lacks = dir_strategy_lacks(&s->dse, &p->schema, way, room), *attr;
	bool ordered;
	int r = 0;

	buf_init(&text, 1024);
	attr = dir_strategy_attr(way, s->dse.kind, &ordered);
	for (size_t i = 0; !lacks && attr && i < p->schema.rows.n; i++)
		if (p->schema.rows.v[i].known && strcmp(p->schema.rows.v[i].name, attr) == 0)
			row = &p->schema.rows.v[i];
	buf_addf(&text, "%s: %s", dir_strategy_traits[way].word,
		 lacks ? lacks : "can be asked");
	if (row)
		r = dir_schema_index(s, row, err);
	if (r == 0 && row)
		buf_addf(&text, "; %s has %s and %s", attr, order_says(row),
			 index_says(row->indexed));
	return r < 0 ? r : text_add(&p->probe->ways, buf_take(&text, NULL), err);
}

static int ways_look(struct prober *p, struct err *err)
{
	int r = 0;

	for (int i = DIR_STAMP; r == 0 && i < DIR_STRATEGY_COUNT; i++)
		r = way_look(p, (enum dir_strategy)i, err);
	return r;
}

/* --- a sample ------------------------------------------------------------------------------
 */

enum { ENOUGH = -ERR_LIMIT };

static int sample_entry(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct prober *p = ctx;
	struct dir_mapped mapped;
	int r = dir_mapping_apply(p->session.mapping, e, p->now_ms, &mapped, err);

	if (r == -ERR_NOMEM)
		return r;
	if (r < 0)
		p->odd++;
	else
		dir_mapped_done(&mapped);
	p->probe->sampled++;
	return p->probe->sampled < SAMPLE ? 0 : ENOUGH;
}

static int sample(struct prober *p, struct err *err)
{
	struct dir_query q = dir_session_people(&p->session);
	struct dir_found found;
	struct err e = { 0 };
	int r;

	if (q.page_size > SAMPLE)
		q.page_size = SAMPLE;
	dir_mapping_reset(p->session.mapping);
	r = dir_search(p->session.conn, &q, sample_entry, p, &found, &e);
	if (r < 0 && !(r == ENOUGH && p->probe->sampled == SAMPLE)) {
		if (err)
			*err = e;
		return r;
	}
	r = dir_mapping_stats(p->session.mapping, &p->probe->attrs, err);
	if (r == 0 && p->odd)
		r = note(p, err, "%" PRIu64 " of %" PRIu64 " entries have no readable %s",
			 p->odd, p->probe->sampled, dir_mapping_key(p->session.mapping));
	if (r == 0 && !p->probe->sampled)
		r = note(
			p, err,
			"nobody below the base matches the filter, or the bind account may not "
			"see them");
	return r;
}

/* Which login signals there are, and how late they come. */
static int login_notes(struct prober *p, struct err *err)
{
	enum dir_kind kind = p->session.dse.kind;
	bool any = false;
	int r = 0;

	for (const struct dir_login *l = dir_logins; l->attr && r == 0; l++) {
		if (!dir_login_of(l, kind))
			continue;
		any = true;
		r = l->lag_days ? note(p, err,
				       "logins come from %s, which is up to %d days late: they "
				       "are added",
				       l->attr, l->lag_days)
				: note(p, err, "logins come from %s", l->attr);
	}
	return r < 0 || any
		       ? r
		       : note(p, err, "logins: no attribute of %s is known that tells them",
			      dir_trait(kind)->title);
}

/* Whether `live:` would be of use here, and by which way. */
static int live_note(struct prober *p, struct err *err)
{
	enum dir_watch_way way;
	char why[160];

	if (p->probe->strategy == DIR_FULL)
		return note(p, err, "live: nothing is told where there are full reads only");
	if (dir_watch_choose(&p->session.dse, &way, why) != 0)
		return note(p, err, "live: changes are not told as they happen: %s", why);
	return note(p, err, "live: changes are told by %s: %s", dir_watch_titles[way], why);
}

static int clock_note(struct prober *p, struct err *err)
{
	int64_t theirs_ms = 0, apart_ms;
	int r = dir_clock_read(&p->session, &theirs_ms, err);

	apart_ms = theirs_ms - stamp_now_ms();
	if (r < 0 || !theirs_ms || llabs(apart_ms) < CLOCKS_APART_MS)
		return r;
	return note(p, err,
		    "the server's clock is %" PRId64 " s %s this machine's: set both by NTP "
		    "(Kerberos refuses 300 s, and end dates are judged by this machine's)",
		    (int64_t)(llabs(apart_ms) / STAMP_SECOND_MS),
		    apart_ms > 0 ? "ahead of" : "behind");
}

int dir_probe(const struct dir_options *o, const struct secret *password,
	      const atomic_bool *cancel, struct dir_probe *ret, struct err *err)
{
	struct prober p = { .probe = ret, .now_ms = stamp_now_ms() };
	int r = dir_session_open(&p.session, o, password, 0,
				 stamp_mono_ms() + o->read_timeout_ms, cancel, err);

	if (p.session.conn && p.session.filter) {
		struct err e;
		int f = facts(&p, r == 0 ? err : &e);

		if (r == 0)
			r = f;
	}
	if (r == 0 && !ret->paged)
		r = note(&p, err, "the server does not offer paged results%s",
			 o->allow_unpaged ? "" : ": allow_unpaged reads without");
	if (r == 0)
		r = schema_look(&p, err);
	if (r == 0)
		r = dir_session_canaries(&p.session, &ret->canaries, NULL, NULL, err);
	if (r == 0)
		r = sample(&p, err);
	if (r == 0)
		r = ways_look(&p, err);
	if (r == 0)
		r = dir_rights_look(&p.session, &ret->attrs, ret->sampled, &ret->rights, err);
	if (r == 0)
		r = clock_note(&p, err);
	if (r == 0 && o->logins)
		r = login_notes(&p, err);
	if (r == 0 && o->live)
		r = live_note(&p, err);
	dir_schema_done(&p.schema);
	dir_session_done(&p.session);
	return r;
}

static void paths_free(struct dir_paths *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->v[i]);
	dir_paths_done(p);
}

void dir_probe_done(struct dir_probe *p)
{
	if (!p)
		return;
	free(p->uri);
	free(p->tls);
	free(p->vendor);
	free(p->who);
	free(p->base_id);
	dir_attr_stats_free(&p->attrs);
	dir_canaries_free(&p->canaries);
	paths_free(&p->unheard);
	paths_free(&p->notes);
	paths_free(&p->ways);
	dir_rights_free(&p->rights);
	*p = (struct dir_probe){ 0 };
}
