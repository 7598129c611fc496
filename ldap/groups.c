#include "ldap/groups.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/stamp.h"
#include "ldap/dn.h"
#include "ldap/session.h"

#define MEMBERSHIPS_MAX 50000000U
#define PENDING_MAX_BYTES (256U << 20)
#define RANGES_MAX 4096 /* pieces of one list: at 1500 a piece, six million members */
#define ASK_MOST 500    /* strangers of our own tree that are asked about one by one */
#define AMBIGUOUS UINT32_MAX

/* A person or a group; the array's order is the order of coming. */
struct thing {
	char *key;
	uint32_t primary; /* person: number of the primary group; group: its own. 0: none */
};
VEC(things, struct thing);

/* A normal DN, or a folded uid, to a number: people from 0, groups from GROUP_BIT on. */
struct place {
	char *name;
	uint32_t at;
	UT_hash_handle hh;
};
#define GROUP_BIT 0x80000000U

VEC(numbers, uint32_t);
VEC(texts, char *);

struct group_row {
	char *name, *dn; /* as the server spells it */
	struct numbers members;
	struct texts pending; /* raw DNs that were nobody's when they came */
	uint64_t next;        /* where a range goes on; 0: it is whole */
	uint64_t strangers;
	bool listed;     /* some member attribute was shown */
	const char *why; /* not known */
};
VEC(group_rows, struct group_row);

struct walk {
	const struct dir_options *o;
	const atomic_bool *cancel;
	struct dir_session session;
	struct dir_groups_verdict *verdict;
	struct things people, groups;
	struct group_rows rows;
	struct place *dns, *uids;
	struct buf name;
	struct buf base; /* of people, in normal spelling */
	size_t pending_bytes;
	uint64_t memberships;
	bool ad;
	int asked;
	struct group_row *at; /* whose list goes on */
	bool piece;           /* it came */
};

static void places_free(struct place **map)
{
	struct place *p, *next;

	HASH_ITER (hh, *map, p, next) {
		HASH_DEL(*map, p);
		free(p->name);
		free(p);
	}
}

static void things_free(struct things *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i].key);
	things_done(t);
}

static void walk_done(struct walk *w)
{
	for (size_t i = 0; i < w->rows.n; i++) {
		struct group_row *g = &w->rows.v[i];

		free(g->name);
		free(g->dn);
		for (size_t k = 0; k < g->pending.n; k++)
			free(g->pending.v[k]);
		texts_done(&g->pending);
		numbers_done(&g->members);
	}
	group_rows_done(&w->rows);
	things_free(&w->people);
	things_free(&w->groups);
	places_free(&w->dns);
	places_free(&w->uids);
	buf_done(&w->name);
	buf_done(&w->base);
	dir_session_done(&w->session);
}

/* --- names ---------------------------------------------------------------------------------
 */

/* Keeps name -> at; a name that two have is AMBIGUOUS. */
static int place_add(struct place **map, struct str name, uint32_t at, struct err *err)
{
	struct place *p;

	HASH_FIND(hh, *map, name.p, name.len, p);
	if (p) {
		p->at = AMBIGUOUS;
		return 0;
	}
	p = calloc(1, sizeof(*p));
	if (!p || !(p->name = str_dup(name))) {
		free(p);
		return err_nomem(err);
	}
	p->at = at;
	HASH_ADD_KEYPTR(hh, *map, p->name, name.len, p);
	if (MAP_ADDED(p))
		return 0;
	free(p->name);
	free(p);
	return err_nomem(err);
}

static bool place_find(struct place *map, struct str name, uint32_t *ret)
{
	struct place *p;

	HASH_FIND(hh, map, name.p, name.len, p);
	if (p)
		*ret = p->at;
	return p != NULL;
}

/* uniqueMember may carry a unique identifier behind the name: dn#'0101'B (RFC 4517 3.3.21). */
static struct str without_uid(struct str dn)
{
	size_t at = dn.len;

	if (dn.len < 4 || dn.p[dn.len - 1] != 'B' || dn.p[dn.len - 2] != '\'')
		return dn;
	for (at = dn.len - 2; at > 0 && (dn.p[at - 1] == '0' || dn.p[at - 1] == '1'); at--)
		;
	return at >= 2 && dn.p[at - 1] == '\'' && dn.p[at - 2] == '#' ? str_n(dn.p, at - 2)
								      : dn;
}

/* 0 with w->name normal; 1 when it is no name. */
static int normal(struct walk *w, struct str dn, struct err *err)
{
	struct err e;
	int r;

	buf_clear(&w->name);
	r = dir_dn_normal(dn, &w->name, &e);
	if (r == -ERR_NOMEM)
		return err_nomem(err);
	return r < 0 ? 1 : 0;
}

/* --- people --------------------------------------------------------------------------------
 */

/* The last number of an objectSid is the group's own; a person's primaryGroupID names it. */
static uint32_t primary_of(const struct walk *w, const struct dir_entry *e, bool group)
{
	struct str raw;
	uint32_t n;

	if (w->ad && group) {
		const unsigned char *p;

		if (!dir_entry_first(e, "objectSid", &raw) || raw.len < 12)
			return 0;
		p = (const unsigned char *)raw.p + raw.len - 4;
		return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
		       (uint32_t)p[3] << 24;
	}
	if (!dir_entry_first(e, w->ad ? "primaryGroupID" : "gidNumber", &raw) ||
	    !dir_bits(raw, &n))
		return 0;
	return n;
}

static bool is_deleted(const struct dir_entry *e)
{
	struct str raw;
	bool deleted;

	return dir_entry_first(e, "isDeleted", &raw) && dir_flag(raw, &deleted) && deleted;
}

static int on_person(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct walk *w = ctx;
	CLEANUP(free_at) char *folded = NULL;
	struct thing t = { .primary = primary_of(w, e, false) };
	uint32_t at = (uint32_t)w->people.n;
	char key[DIR_ID_BYTES];
	struct str raw;
	size_t len;
	int r;

	if (is_deleted(e))
		return 0;
	if (!dir_entry_first(e, dir_mapping_key(w->session.mapping), &raw) ||
	    !dir_id_text(dir_mapping_key_form(w->session.mapping), raw, key))
		return err_set(err, ERR_INVALID_VALUE, "a person without a readable %s",
			       dir_mapping_key(w->session.mapping));
	t.key = str_dup(str_of(key));
	if (!t.key || things_add(&w->people, t) < 0) {
		free(t.key);
		return err_nomem(err);
	}
	r = normal(w, e->dn, err);
	if (r == 0)
		r = place_add(&w->dns, buf_str(&w->name), at, err);
	if (r >= 0 && !w->ad && dir_entry_first(e, "uid", &raw) && dir_text_ok(raw)) {
		r = str_fold(raw, &folded, &len, err);
		if (r == 0)
			r = place_add(&w->uids, str_n(folded, len), at, err);
	}
	return r < 0 ? r : 0;
}

static int people_read(struct walk *w, struct err *err)
{
	const char *attrs[5] = { dir_mapping_key(w->session.mapping),
				 w->ad ? "primaryGroupID" : "gidNumber",
				 w->ad ? "isDeleted" : "uid", NULL };
	struct dir_query q = dir_session_people(&w->session);
	struct dir_found found;

	q.attrs = (char *const *)(uintptr_t)attrs;
	return dir_search(w->session.conn, &q, on_person, w, &found, err);
}

/* --- groups --------------------------------------------------------------------------------
 */

bool dir_range_read(struct str options, uint64_t *first, uint64_t *last)
{
	struct str one, low, high;

	while (options.len > 0) {
		str_cut(options, ';', &one, &options);
		if (!str_istarts(one, STR("range=")))
			continue;
		if (!str_cut(str_n(one.p + 6, one.len - 6), '-', &low, &high) ||
		    !str_uint64(low, first))
			return false;
		if (str_eq(high, STR("*"))) {
			*last = UINT64_MAX;
			return true;
		}
		return str_uint64(high, last) && *last >= *first && *last < UINT32_MAX;
	}
	return false;
}

static int member_add(struct walk *w, struct group_row *g, uint32_t at, struct err *err)
{
	if (++w->memberships > MEMBERSHIPS_MAX)
		return err_set(err, ERR_LIMIT, "more than %u memberships", MEMBERSHIPS_MAX);
	return numbers_add(&g->members, at) < 0 ? err_nomem(err) : 0;
}

static int take_dn(struct walk *w, struct group_row *g, struct str dn, struct err *err)
{
	uint32_t at;
	char *copy;
	int r;

	dn = without_uid(dn);
	r = normal(w, dn, err);
	if (r < 0)
		return r;
	if (r > 0) {
		g->strangers++;
		return 0;
	}
	if (place_find(w->dns, buf_str(&w->name), &at) && at != AMBIGUOUS)
		return member_add(w, g, at, err);
	/* perhaps a group that is yet to come */
	w->pending_bytes += dn.len + sizeof(copy);
	if (w->pending_bytes > PENDING_MAX_BYTES)
		return err_set(err, ERR_LIMIT,
			       "the groups name more than %u MiB of members who are not below "
			       "base",
			       PENDING_MAX_BYTES >> 20);
	copy = str_dup(dn);
	if (copy && texts_add(&g->pending, copy) == 0)
		return 0;
	free(copy);
	return err_nomem(err);
}

static int take_uid(struct walk *w, struct group_row *g, struct str uid, struct err *err)
{
	CLEANUP(free_at) char *folded = NULL;
	uint32_t at;
	size_t len;
	int r;

	if (!dir_text_ok(uid)) {
		g->strangers++;
		return 0;
	}
	r = str_fold(uid, &folded, &len, err);
	if (r < 0)
		return r;
	if (!place_find(w->uids, str_n(folded, len), &at)) {
		g->strangers++;
		return 0;
	}
	if (at == AMBIGUOUS) {
		g->why = "one of its memberUid is the uid of two people";
		return 0;
	}
	return member_add(w, g, at, err);
}

static const struct list_attr {
	const char *name;
	int (*take)(struct walk *w, struct group_row *g, struct str value, struct err *err);
} list_attrs[] = {
	{ "member", take_dn },
	{ "uniqueMember", take_dn },
	{ "memberUid", take_uid },
};

/* The values of one attribute; where they are a piece, g->next says where the next begins. */
static int take_values(struct walk *w, struct group_row *g, const struct list_attr *list,
		       const struct dir_entry *e, const struct dir_attr *a, struct err *err)
{
	uint64_t first, last;
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->n; i++)
		r = list->take(w, g, e->values.v[a->first + i], err);
	g->listed |= a->n > 0;
	if (r < 0 || !dir_range_read(a->options, &first, &last))
		return r;
	w->piece = true;
	if (first != g->next)
		g->why = "its list of members came in pieces that do not fit together";
	g->next = last == UINT64_MAX ? 0 : last + 1;
	return 0;
}

static int take_lists(struct walk *w, struct group_row *g, const struct dir_entry *e,
		      struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < e->attrs.n; i++)
		for (size_t k = 0; r == 0 && k < COUNT_OF(list_attrs); k++)
			if (str_ieq(e->attrs.v[i].name, str_of(list_attrs[k].name)))
				r = take_values(w, g, &list_attrs[k], e, &e->attrs.v[i], err);
	return r;
}

static int group_name(struct group_row *g, const struct dir_entry *e, const char *key,
		      struct err *err)
{
	struct str cn;

	if (!dir_entry_first(e, "cn", &cn) || !cn.len || !dir_text_ok(cn))
		cn = str_of(key);
	g->name = str_dup(cn);
	g->dn = str_dup(e->dn);
	return g->name && g->dn ? 0 : err_nomem(err);
}

static int on_group(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct walk *w = ctx;
	const struct dir_trait *trait = dir_trait(w->session.dse.kind);
	struct thing t = { .primary = primary_of(w, e, true) };
	struct group_row none = { 0 }, *g;
	char key[DIR_ID_BYTES];
	struct str raw;
	int r;

	if (is_deleted(e))
		return 0;
	if (!dir_entry_first(e, trait->key, &raw) || !dir_id_text(trait->key_form, raw, key))
		return err_set(err, ERR_INVALID_VALUE, "a group without a readable %s",
			       trait->key);
	if (group_rows_add(&w->rows, none) < 0)
		return err_nomem(err);
	g = &w->rows.v[w->rows.n - 1];
	t.key = str_dup(str_of(key));
	if (!t.key || things_add(&w->groups, t) < 0) {
		free(t.key);
		w->rows.n--;
		return err_nomem(err);
	}
	r = group_name(g, e, key, err);
	if (r == 0)
		r = normal(w, e->dn, err);
	if (r == 0)
		r = place_add(&w->dns, buf_str(&w->name),
			      GROUP_BIT | (uint32_t)(w->groups.n - 1), err);
	if (r >= 0)
		r = take_lists(w, g, e, err);
	return r < 0 ? r : 0;
}

/* AD gives a long list in pieces, and only when asked so; a plain list beside is empty. */
static int groups_read(struct walk *w, struct err *err)
{
	const char *attrs[9] = { dir_trait(w->session.dse.kind)->key, "cn", NULL };
	struct dir_query q = dir_session_people(&w->session);
	struct dir_found found;
	size_t n = 2;

	attrs[n++] = w->ad ? "member;range=0-*" : "member";
	attrs[n++] = w->ad ? "objectSid" : "gidNumber";
	attrs[n++] = w->ad ? "isDeleted" : "uniqueMember";
	if (!w->ad)
		attrs[n++] = "memberUid";
	q.base = w->o->groups_base;
	q.filter = w->o->groups_filter ? w->o->groups_filter
		   : w->ad             ? "(objectClass=group)"
				       : DIR_GROUPS_FILTER;
	q.attrs = (char *const *)(uintptr_t)attrs;
	return dir_search(w->session.conn, &q, on_group, w, &found, err);
}

/* --- lists that came in pieces -------------------------------------------------------------
 */

static int on_piece(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct walk *w = ctx;

	return take_lists(w, w->at, e, err);
}

/* Faults of the directory about one group are that group's; those of the connection end all.
 * CONFIG is a name that the server calls none: it is not of the settings here. */
static bool of_one_group(int r)
{
	return r == -ERR_NOT_FOUND || r == -ERR_FORBIDDEN || r == -ERR_LIMIT ||
	       r == -ERR_INVALID_VALUE || r == -ERR_CONFIG;
}

static int pieces_read(struct walk *w, struct group_row *g, struct err *err)
{
	char range[48];
	const char *attrs[2] = { range, NULL };
	struct dir_query q = { .base = g->dn,
			       .scope = DIR_SCOPE_BASE,
			       .filter = "(objectClass=*)",
			       .attrs = (char *const *)(uintptr_t)attrs };
	struct dir_found found;
	int r = 0;

	w->at = g;
	for (int i = 0; r == 0 && g->next && !g->why && i < RANGES_MAX; i++) {
		uint64_t from = g->next;

		snprintf(range, sizeof(range), "member;range=%" PRIu64 "-*", from);
		w->piece = false;
		r = dir_search(w->session.conn, &q, on_piece, w, &found, err);
		/* a list that ends exactly there: Samba answers without the attribute */
		if (r == 0 && !w->piece)
			break;
		if (r == 0 && g->next && g->next <= from)
			break;
	}
	if (of_one_group(r))
		r = 0;
	else if (r < 0)
		return r;
	if (g->next && !g->why)
		g->why = "its list of members broke off before its end";
	return 0;
}

/* --- members who were nobody's -------------------------------------------------------------
 */

static int on_stranger(void *ctx, const struct dir_entry *e, struct err *err)
{
	(void)e;
	(void)err;
	*(bool *)ctx = true;
	return 0;
}

/*
 * Somebody of our own tree whom the read of people did not show: gone (lists may keep names of
 * the dead), or moved here while we read. One question each, and not for ever.
 */
static int stranger(struct walk *w, struct group_row *g, const char *dn, struct err *err)
{
	static const char *const attrs[] = { "1.1", NULL };
	struct dir_query q = { .base = dn,
			       .scope = DIR_SCOPE_BASE,
			       .filter = w->session.filter,
			       .attrs = (char *const *)(uintptr_t)attrs };
	struct dir_found found;
	bool there = false;
	int r;

	g->strangers++;
	if (!dir_dn_under(buf_str(&w->name), buf_str(&w->base)) || g->why)
		return 0;
	if (w->asked >= ASK_MOST) {
		g->why = "more members are missing among the people than can be asked about";
		return 0;
	}
	w->asked++;
	r = dir_search(w->session.conn, &q, on_stranger, &there, &found, err);
	if (r == -ERR_NOT_FOUND)
		return 0;
	/* such as an escaped NUL: a name that the server itself calls none is nobody's */
	if (r == -ERR_CONFIG) {
		w->verdict->odd++;
		return 0;
	}
	if (of_one_group(r)) {
		g->why = "a member below base cannot be read";
		return 0;
	}
	if (r == 0 && there)
		g->why = "somebody of it was being moved while it was read";
	return r;
}

static int pending_settle(struct walk *w, struct group_row *g, struct err *err)
{
	uint32_t at;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < g->pending.n; i++) {
		r = normal(w, str_of(g->pending.v[i]), err);
		if (r != 0)
			continue;
		if (!place_find(w->dns, buf_str(&w->name), &at))
			r = stranger(w, g, g->pending.v[i], err);
		else if (at == AMBIGUOUS)
			g->why = "two entries have the same name";
		else
			r = member_add(w, g, at, err);
	}
	return r < 0 ? r : 0;
}

/* A list that nobody shows us, though people say they are in it. */
static int hidden_look(struct walk *w, struct group_row *g, struct err *err)
{
	CLEANUP(buf_done) struct buf filter = { 0 };
	struct dir_query q = dir_session_people(&w->session);
	static const char *const attrs[] = { "1.1", NULL };
	struct dir_found found;
	int r;

	if (g->listed || g->why)
		return 0;
	buf_init(&filter, 8 * DIR_DN_MAX_BYTES);
	buf_addf(&filter, "(&%s(memberOf=", w->session.filter);
	dir_filter_escape(str_of(g->dn), &filter);
	buf_add_text(&filter, "))");
	r = buf_fault(&filter, err, "a group's filter");
	if (r < 0)
		return r;
	q.filter = filter.p;
	q.attrs = (char *const *)(uintptr_t)attrs;
	q.page_size = 0;
	q.max_entries = 1;
	r = dir_search(w->session.conn, &q, NULL, NULL, &found, err);
	if (found.entries > 0)
		g->why = "people say that they are in it, but its list of members is hidden";
	return r == -ERR_LIMIT || r == -ERR_NOT_SUPPORTED || r == -ERR_INVALID_VALUE ? 0 : r;
}

/* --- giving --------------------------------------------------------------------------------
 */

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Everybody whose primary group it is. */
static int primaries_add(struct walk *w, size_t group, struct err *err)
{
	uint32_t number = w->groups.v[group].primary;
	int r = 0;

	for (size_t i = 0; number && r == 0 && i < w->people.n; i++)
		if (w->people.v[i].primary == number)
			r = member_add(w, &w->rows.v[group], (uint32_t)i, err);
	return r;
}

static bool primary_used(const struct walk *w, uint32_t number)
{
	for (size_t i = 0; number && i < w->people.n; i++)
		if (w->people.v[i].primary == number)
			return true;
	return false;
}

static void members_once(struct walk *w, size_t group)
{
	struct numbers *m = &w->rows.v[group].members;
	size_t kept = 0;

	if (m->n)
		qsort(m->v, m->n, sizeof(m->v[0]), by_number);
	for (size_t i = 0; i < m->n; i++) {
		if (m->v[i] == (GROUP_BIT | group)) /* in itself: says nothing */
			continue;
		if (!kept || m->v[kept - 1] != m->v[i])
			m->v[kept++] = m->v[i];
	}
	m->n = kept;
}

static int give(struct walk *w, size_t group, const struct dir_group_sink *sink,
		struct err *err)
{
	struct group_row *g = &w->rows.v[group];
	struct dir_group out = { .key = w->groups.v[group].key,
				 .name = g->name,
				 .strangers = g->strangers,
				 .known = !g->why,
				 .why = g->why };
	const char **keys = calloc(g->members.n + 1, sizeof(*keys));
	int r;

	if (!keys)
		return err_nomem(err);
	for (size_t i = 0; i < g->members.n; i++) {
		uint32_t at = g->members.v[i];

		keys[i] =
			at & GROUP_BIT ? w->groups.v[at & ~GROUP_BIT].key : w->people.v[at].key;
		*(at & GROUP_BIT ? &out.groups_n : &out.people_n) += 1;
	}
	out.members = keys;
	w->verdict->memberships += g->members.n;
	w->verdict->strangers += g->strangers;
	w->verdict->unknown += !out.known;
	r = sink->group(sink->ctx, &out, err);
	free(keys);
	return r < 0 ? r : 0;
}

/* --- the read ------------------------------------------------------------------------------
 */

static int walk_read(struct walk *w, struct err *err)
{
	int r = dir_dn_normal(str_of(w->o->base), &w->base, err);

	w->ad = dir_trait(w->session.dse.kind)->tombstones;
	if (r == 0)
		r = people_read(w, err);
	if (r == 0)
		r = groups_read(w, err);
	for (size_t i = 0; r == 0 && i < w->rows.n; i++) {
		r = pieces_read(w, &w->rows.v[i], err);
		if (r == 0)
			r = pending_settle(w, &w->rows.v[i], err);
		if (r == 0)
			r = hidden_look(w, &w->rows.v[i], err);
	}
	for (size_t i = 0; r == 0 && i < w->rows.n; i++)
		if (primary_used(w, w->groups.v[i].primary))
			r = primaries_add(w, i, err);
	return r;
}

static bool ours(int r)
{
	return r == -ERR_NOMEM || r == -ERR_CANCELLED || r == -ERR_INTERNAL || r == -ERR_CONFIG;
}

int dir_groups_read(const struct dir_options *o, const struct secret *password,
		    const struct dir_group_sink *sink, const atomic_bool *cancel,
		    struct dir_groups_verdict *ret, struct err *err)
{
	int64_t began_ms = stamp_mono_ms();
	struct walk w = { .o = o, .cancel = cancel, .verdict = ret };
	struct err fault = { 0 };
	int r;

	*ret = (struct dir_groups_verdict){ 0 };
	buf_init(&w.name, 4 * DIR_DN_MAX_BYTES);
	buf_init(&w.base, 4 * DIR_DN_MAX_BYTES);
	r = dir_session_open(&w.session, o, password, 0, began_ms + o->read_timeout_ms, cancel,
			     &fault);
	if (r == 0)
		r = walk_read(&w, &fault);
	if (r < 0)
		r = err_context(&fault, r, "groups below %.200s", o->groups_base);
	ret->complete = r == 0;
	ret->code = r < 0 ? -r : 0;
	ret->people = w.people.n;
	ret->groups = w.groups.n;
	if (r < 0)
		memcpy(ret->why, fault.text, sizeof(fault.text));
	if (r < 0 && ours(r) && err)
		*err = fault;
	if (r < 0 && !ours(r))
		r = 0;
	for (size_t i = 0; r == 0 && ret->complete && i < w.rows.n; i++)
		r = sink->name(sink->ctx, w.groups.v[i].key, w.rows.v[i].name, err);
	for (size_t i = 0; r == 0 && ret->complete && i < w.rows.n; i++) {
		members_once(&w, i);
		r = give(&w, i, sink, err);
	}
	ret->duration_ms = stamp_mono_ms() - began_ms;
	walk_done(&w);
	return r;
}
