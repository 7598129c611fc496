/*
 * One subject seen through all sources: what a person, an account or a seat is, for rules,
 * reasons and reports. Nothing is stored: every question is answered from the columns.
 */
#ifndef RECONCILE_VIEW_H
#define RECONCILE_VIEW_H

#include "model/query.h"
#include "reconcile/match.h"

#define VIEW_VALUE_BYTES 96

/* Whom a rule judges. Rows of facts; person of the world. */
struct subject {
	enum rule_subject kind;
	uint32_t person;  /* FACTS_NONE: nobody */
	uint32_t account; /* FACTS_NONE for a person as such */
	uint32_t seat;    /* FACTS_NONE but for seats */
};

/* A time that may be unknown or absent. */
struct moment {
	enum value_state state;
	int64_t ms;
};

/* What the sources of one role say of a person. */
struct standing {
	enum value_state state; /* UNKNOWN, or PRESENT with: */
	const char *status;     /* active, disabled, gone, ended, absent */
	struct moment since;
	uint64_t sources; /* bits of the sources that this rests on */
	bool absence;     /* concluded from not being there (gone, absent) */
};

struct standing view_standing(const struct world *w, uint32_t person, enum source_role role);

/* When the last day of the person's last engagement ends, by HR; by a directory where no HR
 * knows the person. An identity provider's dates do not count. */
struct leave_date {
	struct moment at;
	uint64_t sources;
	bool zone_doubt; /* no readable zone: the day is taken to end when it ends everywhere */
};
struct leave_date view_leave_date(const struct world *w, uint32_t person);
/* When the person's first day begins, where the person is: of the most trusted record that
 * names one. Where the zone cannot be told, when it has begun everywhere. before_ms earlier
 * than that, of which whole days are days of the calendar there. */
struct moment view_start(const struct world *w, uint32_t person, int64_t before_ms);
/* An identity provider names a last day that is over. */
bool view_idp_says_left(const struct world *w, uint32_t person);

/* First source that has the attribute; *source (may be NULL) is whose. */
enum value_state view_cell(const struct world *w, uint32_t person, uint32_t column,
			   uint32_t *ret_cell, uint32_t *ret_record);

/* Newest use of a product, or of an API token; ABSENT only where both are known to be none. */
struct moment view_last_active(const struct world *w, uint32_t seat);
struct moment view_seat_added(const struct world *w, uint32_t seat);

/* Three-valued. NULL is true. */
enum truth view_eval(const struct world *w, const struct query *q, const struct subject *s);
/* A bound path as a point in time: a rule's anchor. */
struct moment view_moment(const struct world *w, const struct path *path,
			  const struct subject *s);

/* What a judgement rests on. */
struct basis {
	uint64_t sources; /* bits */
	uint64_t absent;  /* bits of those whose silence it rests on */
	bool org;         /* on what Atlassian told */
};
void view_basis(const struct world *w, const struct query *q, const struct path *anchor,
		const struct subject *s, struct basis *ret);

/* One thing that a rule asked, and what it found. */
struct seen {
	char path[160];
	char value[VIEW_VALUE_BYTES]; /* empty: absent or unknown */
	const char *state;            /* "present", "absent", "unknown" */
	uint32_t source;              /* row, or FACTS_NONE: the organisation */
	bool personal; /* a text of a record or a name: not for immutable bytes */
};
/* Calls fn for each path that the tree names outside brackets, and for each bracket; < 0 ends.
 */
int view_seen(const struct world *w, const struct query *q, const struct subject *s,
	      int (*fn)(void *ctx, const struct seen *seen, struct err *err), void *ctx,
	      struct err *err) MUST_USE;

/* A short name for people: display name, else user name; empty if none is known. */
struct str view_name(const struct world *w, uint32_t person);

#endif
