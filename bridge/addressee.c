#include "bridge/addressee.h"

#include <stdio.h>

#include "base/jx.h"
#include "base/str.h"
#include "model/path.h"
#include "model/snapshot.h"
#include "net/mail.h"
#include "store/records.h"
#include "store/sources.h"

/* A value and the rank of the source that said it: a smaller one takes its place. */
struct found {
	char *at;
	size_t room;
	int rank;
};

#define CALLED_BYTES 4096 /* a DN may be long */

enum { FIRST_NAME, LANGUAGE, ZONE, MANAGER, SPONSOR, FOUND_COUNT };

struct search {
	struct db *db;
	struct addressee *ret;
	struct found v[FOUND_COUNT];
	int64_t manager_source, sponsor_source;
	char manager[CALLED_BYTES], sponsor[CALLED_BYTES]; /* what records call them */
};

static bool keep(struct search *s, int which, int rank, const char *text)
{
	struct found *f = &s->v[which];

	if (!text || !*text || strlen(text) >= f->room || (f->at[0] && f->rank <= rank))
		return false;
	(void)snprintf(f->at, f->room, "%s", text);
	f->rank = rank;
	return true;
}

/* "manager" is an object with a value, or (from directories) the value itself. */
static const char *manager_of(const json_t *doc)
{
	const json_t *m = json_object_get(json_object_get(doc, SCHEMA_ENTERPRISE), "manager");

	return json_is_string(m) ? json_string_value(m) : jx_get_text(m, "value");
}

static int record_look(void *ctx, const struct record *row, struct err *err)
{
	CLEANUP(source_row_done) struct source_row source = { 0 };
	CLEANUP(json_decref_at) json_t *doc = NULL;
	const json_t *employment;
	struct search *s = ctx;
	int r;

	if (row->deleted || row->gone)
		return 0;
	r = sources_by_id(s->db, row->source, &source, err);
	if (r != 0 || source.state == SOURCE_RETIRED)
		return r < 0 ? r : 0;
	r = jx_parse(row->doc, JX_LENIENT, &doc, err);
	if (r < 0)
		return r == -ERR_NOMEM ? r : 0;
	employment = json_object_get(doc, SCHEMA_EMPLOYMENT);
	(void)keep(s, FIRST_NAME, source.rank,
		   jx_get_text(json_object_get(doc, "name"), "givenName"));
	if (!keep(s, LANGUAGE, source.rank, jx_get_text(doc, "preferredLanguage")))
		(void)keep(s, LANGUAGE, source.rank, jx_get_text(doc, "locale"));
	if (!keep(s, ZONE, source.rank, jx_get_text(employment, "timeZone")))
		(void)keep(s, ZONE, source.rank, jx_get_text(doc, "timezone"));
	if (keep(s, MANAGER, source.rank, manager_of(doc)))
		s->manager_source = row->source;
	if (keep(s, SPONSOR, source.rank, jx_get_text(employment, "sponsor")))
		s->sponsor_source = row->source;
	return 0;
}

/* --- what a record calls somebody, to their address ----------------------------------------
 */

static int address_of(const struct record *row, char ret[ADDRESSEE_BYTES], struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	const char *best = NULL;
	const json_t *mails, *one;
	size_t i;
	int r;

	ret[0] = '\0';
	if (row->deleted || row->gone || row->active == TRI_NO)
		return 0;
	r = jx_parse(row->doc, JX_LENIENT, &doc, err);
	if (r < 0) /* nobody is told of a record that is none; lost memory is */
		return r == -ERR_NOMEM ? r : 0;
	mails = json_object_get(doc, "emails");
	json_array_foreach ((json_t *)(uintptr_t)mails, i, one)
		if (!best || json_is_true(json_object_get(one, "primary")))
			best = jx_get_text(one, "value");
	if (!best)
		best = jx_get_text(doc, "userName");
	if (best && mail_address_ok(str_of(best)))
		(void)snprintf(ret, ADDRESSEE_BYTES, "%s", best);
	return 0;
}

/* The only live record of a source that is called so. */
struct called {
	int64_t source;
	char address[ADDRESSEE_BYTES];
	int count;
};

static int called_look(void *ctx, const struct record *row, struct err *err)
{
	struct called *c = ctx;

	if (row->source != c->source || row->deleted || row->gone)
		return 0;
	c->count++;
	return address_of(row, c->address, err);
}

/* An id, external id, DN or name of the same source becomes an address, or nothing. */
static int resolve(struct db *db, int64_t source, const char *at, char ret[ADDRESSEE_BYTES],
		   struct err *err)
{
	CLEANUP(free_at) char *folded = NULL;
	struct called c = { .source = source };
	struct record row = { 0 };
	size_t len = 0;
	int r;

	if (!at[0])
		return 0;
	r = records_get(db, source, str_of(at), &row, err);
	if (r == 0)
		r = called_look(&c, &row, err);
	else if (r == STORE_NOT_FOUND)
		r = records_by_external_id(db, source, str_of(at), called_look, &c, err);
	record_done(&row);
	if (r >= 0 && c.count == 0)
		r = records_by_name(db, source, facts_name(str_of(at)), called_look, &c, err);
	if (r >= 0 && c.count == 0) {
		r = str_fold(str_of(at), &folded, &len, err);
		if (r == 0)
			r = records_by_address(db, str_n(folded, len), called_look, &c, err);
		else if (r == -ERR_INVALID_VALUE)
			r = 0;
	}
	if (r < 0)
		return r;
	/* an address may be of somebody whom this source does not have */
	if (c.count == 0 && strlen(at) < ADDRESSEE_BYTES && mail_address_ok(str_of(at)))
		(void)snprintf(c.address, sizeof(c.address), "%s", at);
	if (c.count <= 1)
		(void)snprintf(ret, ADDRESSEE_BYTES, "%s", c.address);
	return 0;
}

int addressee_find(struct db *db, int64_t person, struct addressee *ret, struct err *err)
{
	struct search s = {
		.db = db,
		.ret = ret,
		.v = {
			[FIRST_NAME] = { ret->first_name, sizeof(ret->first_name), 0 },
			[LANGUAGE] = { ret->language, sizeof(ret->language), 0 },
			[ZONE] = { ret->zone, sizeof(ret->zone), 0 },
			[MANAGER] = { s.manager, sizeof(s.manager), 0 },
			[SPONSOR] = { s.sponsor, sizeof(s.sponsor), 0 },
		},
	};
	int r;

	*ret = (struct addressee){ 0 };
	if (!person)
		return 0;
	r = records_of_person(db, person, record_look, &s, err);
	if (r >= 0)
		r = resolve(db, s.manager_source, s.manager, ret->manager, err);
	if (r >= 0)
		r = resolve(db, s.sponsor_source, s.sponsor, ret->sponsor, err);
	return r < 0 ? r : 0;
}
