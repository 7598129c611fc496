/*
 * Who is who (law 5): records of one human become one person, and accounts find their person.
 *
 * What the ledger already links stays linked. Records that it does not know are joined by
 * person id, then employee number, then address, each unique on both sides; what forms write
 * where there is no number (0, n/a) is no key; accounts by the
 * policy's match rules in order. Whatever could be two things at once is a doubt and gets no
 * person. All of it is independent of the order of rows.
 */
#ifndef RECONCILE_MATCH_H
#define RECONCILE_MATCH_H

#include "reconcile/calendar.h"
#include "reconcile/reconcile.h"

enum { /* account_flags */
       MATCH_ADOPTED = 1,
       MATCH_DOUBT = 2,   /* a doubt touches it */
       MATCH_NOBODYS = 4, /* an app, a customer, a service account: never a subject */
};

/* Facts with everybody in their place. Persons are counted from 0 here, in ledger order. */
struct world {
	const struct facts *f;
	const struct policy *p;
	struct calendar calendar;

	uint64_t *numbers; /* ledger number of each person, ascending */
	size_t persons;
	bool *person_doubt;   /* one of the person's records is in doubt */
	size_t *placeholders; /* per source: ids and employee numbers that several of its
				 records have and that tell nobody (0, n/a): no keys */

	uint32_t *record_person;  /* per record: person or FACTS_NONE */
	uint32_t *account_person; /* per account: person or FACTS_NONE */
	uint8_t *account_flags;

	uint32_t *record_at, *record_rows;   /* records of person i: record_rows[record_at[i]..
						record_at[i + 1]], most trusted first, active
						ones of a source before others */
	uint32_t *account_at, *account_rows; /* accounts of person i, by ledger number */

	struct vec_match_link links;
	struct vec_match_doubt doubts;
	struct plan_arena *arena; /* of texts in doubts; borrowed */
};

/* *w is zeroed by the caller, who calls match_done(). arena outlives it. */
int match_people(const struct facts *f, const struct policy *p, struct plan_arena *arena,
		 struct world *w, struct err *err) MUST_USE;
void match_done(struct world *w);

/* Index of a ledger number; FACTS_NONE. */
uint32_t world_person(const struct world *w, uint64_t number);

#endif
