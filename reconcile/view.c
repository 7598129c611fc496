#include "reconcile/view.h"

#include <stdio.h>

#include "model/schema.h"

/* --- standing: what sources of one role say --- */

static const char *const state_words[] = {
	[RECORD_UNKNOWN] = "unknown",   [RECORD_ACTIVE] = "active",
	[RECORD_DISABLED] = "disabled", [RECORD_GONE] = "gone",
	[RECORD_ENDED] = "ended",
};

static struct moment moment_of(int64_t ms)
{
	if (ms == FACT_UNKNOWN)
		return (struct moment){ VALUE_UNKNOWN, 0 };
	if (ms == FACT_ABSENT)
		return (struct moment){ VALUE_ABSENT, 0 };
	return (struct moment){ VALUE_PRESENT, ms };
}

static uint64_t bit(uint32_t source)
{
	return source < 64 ? UINT64_C(1) << source : 0;
}

/* All ready sources of a role. */
static uint64_t role_sources(const struct facts *f, enum source_role role)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; i < f->sources.n; i++)
		if (f->sources.v[i].in.ready && f->sources.v[i].in.role == role)
			bits |= bit(i);
	return bits;
}

struct standing view_standing(const struct world *w, uint32_t person, enum source_role role)
{
	const struct facts *f = w->f;
	struct standing s = { VALUE_PRESENT, "absent", { VALUE_ABSENT, 0 }, 0, true };
	const struct row_record *best = NULL;
	bool unknown = false;

	for (uint32_t i = w->record_at[person]; i < w->record_at[person + 1]; i++) {
		const struct row_record *row = &f->records.v[w->record_rows[i]];
		const struct facts_source *source = &f->sources.v[row->source].in;

		if (!source->ready || source->role != role)
			continue;
		s.sources |= bit(row->source);
		unknown = unknown || row->state == RECORD_UNKNOWN;
		/* an active engagement keeps; else the last that ended speaks */
		if (!best || (row->state == RECORD_ACTIVE && best->state != RECORD_ACTIVE) ||
		    (best->state != RECORD_ACTIVE && row->since_ms > best->since_ms))
			best = row;
	}
	if (!best) {
		s.sources = role_sources(f, role);
		return s;
	}
	if (unknown && best->state != RECORD_ACTIVE)
		s.state = VALUE_UNKNOWN;
	s.status = state_words[best->state];
	s.since = moment_of(best->since_ms);
	s.absence = best->state == RECORD_GONE;
	return s;
}

/* --- the leave date --- */

/* The date by which one engagement ends, as the policy chooses between the two. */
static struct moment end_date(const struct world *w, uint32_t record)
{
	const struct policy *p = w->p;
	bool last = p->leave_date == LEAVE_LAST_WORKING_DAY;
	uint32_t first = p->fixed[last ? COL_LAST_WORKING_DAY : COL_TERMINATION_DATE];
	uint32_t second = p->fixed[last ? COL_TERMINATION_DATE : COL_LAST_WORKING_DAY];
	struct moment m;

	m.state = facts_number(w->f, record, first, &m.ms);
	if (m.state == VALUE_ABSENT)
		m.state = facts_number(w->f, record, second, &m.ms);
	return m;
}

/* Someone who starts after the date of the leave has come back; UNKNOWN if that cannot be told.
 */
static enum truth starts_after(const struct world *w, uint32_t record, int64_t date_ms)
{
	int64_t start;

	switch (facts_number(w->f, record, w->p->fixed[COL_START_DATE], &start)) {
	case VALUE_UNKNOWN:
		return TRUTH_UNKNOWN;
	case VALUE_ABSENT:
		return TRUTH_FALSE;
	case VALUE_PRESENT:
		break;
	}
	return start > date_ms ? TRUTH_TRUE : TRUTH_FALSE;
}

/*
 * The minute of the last day at which access ends. HR's word that it ends at once makes it the
 * first; a word that cannot be read makes nothing earlier.
 */
static int last_minute(const struct world *w, uint32_t record)
{
	int64_t at_once = 0;

	return facts_number(w->f, record, w->p->fixed[COL_IMMEDIATE], &at_once) ==
				       VALUE_PRESENT &&
			       at_once
		       ? 0
		       : w->p->leave_minute;
}

/* That minute of that day where the person is; *doubt where the zone cannot be told. */
static int64_t day_time(const struct world *w, uint32_t record, int64_t date_ms, int minute,
			bool *doubt)
{
	struct str zone;
	enum value_state state = facts_text(w->f, record, w->p->fixed[COL_TIME_ZONE], &zone);
	int64_t at;

	if (state == VALUE_ABSENT)
		state = facts_text(w->f, record, w->p->fixed[COL_USER_ZONE], &zone);
	if (state == VALUE_ABSENT)
		return calendar_day_time(w->calendar.zone, date_ms, minute);
	if (state == VALUE_UNKNOWN)
		zone = STR("");
	if (!calendar_day_time_in(zone, date_ms, minute, &at))
		*doubt = true;
	return at;
}

/*
 * Whose dates count: HR if it knows the person, else a directory. Never an identity provider's:
 * all it can say is "no longer sent to us" (law 1), which may suspend and never deactivates,
 * and a date of its would do both. Who pushes for HR is given the role hr.
 */
static bool speaks_of_leaving(const struct world *w, uint32_t record, bool has_hr)
{
	const struct facts_source *source = &w->f->sources.v[w->f->records.v[record].source].in;

	return source->ready && source->role != SOURCE_IDP &&
	       (!has_hr || source->role == SOURCE_HR);
}

static bool known_to_hr(const struct world *w, uint32_t person)
{
	for (uint32_t i = w->record_at[person]; i < w->record_at[person + 1]; i++) {
		const struct facts_source *source =
			&w->f->sources.v[w->f->records.v[w->record_rows[i]].source].in;

		if (source->ready && source->role == SOURCE_HR)
			return true;
	}
	return false;
}

struct leave_date view_leave_date(const struct world *w, uint32_t person)
{
	struct leave_date ret = { { VALUE_ABSENT, 0 }, 0, false };
	const struct facts *f = w->f;
	bool has_hr = known_to_hr(w, person), unknown = false, doubt;
	uint32_t only =
		FACTS_NONE; /* without HR: one source alone, the first that has a date */

	for (uint32_t i = w->record_at[person]; i < w->record_at[person + 1]; i++) {
		uint32_t record = w->record_rows[i];
		const struct row_record *row = &f->records.v[record];
		struct moment date;
		enum truth back;
		int64_t at;

		if (!speaks_of_leaving(w, record, has_hr) ||
		    (!has_hr && only != FACTS_NONE && row->source != only))
			continue;
		date = end_date(w, record);
		ret.sources |= bit(row->source);
		if (date.state == VALUE_UNKNOWN || row->state == RECORD_UNKNOWN)
			unknown = true;
		back = date.state == VALUE_PRESENT ? starts_after(w, record, date.ms)
						   : TRUTH_FALSE;
		unknown = unknown || back == TRUTH_UNKNOWN;
		if (back == TRUTH_TRUE)
			date.state = VALUE_ABSENT;
		if (date.state == VALUE_ABSENT && row->state == RECORD_ACTIVE &&
		    (has_hr || only != FACTS_NONE)) {
			/* an open engagement of equal rank keeps */
			ret.at = (struct moment){ VALUE_ABSENT, 0 };
			ret.zone_doubt = false;
			return ret;
		}
		if (date.state != VALUE_PRESENT)
			continue;
		only = row->source;
		doubt = false;
		at = day_time(w, record, date.ms, last_minute(w, record), &doubt);
		if (ret.at.state != VALUE_PRESENT || at > ret.at.ms) {
			ret.at = (struct moment){ VALUE_PRESENT, at };
			ret.zone_doubt = doubt;
		}
	}
	if (unknown)
		ret.at = (struct moment){ VALUE_UNKNOWN, 0 };
	return ret;
}

struct moment view_start(const struct world *w, uint32_t person, int64_t before_ms)
{
	int64_t days = before_ms / STAMP_DAY_MS;
	uint32_t cell, record;
	struct moment m = { VALUE_ABSENT, 0 };
	bool doubt = false;

	m.state = view_cell(w, person, w->p->fixed[COL_START_DATE], &cell, &record);
	if (m.state == VALUE_PRESENT)
		m.ms = day_time(w, record,
				w->f->numbers.v[cell - FRAME_FIRST] - (days + 1) * STAMP_DAY_MS,
				CALENDAR_DAY_END, &doubt) -
		       before_ms % STAMP_DAY_MS;
	return m;
}

bool view_idp_says_left(const struct world *w, uint32_t person)
{
	const struct facts *f = w->f;

	for (uint32_t i = w->record_at[person]; i < w->record_at[person + 1]; i++) {
		uint32_t record = w->record_rows[i];
		const struct facts_source *source =
			&f->sources.v[f->records.v[record].source].in;
		bool doubt = false;
		struct moment date;

		if (!source->ready || source->role != SOURCE_IDP)
			continue;
		date = end_date(w, record);
		if (date.state == VALUE_PRESENT &&
		    day_time(w, record, date.ms, w->p->leave_minute, &doubt) <= f->round.now_ms)
			return true;
	}
	return false;
}

/* --- attributes, accounts, seats --- */

enum value_state view_cell(const struct world *w, uint32_t person, uint32_t column,
			   uint32_t *ret_cell, uint32_t *ret_record)
{
	const struct facts *f = w->f;

	*ret_cell = FRAME_ABSENT;
	if (ret_record)
		*ret_record = FACTS_NONE;
	for (uint32_t i = w->record_at[person]; i < w->record_at[person + 1]; i++) {
		uint32_t record = w->record_rows[i];
		enum value_state state;

		if (!f->sources.v[f->records.v[record].source].in.ready)
			continue;
		state = facts_cell(f, record, column, ret_cell);
		if (state == VALUE_ABSENT)
			continue;
		if (ret_record)
			*ret_record = record;
		return state;
	}
	return VALUE_ABSENT;
}

struct str view_name(const struct world *w, uint32_t person)
{
	uint32_t cell;

	if (person == FACTS_NONE)
		return STR("");
	if (view_cell(w, person, w->p->fixed[COL_DISPLAY_NAME], &cell, NULL) == VALUE_PRESENT)
		return pool_str(&w->f->pool, cell);
	if (view_cell(w, person, w->p->fixed[COL_USER_NAME], &cell, NULL) == VALUE_PRESENT)
		return pool_str(&w->f->pool, cell);
	return STR("");
}

static struct moment newest(struct moment a, struct moment b)
{
	if (a.state == VALUE_UNKNOWN || b.state == VALUE_UNKNOWN)
		return (struct moment){ VALUE_UNKNOWN, 0 };
	if (a.state == VALUE_ABSENT)
		return b;
	if (b.state == VALUE_ABSENT)
		return a;
	return a.ms > b.ms ? a : b;
}

struct moment view_last_active(const struct world *w, uint32_t seat)
{
	const struct row_seat *s = &w->f->seats.v[seat];

	return newest(moment_of(s->last_active_ms),
		      moment_of(w->f->accounts.v[s->account].token_active_ms));
}

struct moment view_seat_added(const struct world *w, uint32_t seat)
{
	const struct row_seat *s = &w->f->seats.v[seat];
	struct moment m = moment_of(s->added_ms);

	return m.state == VALUE_PRESENT ? m : moment_of(w->f->accounts.v[s->account].added_ms);
}

static struct moment account_last_active(const struct world *w, uint32_t account)
{
	const struct facts *f = w->f;
	struct moment m = moment_of(f->accounts.v[account].token_active_ms);

	for (uint32_t i = f->seat_at[account]; i < f->seat_at[account + 1]; i++)
		m = newest(m, moment_of(f->seats.v[i].last_active_ms));
	return m;
}

/* --- the reader ----------------------------------------------------------------------------
 */

/*
 * A node is a subject: its kind stands in .p as one of these, rows in .i. An element of a
 * multi-valued attribute is a record's row and the element's number.
 */
static const char at_person, at_account, at_seat, at_element;

static struct query_node node_of(const struct subject *s)
{
	if (s->kind == SUBJECT_SEAT)
		return (struct query_node){ &at_seat, s->seat };
	if (s->kind == SUBJECT_PERSON)
		return (struct query_node){ &at_person, s->person };
	return (struct query_node){ &at_account, s->account };
}

/* Where an owner's attributes are; false where there is no owner (which is unknown). */
static bool owner_of(const struct world *w, struct query_node node, enum path_owner owner,
		     struct query_node *ret)
{
	uint32_t account;

	*ret = node;
	if (owner == PATH_OWN || (owner == PATH_PERSON && node.p == &at_person) ||
	    (owner == PATH_ACCOUNT && node.p == &at_account))
		return true;
	if (node.p != &at_seat && node.p != &at_account)
		return false;
	account = node.p == &at_seat ? w->f->seats.v[node.i].account : (uint32_t)node.i;
	*ret = (struct query_node){ &at_account, account };
	if (owner == PATH_ACCOUNT)
		return true;
	*ret = (struct query_node){ &at_person, w->account_person[account] };
	return w->account_person[account] != FACTS_NONE;
}

static enum value_state give_time(struct moment m, struct value *ret)
{
	*ret = (struct value){ .type = VALUE_TIME, .integer = m.ms };
	return m.state;
}

static enum value_state give_text(struct str s, struct value *ret)
{
	*ret = (struct value){ .type = VALUE_TEXT, .text = s };
	return s.len ? VALUE_PRESENT : VALUE_ABSENT;
}

static enum value_state give_tri(enum tri t, struct value *ret)
{
	*ret = (struct value){ .type = VALUE_BOOL, .boolean = t == TRI_YES };
	return t == TRI_UNKNOWN ? VALUE_UNKNOWN : VALUE_PRESENT;
}

static enum value_state give_word(bool known, const char *word, struct value *ret)
{
	*ret = (struct value){ .type = VALUE_TEXT, .text = str_of(word) };
	return known ? VALUE_PRESENT : VALUE_UNKNOWN;
}

static enum value_state person_value(const struct world *w, uint32_t person, int slot,
				     struct value *ret)
{
	struct standing s;

	if (slot == SLOT_LEAVE_DATE)
		return give_time(view_leave_date(w, person).at, ret);
	if (slot >= SLOT_STATUS && slot < SLOT_SINCE) {
		s = view_standing(w, person, (enum source_role)(slot - SLOT_STATUS));
		return give_word(s.state == VALUE_PRESENT, s.status, ret);
	}
	if (slot >= SLOT_SINCE && slot < SLOT_LEAVE_DATE) {
		s = view_standing(w, person, (enum source_role)(slot - SLOT_SINCE));
		if (s.state == VALUE_UNKNOWN)
			s.since.state = VALUE_UNKNOWN;
		return give_time(s.since, ret);
	}
	return VALUE_UNKNOWN;
}

static const char *account_status_text(const struct row_account *a)
{
	return a->status == ACCOUNT_DEACTIVATED || a->status == ACCOUNT_DELETING ? "inactive"
										 : "active";
}

static const char *membership_text(const struct row_account *a)
{
	if (a->status == ACCOUNT_NOT_INVITED)
		return "no_membership";
	if (a->status == ACCOUNT_SUSPENDED)
		return "suspended";
	return a->accepted == TRI_NO ? "pending" : "active";
}

/* Of whom nobody explains no directory says anything: absent, as of who never logged in. */
static enum value_state last_login(const struct world *w, uint32_t account, struct value *ret)
{
	uint32_t person = w->account_person[account], column = w->p->last_login, cell, record;
	enum value_state state;

	*ret = (struct value){ .type = VALUE_TIME };
	if (person == FACTS_NONE)
		return VALUE_ABSENT;
	state = view_cell(w, person, column, &cell, &record);
	if (state != VALUE_PRESENT)
		return state;
	if (cell < FRAME_FIRST)
		return VALUE_ABSENT;
	ret->integer = w->f->numbers.v[cell - FRAME_FIRST];
	return VALUE_PRESENT;
}

static enum value_state account_value(const struct world *w, uint32_t account, int slot,
				      struct value *ret)
{
	const struct row_account *a = &w->f->accounts.v[account];
	const struct pool *pool = &w->f->pool;
	bool known = a->status != ACCOUNT_UNKNOWN;

	switch (slot) {
	case SLOT_ACCOUNT_ID:
		return give_text(pool_str(pool, a->id), ret);
	case SLOT_ACCOUNT_EMAIL:
		if (give_text(pool_str(pool, a->email), ret) == VALUE_PRESENT)
			return VALUE_PRESENT;
		return VALUE_UNKNOWN; /* hidden is not without */
	case SLOT_ACCOUNT_NAME:
		return give_text(pool_str(pool, a->name), ret);
	case SLOT_ACCOUNT_TYPE:
		return give_word(a->type != ACCOUNT_TYPE_UNKNOWN, account_type_word(a->type),
				 ret);
	case SLOT_ACCOUNT_ACCOUNT_STATUS:
		return give_word(known, account_status_text(a), ret);
	case SLOT_ACCOUNT_MEMBERSHIP:
		return give_word(
			known && (a->status != ACCOUNT_ACTIVE || a->accepted != TRI_UNKNOWN),
			membership_text(a), ret);
	case SLOT_ACCOUNT_STATUS:
		return give_word(known, account_status_word(a->status), ret);
	case SLOT_ACCOUNT_CLAIM:
		return give_word(a->managed != TRI_UNKNOWN,
				 a->managed == TRI_YES ? "managed" : "unmanaged", ret);
	case SLOT_ACCOUNT_MANAGEMENT:
		return give_word(a->synced != TRI_UNKNOWN,
				 a->synced == TRI_YES ? "synced" : "invited", ret);
	case SLOT_ACCOUNT_ADDED:
		return give_time(moment_of(a->added_ms), ret);
	case SLOT_ACCOUNT_LAST_ACTIVE:
		return give_time(account_last_active(w, account), ret);
	case SLOT_ACCOUNT_LAST_LOGIN:
		return last_login(w, account, ret);
	case SLOT_ACCOUNT_ADMIN:
		return give_tri(a->admin, ret);
	default:
		return VALUE_UNKNOWN;
	}
}

static enum value_state seat_value(const struct world *w, uint32_t seat, int slot,
				   struct value *ret)
{
	const struct facts *f = w->f;
	const struct row_seat *s = &f->seats.v[seat];
	const struct row_product *p = &f->products.v[s->product];
	enum tri accepted = f->accounts.v[s->account].accepted;

	switch (slot) {
	case SLOT_SEAT_PRODUCT:
		return give_text(pool_str(&f->pool, p->key), ret);
	case SLOT_SEAT_SITE:
		return give_text(pool_str(&f->pool, p->site), ret);
	case SLOT_SEAT_RESOURCE:
		return give_text(pool_str(&f->pool, p->resource), ret);
	case SLOT_SEAT_LAST_ACTIVE:
		return give_time(view_last_active(w, seat), ret);
	case SLOT_SEAT_ADDED:
		return give_time(view_seat_added(w, seat), ret);
	case SLOT_SEAT_INVITED:
		return give_tri(accepted == TRI_UNKNOWN ? TRI_UNKNOWN
							: tri_of(accepted == TRI_NO),
				ret);
	default:
		return VALUE_UNKNOWN;
	}
}

static enum value_state derived_value(const struct world *w, struct query_node node, int slot,
				      struct value *ret)
{
	if (node.p == &at_person)
		return person_value(w, (uint32_t)node.i, slot, ret);
	if (node.p == &at_account)
		return account_value(w, (uint32_t)node.i, slot, ret);
	if (node.p == &at_seat)
		return seat_value(w, (uint32_t)node.i, slot, ret);
	return VALUE_UNKNOWN;
}

static void cell_value(const struct facts *f, const struct facts_column *c, uint32_t cell,
		       struct value *ret)
{
	int64_t n;

	if (cell < FRAME_FIRST) {
		*ret = (struct value){ .type = VALUE_NULL };
		return;
	}
	if (c->type == COLUMN_TEXT) {
		*ret = (struct value){ .type = VALUE_TEXT, .text = pool_str(&f->pool, cell) };
		return;
	}
	n = f->numbers.v[cell - FRAME_FIRST];
	*ret = (struct value){ .type = c->type == COLUMN_BOOL  ? VALUE_BOOL
				       : c->type == COLUMN_INT ? VALUE_INT
							       : VALUE_TIME,
			       .boolean = n != 0,
			       .integer = n };
}

/* The cells of a column for a node: one, or a list; *count 0 where absent. */
static enum value_state column_cells(const struct world *w, struct query_node node,
				     uint32_t column, const uint32_t **ret, size_t *count)
{
	const struct facts *f = w->f;
	const struct facts_column *c = &f->columns.v[column];
	enum value_state state;
	uint32_t cell, record;

	*count = 0;
	if (node.p == &at_element) {
		record = (uint32_t)(node.i >> 32);
		state = facts_cell(f, record, column, &cell);
	} else {
		state = view_cell(w, (uint32_t)node.i, column, &cell, &record);
	}
	if (state != VALUE_PRESENT)
		return state;
	if (!c->multi) {
		*ret = &f->cells[column].v[record];
		*count = 1;
		return VALUE_PRESENT;
	}
	*ret = &f->lists.v[cell - FRAME_FIRST + 1];
	*count = f->lists.v[cell - FRAME_FIRST];
	if (node.p == &at_element) {
		uint32_t element = (uint32_t)node.i;

		if (element >= *count)
			return VALUE_ABSENT;
		*ret += element;
		*count = 1;
	}
	for (size_t i = 0; i < *count; i++)
		if ((*ret)[i] == FRAME_UNKNOWN)
			return VALUE_UNKNOWN;
	return *count && (*count > 1 || **ret != FRAME_ABSENT) ? VALUE_PRESENT : VALUE_ABSENT;
}

static enum value_state read_count(void *ctx, struct query_node node, const struct path *path,
				   size_t *count)
{
	const struct world *w = ctx;
	struct query_node at;
	const uint32_t *cells;
	struct value v;

	*count = 0;
	if (node.p != &at_element && !owner_of(w, node, path->owner, &at))
		return VALUE_UNKNOWN;
	if (node.p == &at_element)
		at = node;
	if (path->slot < POLICY_DERIVED)
		return column_cells(w, at, (uint32_t)path->slot, &cells, count);
	if (path->slot == SLOT_ACCOUNT_GROUPS) {
		if (w->f->accounts.v[at.i].paths_known != TRI_YES)
			return VALUE_UNKNOWN;
		*count = w->f->member_at[at.i + 1] - w->f->member_at[at.i];
		return *count ? VALUE_PRESENT : VALUE_ABSENT;
	}
	*count = 1;
	return derived_value(w, at, path->slot, &v);
}

static void read_value(void *ctx, struct query_node node, const struct path *path, size_t i,
		       struct value *ret, bool *folded)
{
	const struct world *w = ctx;
	const struct facts *f = w->f;
	struct query_node at = node;
	const uint32_t *cells;
	size_t count;

	*folded = false;
	if (node.p != &at_element)
		(void)owner_of(w, node, path->owner, &at);
	if (path->slot < POLICY_DERIVED) {
		(void)column_cells(w, at, (uint32_t)path->slot, &cells, &count);
		cell_value(f, &f->columns.v[path->slot], cells[i], ret);
	} else if (path->slot == SLOT_ACCOUNT_GROUPS) {
		const struct pair *m = &f->members.v[f->member_at[at.i] + i];

		(void)give_text(pool_str(&f->pool, f->groups.v[m->b].name), ret);
	} else {
		(void)derived_value(w, at, path->slot, ret);
	}
}

static enum value_state read_parts(void *ctx, struct query_node node, const struct path *path,
				   size_t *count)
{
	const struct world *w = ctx;
	const struct facts *f = w->f;
	struct query_node at;
	const uint32_t *cells;

	*count = 0;
	if (!owner_of(w, node, path->owner, &at))
		return VALUE_UNKNOWN;
	if (path->slot == SLOT_ACCOUNTS)
		*count = w->account_at[at.i + 1] - w->account_at[at.i];
	else if (path->slot == SLOT_SEATS)
		*count = f->seat_at[at.i + 1] - f->seat_at[at.i];
	else if (path->slot < POLICY_DERIVED)
		return column_cells(w, at, (uint32_t)path->slot, &cells, count);
	return *count ? VALUE_PRESENT : VALUE_ABSENT;
}

static struct query_node read_part(void *ctx, struct query_node node, const struct path *path,
				   size_t i)
{
	const struct world *w = ctx;
	struct query_node at;
	uint32_t cell, record;

	(void)owner_of(w, node, path->owner, &at);
	if (path->slot == SLOT_ACCOUNTS)
		return (struct query_node){ &at_account,
					    w->account_rows[w->account_at[at.i] + i] };
	if (path->slot == SLOT_SEATS)
		return (struct query_node){ &at_seat, w->f->seat_at[at.i] + i };
	(void)view_cell(w, (uint32_t)at.i, (uint32_t)path->slot, &cell, &record);
	return (struct query_node){ &at_element, (uint64_t)record << 32 | (uint32_t)i };
}

static const struct query_reader reader = { read_count, read_value, read_parts, read_part };

enum truth view_eval(const struct world *w, const struct query *q, const struct subject *s)
{
	union {
		const struct world *in;
		void *out;
	} ctx = { .in = w }; /* the reader takes it as it is: read only */

	if (!q)
		return TRUTH_TRUE;
	return query_eval(q, &reader, ctx.out, node_of(s), QUERY_POLICY, w->f->round.now_ms);
}

struct moment view_moment(const struct world *w, const struct path *path,
			  const struct subject *s)
{
	struct moment m = { VALUE_UNKNOWN, 0 };
	const uint32_t *cells;
	struct query_node at;
	struct value v = { .type = VALUE_NULL };
	size_t count;

	if (!owner_of(w, node_of(s), path->owner, &at))
		return m;
	if (path->slot < POLICY_DERIVED) {
		m.state = column_cells(w, at, (uint32_t)path->slot, &cells, &count);
		if (m.state == VALUE_PRESENT)
			cell_value(w->f, &w->f->columns.v[path->slot], cells[0], &v);
	} else {
		m.state = derived_value(w, at, path->slot, &v);
	}
	if (m.state == VALUE_PRESENT && v.type != VALUE_TIME)
		m.state = VALUE_UNKNOWN;
	m.ms = v.integer;
	return m;
}

/* --- what it rests on -----------------------------------------------------------------------
 */

static void person_path_basis(const struct world *w, uint32_t person, const struct path *path,
			      struct basis *ret)
{
	struct standing s;
	uint32_t cell, record;

	if (path->slot == SLOT_LEAVE_DATE) {
		ret->sources |= view_leave_date(w, person).sources;
	} else if (path->slot >= SLOT_STATUS && path->slot < SLOT_LEAVE_DATE) {
		s = view_standing(
			w, person,
			(enum source_role)((path->slot - SLOT_STATUS) % SOURCE_ROLE_COUNT));
		ret->sources |= s.sources;
		if (s.absence)
			ret->absent |= s.sources;
	} else if (path->slot == SLOT_ACCOUNTS) {
		ret->org = true;
	} else if (path->slot < POLICY_DERIVED) {
		if (view_cell(w, person, (uint32_t)path->slot, &cell, &record) ==
		    VALUE_PRESENT) {
			ret->sources |= bit(w->f->records.v[record].source);
			return;
		}
		/* that nobody has it rests on all who could have said so */
		for (uint32_t i = w->record_at[person]; i < w->record_at[person + 1]; i++)
			ret->sources |= bit(w->f->records.v[w->record_rows[i]].source);
	}
}

static void path_basis(const struct world *w, const struct path *path, const struct subject *s,
		       struct basis *ret)
{
	struct query_node at;

	if (!owner_of(w, node_of(s), path->owner, &at))
		return;
	if (at.p == &at_person) {
		person_path_basis(w, (uint32_t)at.i, path, ret);
		return;
	}
	ret->org = true;
	if (at.p == &at_account && path->slot == SLOT_ACCOUNT_LAST_LOGIN &&
	    w->account_person[at.i] != FACTS_NONE)
		person_path_basis(w, w->account_person[at.i],
				  &(struct path){ .slot = (int)w->p->last_login }, ret);
}

static void tree_basis(const struct world *w, const struct query *q, const struct subject *s,
		       struct basis *ret)
{
	if (q->kind == QUERY_TEST || q->kind == QUERY_PART) {
		path_basis(w, &q->path, s, ret);
		return;
	}
	if (q->left)
		tree_basis(w, q->left, s, ret);
	if (q->right)
		tree_basis(w, q->right, s, ret);
}

void view_basis(const struct world *w, const struct query *q, const struct path *anchor,
		const struct subject *s, struct basis *ret)
{
	*ret = (struct basis){ 0 };
	if (q)
		tree_basis(w, q, s, ret);
	if (anchor && anchor->name)
		path_basis(w, anchor, s, ret);
}

/* --- what was seen -------------------------------------------------------------------------
 */

static const char *const value_state_words[] = {
	[VALUE_ABSENT] = "absent", [VALUE_PRESENT] = "present", [VALUE_UNKNOWN] = "unknown"
};

static void seen_value(const struct value *v, struct seen *ret)
{
	char stamp[STAMP_TEXT_BYTES];

	switch (v->type) {
	case VALUE_TIME:
		stamp_text(v->integer, stamp);
		(void)snprintf(ret->value, sizeof(ret->value), "%s", stamp);
		return;
	case VALUE_BOOL:
		(void)snprintf(ret->value, sizeof(ret->value), "%s",
			       v->boolean ? "true" : "false");
		return;
	case VALUE_INT:
		(void)snprintf(ret->value, sizeof(ret->value), "%lld", (long long)v->integer);
		return;
	case VALUE_TEXT:
		(void)snprintf(ret->value, sizeof(ret->value), "%.*s",
			       (int)(v->text.len < sizeof(ret->value) ? v->text.len
								      : sizeof(ret->value) - 1),
			       v->text.p ? v->text.p : "");
		return;
	default:
		return;
	}
}

/* The source that a bit field names first, or the organisation. */
static uint32_t source_of(const struct world *w, const struct path *path,
			  const struct subject *s)
{
	struct basis b = { 0 };

	path_basis(w, path, s, &b);
	for (uint32_t i = 0; i < w->f->sources.n; i++)
		if (b.sources & bit(i))
			return i;
	return FACTS_NONE;
}

static bool is_personal(int slot)
{
	return slot < POLICY_DERIVED || slot == SLOT_ACCOUNT_ID || slot == SLOT_ACCOUNT_EMAIL ||
	       slot == SLOT_ACCOUNT_NAME;
}

/* As policies spell it: the URNs of the two extensions have short names. */
static void path_name(const struct path *path, char *ret, size_t room)
{
	static const char *const owners[] = { "", "person.", "account." };
	const char *urn = path->urn ? path->urn : "", *colon = path->urn ? ":" : "";

	if (strcmp(urn, SCHEMA_EMPLOYMENT) == 0) {
		urn = "employment";
		colon = ".";
	} else if (strcmp(urn, SCHEMA_ENTERPRISE) == 0) {
		urn = "enterprise";
		colon = ".";
	}
	(void)snprintf(ret, room, "%s%s%s%s%s%s", owners[path->owner], urn, colon,
		       path->name ? path->name : "", path->sub ? "." : "",
		       path->sub ? path->sub : "");
}

static int seen_path(const struct world *w, const struct query *q, const struct subject *s,
		     int (*fn)(void *ctx, const struct seen *seen, struct err *err), void *ctx,
		     struct err *err)
{
	union {
		const struct world *in;
		void *out;
	} world = { .in = w };
	struct seen seen = { .source = source_of(w, &q->path, s),
			     .personal = is_personal(q->path.slot) };
	struct query_node node = node_of(s);
	enum value_state state;
	size_t count;
	struct value v = { .type = VALUE_NULL };
	bool folded;

	path_name(&q->path, seen.path, sizeof(seen.path));
	if (q->kind == QUERY_PART) {
		state = read_parts(world.out, node, &q->path, &count);
		if (state == VALUE_PRESENT)
			(void)snprintf(seen.value, sizeof(seen.value), "%zu", count);
	} else {
		state = read_count(world.out, node, &q->path, &count);
		if (state == VALUE_PRESENT && count > 0)
			read_value(world.out, node, &q->path, 0, &v, &folded);
		seen_value(&v, &seen);
		if (v.type != VALUE_TEXT)
			seen.personal = false;
	}
	seen.state = value_state_words[state];
	return fn(ctx, &seen, err);
}

/* A path that a tree names twice is told once. */
static bool named_before(const struct query *all, const struct query *q, bool *stop)
{
	if (all == q) {
		*stop = true;
		return false;
	}
	if (all->kind == QUERY_TEST || all->kind == QUERY_PART)
		return all->kind == q->kind && path_equal(&all->path, &q->path);
	if (all->left && named_before(all->left, q, stop))
		return true;
	return !*stop && all->right && named_before(all->right, q, stop);
}

static int seen_tree(const struct world *w, const struct query *all, const struct query *q,
		     const struct subject *s,
		     int (*fn)(void *ctx, const struct seen *seen, struct err *err), void *ctx,
		     struct err *err)
{
	bool stop = false;
	int r = 0;

	if (q->kind == QUERY_TEST || q->kind == QUERY_PART)
		return named_before(all, q, &stop) ? 0 : seen_path(w, q, s, fn, ctx, err);
	if (q->left)
		r = seen_tree(w, all, q->left, s, fn, ctx, err);
	if (r >= 0 && q->right)
		r = seen_tree(w, all, q->right, s, fn, ctx, err);
	return r;
}

int view_seen(const struct world *w, const struct query *q, const struct subject *s,
	      int (*fn)(void *ctx, const struct seen *seen, struct err *err), void *ctx,
	      struct err *err)
{
	return q ? seen_tree(w, q, q, s, fn, ctx, err) : 0;
}
