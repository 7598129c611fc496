/*
 * Watermarks: an attribute of each entry that only grows on its server. What is at or above the
 * last one is looked at again; who left shows in the sweep of the ids alone.
 */
#include "ldap/delta.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/stamp.h"
#include "ldap/clock.h"

/* Entries that were replicated late carry old stamps, servers' clocks differ: this far back is
 * looked at again each time. */
#define OVERLAP_MS (15 * 60 * 1000LL)

struct mark {
	struct dir_changes *c;
	const char *attr;
	bool stamp; /* else a number */
	bool name;  /* whom we see */
	bool over;  /* more than are kept */
	int64_t most;
	uint64_t with;
};

static int on_marked(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct mark *m = ctx;
	struct dir_mapping *map = m->c->session->mapping;
	char key[DIR_ID_BYTES];
	struct str raw;
	int64_t at;
	int r;

	m->c->entries++;
	if (dir_entry_first(e, m->attr, &raw) &&
	    (m->stamp ? stamp_parse_generalized(raw, &at) : str_int64(raw, &at))) {
		m->with++;
		if (at > m->most)
			m->most = at;
	}
	if (!m->name)
		return 0;
	if (!dir_entry_first(e, dir_mapping_key(map), &raw) ||
	    !dir_id_text(dir_mapping_key_form(map), raw, key))
		return err_set(err, ERR_INVALID_VALUE, "a changed entry has no readable %s",
			       dir_mapping_key(map));
	r = dir_changes_name(m->c, key, err);
	m->over = r == DIR_REFUSED;
	return m->over ? -ERR_LIMIT : r;
}

static void stamp_write(int64_t ms, char ret[32])
{
	int64_t second = ms / 1000 % 86400;
	int year, month, day;

	stamp_civil(ms, &year, &month, &day);
	snprintf(ret, 32, "%04d%02d%02d%02d%02d%02dZ", year, month, day, (int)(second / 3600),
		 (int)(second / 60 % 60), (int)(second % 60));
}

/* All people, or those at or above a mark. DIR_REFUSED when those are too many. */
static int marked_read(struct mark *m, bool all, int64_t from, struct err *err)
{
	struct dir_session *s = m->c->session;
	const char *attrs[3] = { dir_mapping_key(s->mapping), m->attr, NULL };
	CLEANUP(buf_done) struct buf filter = { 0 };
	struct dir_query q = dir_session_people(s);
	struct dir_found found;
	char text[32];
	int r;

	buf_init(&filter, 2 * DIR_VALUE_MAX_BYTES);
	if (m->stamp)
		stamp_write(from, text);
	else
		snprintf(text, sizeof(text), "%" PRId64, from);
	if (all)
		buf_add_text(&filter, q.filter);
	else
		buf_addf(&filter, "(&%s(%s>=%s))", q.filter, m->attr, text);
	r = buf_fault(&filter, err, "the filter for what changed");
	if (r < 0)
		return r;
	q.filter = filter.p;
	q.attrs = (char *const *)(uintptr_t)attrs;
	r = dir_search(s->conn, &q, on_marked, m, &found, err);
	return m->over ? DIR_REFUSED : r;
}

static int number_next(struct dir_changes *c, int64_t n, struct err *err)
{
	buf_addf(&c->next, "%" PRId64, n);
	return buf_fault(&c->next, err, "the mark");
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/*
 * Clocks differ and are set back, and a mark that lies ahead of them would leave out what is
 * stamped below it for as long as that lasts. So a mark is never ahead of a clock, and stamps
 * of a server that is behind us are asked for from as much earlier: what was stamped before it
 * was set back is asked for again, and nothing is left out. Where the server does not tell its
 * time, one that is set back by more than the overlap is found by full reads alone.
 */
int dir_changes_stamp(struct dir_changes *c, struct err *err)
{
	bool ad = dir_trait(c->session->dse.kind)->tombstones;
	struct mark m = { .c = c,
			  /* AD computes modifyTimestamp, and cannot filter by it */
			  .attr = ad ? "whenChanged" : "modifyTimestamp",
			  .stamp = true,
			  .name = c->at.p != NULL };
	int64_t before = 0, now_ms = stamp_now_ms(), theirs_ms = 0, earliest_ms, from_ms;
	int r;

	if (c->at.p && (!str_int64(c->at, &before) || before < OVERLAP_MS)) {
		(void)!err_set(err, ERR_INVALID_VALUE, "the kept stamp is damaged");
		return DIR_REFUSED;
	}
	if (before > now_ms) {
		(void)!err_set(err, ERR_INVALID_VALUE,
			       "the kept stamp lies %" PRId64
			       " s ahead of this machine's clock: a clock was set back",
			       (before - now_ms + 999) / 1000);
		return DIR_REFUSED;
	}
	r = dir_clock_read(c->session, &theirs_ms, err);
	if (r < 0)
		return r;
	earliest_ms = theirs_ms ? least(theirs_ms, now_ms) : now_ms;
	from_ms = before - OVERLAP_MS - (now_ms - earliest_ms);
	m.most = before;
	r = marked_read(&m, !c->at.p, from_ms > 0 ? from_ms : 0, err);
	if (r != 0)
		return r;
	if (!c->at.p && !m.with) {
		(void)!err_set(err, ERR_NOT_SUPPORTED, "nobody shows a readable %s", m.attr);
		return DIR_REFUSED;
	}
	return number_next(c, least(m.most, earliest_ms), err);
}

static bool water(const struct dir_rootdse *dse, const char *prefix, int64_t *ret)
{
	for (size_t i = 0; i < dse->waters.n; i++)
		if (str_istarts(str_of(dse->waters.v[i].name), str_of(prefix)))
			return str_int64(str_of(dse->waters.v[i].value), ret);
	return false;
}

/*
 * The root DSE's number was read before we ask, so what changes meanwhile is seen twice and not
 * never. A number below the kept one: another server, or one put back from a backup.
 */
int dir_changes_usn(struct dir_changes *c, struct err *err)
{
	struct mark m = { .c = c, .attr = "uSNChanged", .name = c->at.p != NULL };
	int64_t before = 0, now;
	int r;

	if (!water(&c->session->dse, "usn:", &now)) {
		(void)!err_set(err, ERR_NOT_SUPPORTED, "the server shows no update number");
		return DIR_REFUSED;
	}
	if (!c->at.p)
		return number_next(c, now, err);
	if (!str_int64(c->at, &before) || now < before) {
		(void)!err_set(err, ERR_INVALID_VALUE,
			       "the server's update number is %" PRId64
			       ", below the kept %" PRId64 ": it was put back from a backup",
			       now, before);
		return DIR_REFUSED;
	}
	r = now > before ? marked_read(&m, false, before + 1, err) : 0;
	return r != 0 ? r : number_next(c, now, err);
}

/*
 * Each backend of 389 DS counts for itself and the root DSE names them all, so the mark is the
 * highest among the people. An import begins anew, with success and nobody found (trap 7): then
 * the numbers of the root DSE are lower than they were, and the kept line says so.
 */
int dir_changes_entryusn(struct dir_changes *c, struct err *err)
{
	struct mark m = { .c = c, .attr = "entryusn", .name = c->at.p != NULL };
	struct str number = c->at, waters = { 0 }, one, rest;
	int64_t before = 0;
	int r;

	if (c->at.p &&
	    (!str_cut(c->at, ' ', &number, &waters) || !str_int64(number, &before))) {
		(void)!err_set(err, ERR_INVALID_VALUE, "the kept number is damaged");
		return DIR_REFUSED;
	}
	for (rest = waters; rest.len > 0;) {
		struct str name, value;
		int64_t then, now;

		str_cut(rest, ' ', &one, &rest);
		if (!str_cut(one, '=', &name, &value) || !str_int64(value, &then))
			continue;
		CLEANUP(free_at) char *copy = str_dup(name);

		if (!copy)
			return err_nomem(err);
		if (!water(&c->session->dse, copy, &now) || now < then) {
			(void)!err_set(err, ERR_INVALID_VALUE,
				       "%.60s of the server began anew: its data were imported",
				       copy);
			return DIR_REFUSED;
		}
	}
	m.most = before;
	/* numbers are given once, and all imported entries have 0: beginning at the mark itself
	 * would name everybody after an import */
	r = marked_read(&m, !c->at.p, before + 1, err);
	if (r != 0)
		return r;
	if (!c->at.p && !m.with) {
		(void)!err_set(err, ERR_NOT_SUPPORTED, "nobody shows a readable entryusn");
		return DIR_REFUSED;
	}
	buf_addf(&c->next, "%" PRId64, m.most);
	buf_add_char(&c->next, ' ');
	for (size_t i = 0; i < c->session->dse.waters.n; i++)
		buf_addf(&c->next, "%s=%s ", c->session->dse.waters.v[i].name,
			 c->session->dse.waters.v[i].value);
	return buf_fault(&c->next, err, "the mark");
}
