#include "reconcile/provision.h"

#include <stdlib.h>

/* --- addresses ------------------------------------------------------------------------------
 */

static int address_add(struct provision_match *m, struct vec_pair *into, struct str address,
		       uint32_t row, struct err *err)
{
	uint32_t key = FRAME_ABSENT;
	int r = address.len ? pool_add_folded(&m->keys, address, &key, err) : 0;

	if (r < 0 || key < FRAME_FIRST)
		return r;
	return vec_pair_add(into, (struct pair){ key, row }) < 0 ? err_nomem(err) : 0;
}

static int person_addresses(const struct world *w, struct provision_match *m, uint32_t person,
			    struct err *err)
{
	const struct facts *f = w->f;
	uint32_t cell;
	int r = 0;

	for (uint32_t i = w->record_at[person]; i < w->record_at[person + 1] && r == 0; i++) {
		uint32_t record = w->record_rows[i];

		if (!f->sources.v[f->records.v[record].source].in.ready)
			continue;
		if (facts_cell(f, record, w->p->fixed[COL_USER_NAME], &cell) == VALUE_PRESENT)
			r = address_add(m, &m->persons, pool_str(&f->pool, cell), person, err);
		if (r < 0 ||
		    facts_cell(f, record, w->p->fixed[COL_EMAIL], &cell) != VALUE_PRESENT)
			continue;
		for (uint32_t k = 0; k < f->lists.v[cell - FRAME_FIRST] && r == 0; k++)
			r = address_add(
				m, &m->persons,
				pool_str(&f->pool, f->lists.v[cell - FRAME_FIRST + 1 + k]),
				person, err);
	}
	return r;
}

static int addresses_build(const struct world *w, struct provision_match *m, struct err *err)
{
	const struct facts *f = w->f;
	int r = 0;

	for (uint32_t i = 0; i < w->persons && r == 0; i++)
		r = person_addresses(w, m, i, err);
	/* what once was somebody's is nobody else's */
	for (size_t i = 0; i < f->addresses.n && r == 0; i++) {
		uint32_t person = world_person(w, f->addresses.v[i].person);

		r = address_add(m, &m->persons, pool_str(&f->pool, f->addresses.v[i].folded),
				person == FACTS_NONE ? FACTS_NONE - 1 : person, err);
	}
	for (uint32_t i = 0; i < f->scim_users.n && r == 0; i++) {
		const struct row_scim_user *u = &f->scim_users.v[i];

		r = address_add(m, &m->users, pool_str(&f->pool, u->attrs[PROVISION_USER_NAME]),
				i, err);
		if (r == 0)
			r = address_add(m, &m->users,
					pool_str(&f->pool, u->attrs[PROVISION_EMAIL]), i, err);
	}
	for (uint32_t i = 0; i < f->accounts.n && r == 0; i++)
		r = address_add(m, &m->accounts, pool_str(&f->pool, f->accounts.v[i].email), i,
				err);
	if (r == 0)
		r = pair_sort(m->persons.v, m->persons.n, err);
	if (r == 0)
		r = pair_sort(m->users.v, m->users.n, err);
	return r < 0 ? r : pair_sort(m->accounts.v, m->accounts.n, err);
}

/* The one row of the address: FACTS_NONE for none or several. */
static uint32_t only_row(const struct vec_pair *v, uint32_t key)
{
	size_t i = pair_find(v->v, v->n, key);
	uint32_t row = FACTS_NONE;

	for (; i < v->n && v->v[i].a == key; i++) {
		if (row != FACTS_NONE && row != v->v[i].b)
			return FACTS_NONE;
		row = v->v[i].b;
	}
	return row;
}

/* All addresses were added: a new one is nobody's. */
static int key_of(const struct provision_match *m, struct str address, uint32_t *ret)
{
	struct provision_match *pool = (struct provision_match *)(uintptr_t)m;
	struct err err;

	*ret = FRAME_ABSENT;
	return address.len ? pool_add_folded(&pool->keys, address, ret, &err) : 0;
}

const char *provision_address_taken(const struct world *w, const struct provision_match *m,
				    uint32_t person, struct str address)
{
	uint32_t key;
	size_t i;

	/* what cannot be looked up is not free */
	if (key_of(m, address, &key) < 0)
		return "whether its address is somebody else's could not be looked up";
	if (key < FRAME_FIRST)
		return NULL;
	for (i = pair_find(m->users.v, m->users.n, key);
	     i < m->users.n && m->users.v[i].a == key; i++)
		if (m->user_person[m->users.v[i].b] != person)
			return "another record of the provisioning directory has its address";
	for (i = pair_find(m->accounts.v, m->accounts.n, key);
	     i < m->accounts.n && m->accounts.v[i].a == key; i++)
		if (w->account_person[m->accounts.v[i].b] != person)
			return "an account that is not the person's has its address";
	for (i = pair_find(m->persons.v, m->persons.n, key);
	     i < m->persons.n && m->persons.v[i].a == key; i++)
		if (m->persons.v[i].b != person)
			return "its address belongs, or once belonged, to somebody else";
	return NULL;
}

/* --- records to persons ---------------------------------------------------------------------
 */

struct issued {
	uint32_t external_id, person;
};
VEC(vec_issued, struct issued);

static int issued_cmp(const void *pa, const void *pb)
{
	const struct issued *a = pa, *b = pb;

	if (a->external_id != b->external_id)
		return a->external_id < b->external_id ? -1 : 1;
	return a->person < b->person ? -1 : a->person > b->person;
}

/* Ids that the issuer gave to persons. */
static int issued_build(const struct world *w, struct vec_issued *ret, struct err *err)
{
	const struct facts *f = w->f;

	for (uint32_t i = 0; i < f->records.n && f->provision_issuer >= FRAME_FIRST; i++) {
		const struct row_record *row = &f->records.v[i];
		struct issued v = { row->external_id, w->record_person[i] };

		if (row->issuer == f->provision_issuer && row->external_id >= FRAME_FIRST &&
		    v.person != FACTS_NONE && f->sources.v[row->source].in.ready &&
		    vec_issued_add(ret, v) < 0)
			return err_nomem(err);
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), issued_cmp);
	return 0;
}

/* Two persons with one id are nobody. */
static uint32_t by_external_id(const struct vec_issued *v, uint32_t external_id)
{
	size_t low = 0, high = v->n;
	uint32_t person;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (v->v[middle].external_id < external_id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == v->n || v->v[low].external_id != external_id)
		return FACTS_NONE;
	person = v->v[low].person;
	for (; low < v->n && v->v[low].external_id == external_id; low++)
		if (v->v[low].person != person)
			return FACTS_NONE;
	return person;
}

static void user_match(const struct world *w, struct provision_match *m,
		       const struct vec_issued *issued, uint32_t user)
{
	const struct facts *f = w->f;
	const struct row_scim_user *u = &f->scim_users.v[user];
	uint32_t person = FACTS_NONE, key;

	uint32_t issuers = u->external_id < FRAME_FIRST
				   ? FACTS_NONE
				   : by_external_id(issued, u->external_id);

	m->user_how[user] = HOW_ACCOUNT;
	if (u->account != FACTS_NONE)
		person = w->account_person[u->account];
	/* the account says one person, the id another: it may be either's */
	if (person != FACTS_NONE && issuers != FACTS_NONE && issuers != person)
		m->person_several[person] = m->person_several[issuers] = true;
	if (person == FACTS_NONE && u->external_id >= FRAME_FIRST) {
		m->user_how[user] = HOW_EXTERNAL_ID;
		person = issuers;
	}
	/* an account that is somebody's, or nobody's, is not found by its address here: that is
	 * what match rules are for */
	if (person == FACTS_NONE && u->account == FACTS_NONE) {
		struct str address = pool_str(&f->pool, u->attrs[PROVISION_USER_NAME]);

		m->user_how[user] = HOW_ADDRESS;
		person = key_of(m, address, &key) < 0 || key < FRAME_FIRST
				 ? FACTS_NONE
				 : only_row(&m->persons, key);
		if (person >= w->persons || only_row(&m->users, key) != user)
			person = FACTS_NONE;
	}
	m->user_person[user] = person;
	if (person == FACTS_NONE) {
		m->user_how[user] = HOW_NONE;
		return;
	}
	if (m->person_user[person] != FACTS_NONE)
		m->person_several[person] = true;
	else
		m->person_user[person] = user;
}

int provision_match(const struct world *w, struct provision_match *ret, struct err *err)
{
	CLEANUP(vec_issued_done) struct vec_issued issued = { 0 };
	size_t users = w->f->scim_users.n, persons = w->persons;
	int r = pool_init(&ret->keys, err);

	if (r < 0)
		return r;
	ret->user_person = calloc(users + 1, sizeof(*ret->user_person));
	ret->user_how = calloc(users + 1, sizeof(*ret->user_how));
	ret->person_user = calloc(persons + 1, sizeof(*ret->person_user));
	ret->person_several = calloc(persons + 1, sizeof(*ret->person_several));
	if (!ret->user_person || !ret->user_how || !ret->person_user || !ret->person_several)
		return err_nomem(err);
	for (size_t i = 0; i < persons; i++)
		ret->person_user[i] = FACTS_NONE;
	r = addresses_build(w, ret, err);
	if (r == 0)
		r = issued_build(w, &issued, err);
	for (uint32_t i = 0; i < users && r == 0; i++)
		user_match(w, ret, &issued, i);
	return r;
}

void provision_match_done(struct provision_match *m)
{
	free(m->user_person);
	free(m->user_how);
	free(m->person_user);
	free(m->person_several);
	pool_done(&m->keys);
	vec_pair_done(&m->persons);
	vec_pair_done(&m->users);
	vec_pair_done(&m->accounts);
	*m = (struct provision_match){ 0 };
}
