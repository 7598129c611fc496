#include <stdio.h>
#include <stdlib.h>

#include "base/stamp.h"
#include "ldap/session.h"
#include "ldap/source.h"

const char *const dir_whereabouts_words[DIR_WHEREABOUTS_COUNT] = {
	[DIR_HERE] = "here", [DIR_ELSEWHERE] = "elsewhere", [DIR_NOT_MATCHING] = "not-matching",
	[DIR_GONE] = "gone", [DIR_UNKNOWN] = "unknown",
};

static const char *const texts[DIR_WHEREABOUTS_COUNT] = {
	[DIR_HERE] = "is below the base and matches the filter",
	[DIR_ELSEWHERE] = "was moved out of the base, and still exists",
	[DIR_NOT_MATCHING] = "is below the base, but the filter leaves it out",
	[DIR_GONE] = "was asked for by its id and does not exist",
};

struct asker {
	struct dir_session session;
	struct dir_lookup *person; /* whose entry comes; NULL: only counted */
	int64_t now_ms;
};

static int asked_entry(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct asker *a = ctx;
	struct dir_mapped mapped;
	struct str raw;
	bool deleted = false;
	int r;

	if (!a->person)
		return 0;
	if (dir_entry_first(e, "isDeleted", &raw) && dir_flag(raw, &deleted) && deleted) {
		a->person->deleted = true;
		return 0;
	}
	r = dir_mapping_apply(a->session.mapping, e, a->now_ms, &mapped, err);
	if (r < 0)
		return r;
	a->person->status = mapped.status;
	dir_mapped_done(&mapped);
	return 0;
}

/* How many entries the filter finds below base: 0 or 1; more is a fault. */
static int ask(struct asker *a, const char *base, const char *filter, bool show_deleted,
	       struct err *err)
{
	struct dir_query q = dir_session_people(&a->session);
	struct dir_found found;
	int r;

	q.base = base;
	q.filter = filter;
	q.page_size = 0;
	q.max_entries = 1;
	q.show_deleted = show_deleted;
	r = dir_search(a->session.conn, &q, asked_entry, a, &found, err);
	return r < 0 ? r : (int)found.entries;
}

/* "(KEY=...)", or "(&FILTER(KEY=...))". */
static int key_filter(const struct asker *a, const char *key, bool and_people, struct buf *into,
		      struct err *err)
{
	buf_clear(into);
	if (and_people)
		buf_addf(into, "(&%s", a->session.filter);
	if (!dir_id_filter(dir_mapping_key_form(a->session.mapping),
			   dir_mapping_key(a->session.mapping), str_of(key), into))
		return err_set(err, ERR_INVALID_VALUE, "its key is not a %s",
			       dir_mapping_key(a->session.mapping));
	if (and_people)
		buf_add_char(into, ')');
	return buf_fault(into, err, "the look-up's filter");
}

/*
 * Whether this account can find an entry by id at all: the base entry must be found in the same
 * way. A server without the right, the index or the data says "nothing" to every question.
 */
static int can_find(struct asker *a, struct err *err)
{
	CLEANUP(buf_done) struct buf filter = { 0 };
	const struct dir_session *s = &a->session;
	int r;

	buf_init(&filter, 4096);
	if (!s->base_id ||
	    !dir_id_filter(s->base_id_form, s->base_id_attr, str_of(s->base_id), &filter))
		return err_set(err, ERR_NOT_SUPPORTED,
			       "the base has no id by which to see whether looking up works");
	r = buf_fault(&filter, err, "the look-up's filter");
	a->person = NULL;
	if (r == 0)
		r = ask(a, s->context, filter.p, false, err);
	if (r < 0)
		return r;
	return r == 1 ? 0
		      : err_set(err, ERR_INCOMPLETE,
				"the base entry cannot be found by its own id, so what is not "
				"found may exist");
}

static int where_is(struct asker *a, struct dir_lookup *person, struct buf *filter,
		    struct err *err)
{
	const struct dir_session *s = &a->session;
	int r = key_filter(a, person->key, true, filter, err);

	a->person = person;
	if (r == 0)
		r = ask(a, s->o->base, filter->p, false, err);
	if (r != 0)
		return r < 0 ? r : DIR_HERE;
	r = key_filter(a, person->key, false, filter, err);
	if (r == 0)
		r = ask(a, s->o->base, filter->p, false, err);
	if (r != 0)
		return r < 0 ? r : DIR_NOT_MATCHING;
	r = ask(a, s->context, filter->p, s->dse.show_deleted, err);
	if (r != 0)
		return r < 0 ? r : person->deleted ? DIR_GONE : DIR_ELSEWHERE;
	r = can_find(a, err);
	return r < 0 ? r : DIR_GONE;
}

static void answer(struct dir_lookup *person, int where, const struct err *err)
{
	person->where = where < 0 ? DIR_UNKNOWN : (enum dir_whereabouts)where;
	snprintf(person->text, sizeof(person->text), "%s",
		 where < 0         ? err->text
		 : person->deleted ? "was deleted: its tombstone is there"
				   : texts[where]);
}

static bool over(int r)
{
	return r == -ERR_NOMEM || r == -ERR_CANCELLED || r == -ERR_INTERNAL;
}

int dir_lookup(const struct dir_options *o, const struct secret *password, const char *base_id,
	       struct dir_lookup *people, size_t n, const atomic_bool *cancel, struct err *err)
{
	struct asker a = { .now_ms = stamp_now_ms() };
	CLEANUP(buf_done) struct buf filter = { 0 };
	struct err fault = { 0 };
	int r = dir_session_open(&a.session, o, password, 0,
				 stamp_mono_ms() + o->read_timeout_ms, cancel, &fault);

	buf_init(&filter, 4 * DIR_VALUE_MAX_BYTES);
	if (r == 0 && base_id && a.session.base_id && strcmp(base_id, a.session.base_id) != 0)
		r = err_set(&fault, ERR_INCOMPLETE,
			    "the base entry is another one than in the accepted read: another "
			    "directory answers");
	for (size_t i = 0; i < n && !over(r); i++) {
		int where = r;

		people[i].deleted = false;
		people[i].status = (struct dir_status){ .state = DIR_STATE_UNKNOWN,
							.expires_ms = STAMP_NEVER };
		if (r == 0)
			where = where_is(&a, &people[i], &filter, &fault);
		answer(&people[i], where, &fault);
		/* a lost connection answers nothing to those that follow either */
		if (over(where) || where == -ERR_NETWORK || where == -ERR_TIMEOUT)
			r = where;
	}
	dir_session_done(&a.session);
	if (r < 0 && err)
		*err = fault;
	return over(r) ? r : 0;
}
