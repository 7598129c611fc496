#include <inttypes.h>
#include <stdlib.h>

#include "base/stamp.h"
#include "ldap/dn.h"
#include "ldap/session.h"
#include "ldap/source.h"

/* One attempt at a read. */
struct reading {
	const struct dir_options *o;
	const struct dir_sink *sink;
	struct dir_verdict *verdict;
	struct dir_session session;
	struct dir_memory *memory; /* who was seen, and as what */
	char **canary_keys;        /* by number; NULL where it was not found */
	struct buf dn;
	int64_t now_ms;
	bool begun;
	bool ours; /* the fault is not the directory's */
};

static void reading_done(struct reading *rd)
{
	for (size_t i = 0; rd->canary_keys && i < rd->o->canaries.n; i++)
		free(rd->canary_keys[i]);
	free(rd->canary_keys);
	buf_done(&rd->dn);
	dir_session_done(&rd->session);
}

/* --- one entry -----------------------------------------------------------------------------
 */

static int person_give(struct reading *rd, const struct dir_mapped *mapped, struct err *err)
{
	struct dir_person person = {
		.key = mapped->key,
		.dn = rd->dn.p ? rd->dn.p : "",
		.doc = mapped->map.text,
		.unknown = mapped->map.unknown,
		.unknown_n = mapped->map.unknown_n,
		.status = &mapped->status,
	};
	int r = rd->sink->person(rd->sink->ctx, &person, err);

	rd->ours = r < 0;
	rd->verdict->entries++;
	rd->verdict->states[mapped->status.state]++;
	return r < 0 ? r : 0;
}

static bool tombstone(const struct dir_entry *e)
{
	struct str raw;
	bool deleted;

	return dir_entry_first(e, "isDeleted", &raw) && dir_flag(raw, &deleted) && deleted;
}

static int branch_count(struct reading *rd, const struct dir_entry *e,
			struct dir_memory_row *row, struct err *err)
{
	int r;

	buf_clear(&rd->dn);
	r = dir_dn_normal(e->dn, &rd->dn, err);
	if (r == -ERR_INVALID_VALUE)
		return err_context(err, -ERR_PROTOCOL, "an entry's name");
	if (r < 0)
		return r;
	return dir_memory_branch(rd->memory, row, dir_dn_parent(buf_str(&rd->dn)), err);
}

static int entry_take(struct reading *rd, const struct dir_entry *e, struct dir_memory_row *row,
		      struct err *err)
{
	struct dir_mapped mapped;
	int r = dir_mapping_apply(rd->session.mapping, e, rd->now_ms, &mapped, err);

	if (r < 0)
		return r;
	row->state = mapped.status.state & 0x7f;
	row->timed = mapped.status.expires_ms != STAMP_NEVER;
	r = branch_count(rd, e, row, err);
	if (r == 0)
		r = person_give(rd, &mapped, err);
	dir_mapped_done(&mapped);
	return r;
}

/* The same bytes as in the last read: only counted. */
static int entry_again(struct reading *rd, const struct dir_entry *e,
		       const struct dir_memory_row *row, struct err *err)
{
	int r;

	dir_mapping_count(rd->session.mapping, e);
	dir_memory_branch_again(rd->memory, row);
	rd->verdict->entries++;
	rd->verdict->states[row->state]++;
	r = rd->sink->same(rd->sink->ctx, row->mark, err);
	rd->ours = r < 0;
	return r < 0 ? r : 0;
}

static int on_entry(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct reading *rd = ctx;
	struct dir_memory_row *row;
	char key[DIR_ID_BYTES];
	int r;

	if (dir_trait(rd->session.dse.kind)->tombstones && tombstone(e)) {
		rd->verdict->deleted++;
		return 0;
	}
	r = dir_mapping_key_of(rd->session.mapping, e, key, err);
	if (r < 0)
		return r;
	r = dir_memory_see(rd->memory, str_of(key), e, &row);
	if (r < 0)
		return err_nomem(err);
	if (r == DIR_MEMORY_TWICE) {
		rd->verdict->twice++;
		return DIR_SEEN_BEFORE;
	}
	if (r == DIR_MEMORY_OTHER)
		return err_set(
			err, ERR_BUSY,
			"an entry came twice and had changed in between: the directory was "
			"being rebuilt while it was read");
	if (r == DIR_MEMORY_KNOWN && rd->sink->same)
		return entry_again(rd, e, row, err);
	return entry_take(rd, e, row, err);
}

/* --- the verdict ---------------------------------------------------------------------------
 */

static int copy(const char *text, char **ret, struct err *err)
{
	if (!text)
		return 0;
	*ret = str_dup(str_of(text));
	return *ret ? 0 : err_nomem(err);
}

static int verdict_identity(struct reading *rd, struct err *err)
{
	struct dir_verdict *v = rd->verdict;
	struct dir_session *s = &rd->session;
	int r = copy(dir_conn_uri(s->conn), &v->uri, err);

	v->kind = s->dse.kind;
	memcpy(v->question, s->question, sizeof(v->question));
	if (r == 0)
		r = copy(s->dse.vendor, &v->vendor, err);
	if (r == 0)
		r = copy(s->dse.server_id, &v->server_id, err);
	if (r == 0)
		r = copy(s->base_id, &v->base_id, err);
	if (r == 0)
		r = copy(s->who, &v->who, err);
	v->waters = s->dse.waters;
	s->dse.waters = (struct dir_waters){ 0 };
	return r;
}

/* The server's own count says nothing where we did not count by places ourselves. */
static int verdict_count(struct reading *rd, struct err *err)
{
	struct dir_verdict *v = rd->verdict;
	int r;

	if (!rd->session.own_count || (v->entries && !v->branches.n))
		return 0;
	v->own_count = rd->session.own_count;
	buf_clear(&rd->dn);
	r = dir_dn_normal(str_of(rd->o->base), &rd->dn, err);
	for (size_t i = 0; r == 0 && i < v->branches.n; i++)
		if (str_eq(str_of(v->branches.v[i].dn), buf_str(&rd->dn)))
			v->own_shown = v->branches.v[i].entries;
	return r;
}

/* A canary counts when it came in the read itself, not only when asked for by name. */
static void verdict_canaries(struct reading *rd)
{
	struct dir_canaries *list = &rd->verdict->canaries;

	for (size_t i = 0; i < list->n && rd->canary_keys; i++)
		list->v[i].seen = rd->canary_keys[i] &&
				  dir_memory_saw(rd->memory, str_of(rd->canary_keys[i]));
}

static int canary_keep(void *ctx, size_t number, const char *key, struct err *err)
{
	struct reading *rd = ctx;

	return copy(key, &rd->canary_keys[number], err);
}

/* --- one attempt ---------------------------------------------------------------------------
 */

/* All that decides what the bytes of an entry come to, but for the time. */
static int memory_begin(struct reading *rd, struct err *err)
{
	CLEANUP(buf_done) struct buf text = { 0 };
	struct dir_session *s = &rd->session;
	int r;

	buf_init(&text, 2 << 20);
	buf_addf(&text, "%s\nkind %d\nbase %s\n", s->question, (int)s->dse.kind,
		 s->base_id ? s->base_id : "");
	dir_mapping_hidden(s->mapping, &text);
	r = buf_fault(&text, err, "the question to the directory");
	if (r == 0)
		dir_memory_begin(rd->memory, buf_str(&text));
	return r;
}

static int begin(struct reading *rd, int attempt, struct err *err)
{
	CLEANUP(dir_attr_stats_free) struct dir_attr_stats stats = { 0 };
	struct dir_begin b = { .attempt = attempt,
			       .kind = rd->session.dse.kind,
			       .base_id = rd->session.base_id,
			       .attrs = &stats };
	int r = dir_mapping_stats(rd->session.mapping, &stats, err);

	if (r < 0)
		return r;
	r = rd->sink->begin(rd->sink->ctx, &b, err);
	rd->ours = r < 0;
	rd->begun = r >= 0;
	return r < 0 ? r : 0;
}

static int attempt_read(struct reading *rd, int attempt, struct err *err)
{
	struct dir_session *s = &rd->session;
	struct dir_query q;
	struct dir_found found = { 0 };
	int r;

	rd->canary_keys = calloc(rd->o->canaries.n + 1, sizeof(*rd->canary_keys));
	if (!rd->canary_keys)
		return err_nomem(err);
	r = verdict_identity(rd, err);
	if (r == 0)
		r = dir_session_canaries(s, &rd->verdict->canaries, canary_keep, rd, err);
	if (r == 0)
		r = begin(rd, attempt, err);
	if (r == 0)
		r = memory_begin(rd, err);
	if (r < 0)
		return r;
	q = dir_session_people(s);
	r = dir_search(s->conn, &q, on_entry, rd, &found, err);
	rd->verdict->pages = found.pages;
	verdict_canaries(rd);
	if (r == 0)
		r = dir_mapping_stats(s->mapping, &rd->verdict->attrs, err);
	if (r == 0)
		r = dir_memory_branches(rd->memory, &rd->verdict->branches, err);
	if (r == 0)
		r = verdict_count(rd, err);
	if (r == 0)
		dir_memory_end(rd->memory);
	return r;
}

/* Whether the same again, from page one over another connection, may fare better. */
static bool worth_again(int r)
{
	return r == -ERR_NETWORK || r == -ERR_TIMEOUT || r == -ERR_UNAVAILABLE ||
	       r == -ERR_BUSY;
}

static bool our_fault(const struct reading *rd, int r)
{
	return rd->ours || r == -ERR_NOMEM || r == -ERR_CANCELLED || r == -ERR_INTERNAL;
}

static void verdict_clear(struct dir_verdict *v)
{
	int64_t started = v->started_ms;

	dir_verdict_done(v);
	v->started_ms = started;
}

/* What one attempt came to: its verdict is in *verdict; below zero only a fault of ours. */
static int attempt_one(struct reading *rd, const struct secret *password, size_t first,
		       int attempt, int64_t deadline_ms, const atomic_bool *cancel,
		       struct err *err)
{
	struct err fault = { 0 };
	int r;

	verdict_clear(rd->verdict);
	buf_init(&rd->dn, 4 * DIR_DN_MAX_BYTES);
	rd->now_ms = stamp_now_ms();
	r = dir_session_open(&rd->session, rd->o, password, first, deadline_ms, cancel, &fault);
	if (r == 0)
		r = attempt_read(rd, attempt, &fault);
	rd->verdict->attempts = attempt;
	rd->verdict->complete = r == 0;
	rd->verdict->code = r < 0 ? -r : 0;
	if (r < 0)
		memcpy(rd->verdict->why, fault.text, sizeof(fault.text));
	if (r < 0 && our_fault(rd, r)) {
		if (err)
			*err = fault;
		return r;
	}
	return 0;
}

static int read_all(const struct dir_options *o, const struct secret *password,
		    const struct dir_sink *sink, struct dir_memory *memory,
		    const atomic_bool *cancel, struct dir_verdict *ret, struct err *err)
{
	int64_t began_ms = stamp_mono_ms(), deadline_ms = began_ms + o->read_timeout_ms;
	size_t first = 0;
	bool begun = false;
	int r = 0;

	ret->started_ms = stamp_now_ms();
	for (int attempt = 1; attempt == 1 || attempt <= o->attempts; attempt++) {
		struct reading rd = { .o = o, .sink = sink, .verdict = ret, .memory = memory };
		bool connected;

		r = attempt_one(&rd, password, first, attempt, deadline_ms, cancel, err);
		connected = rd.session.conn != NULL;
		if (connected)
			first = dir_conn_uri_number(rd.session.conn) + 1;
		begun |= rd.begun;
		reading_done(&rd);
		ret->duration_ms = stamp_mono_ms() - began_ms;
		/* all URLs were tried when none let us in: the next round tries again */
		if (r < 0 || ret->complete || !connected || !worth_again(-ret->code))
			break;
	}
	if (r == 0 && begun)
		r = sink->end(sink->ctx, ret, err);
	return r < 0 ? r : 0;
}

int dir_read(const struct dir_options *o, const struct secret *password,
	     const struct dir_sink *sink, struct dir_memory *memory, const atomic_bool *cancel,
	     struct dir_verdict *ret, struct err *err)
{
	CLEANUP(dir_memory_free_at) struct dir_memory *own = NULL;
	int r = memory ? 0 : dir_memory_new(&own, err);

	return r < 0 ? r : read_all(o, password, sink, memory ? memory : own, cancel, ret, err);
}
