#include "reconcile/bulk.h"

#include <stdlib.h>

#include "reconcile/diff.h"
#include "reconcile/ports.h"

/* clang-format off */
const struct bulk_op_row bulk_ops[BULK_OP_COUNT] = {
	[BULK_ACTIVATE]       = { "activate",       ACTION_ENABLE,         true },
	[BULK_DEACTIVATE]     = { "deactivate",     ACTION_DEACTIVATE,     true },
	[BULK_SUSPEND]        = { "suspend",        ACTION_SUSPEND,        true },
	[BULK_RESTORE]        = { "restore",        ACTION_RESTORE,        true },
	[BULK_DELETE]         = { "delete",         ACTION_DELETE,         true },
	[BULK_CANCEL_DELETE]  = { "cancel-delete",  ACTION_CANCEL_DELETE,  true },
	[BULK_REVOKE_TOKENS]  = { "revoke-tokens",  ACTION_REVOKE_TOKENS,  false },
	[BULK_FREE_SEAT]      = { "free-seat",      ACTION_FREE_SEAT,      false },
	[BULK_ADD_GROUP]      = { "add-group",      ACTION_ADD_GROUPS,     false },
	[BULK_REMOVE_GROUP]   = { "remove-group",   ACTION_REMOVE_GROUPS,  false },
	[BULK_COPY_GROUPS]    = { "copy-groups",    ACTION_ADD_GROUPS,     false },
	[BULK_CHANGE_PROFILE] = { "change-profile", ACTION_CHANGE_PROFILE, false },
	[BULK_CREATE_GROUP]   = { "create-group",   ACTION_CREATE_GROUP,   false },
	[BULK_DROP_GROUP]     = { "drop-group",     ACTION_DROP_GROUP,     false },
};

/* Of one account: what blocks, then what it leads to, then what gives. */
static const uint8_t kind_places[ACTION_KIND_COUNT] = {
	[ACTION_SUSPEND] = 0,      [ACTION_DEACTIVATE] = 0,    [ACTION_DELETE] = 0,
	[ACTION_CANCEL_DELETE] = 0, [ACTION_ENABLE] = 0,       [ACTION_RESTORE] = 0,
	[ACTION_REVOKE_TOKENS] = 1, [ACTION_FREE_SEAT] = 2,    [ACTION_REMOVE_GROUPS] = 3,
	[ACTION_ADD_GROUPS] = 4,    [ACTION_CHANGE_PROFILE] = 5,
};

static const char *const status_words[BULK_STATUS_COUNT] = {
	[BULK_FAULTY] = "faulty",   [BULK_ELSEWHERE] = "not-found", [BULK_ALREADY] = "already",
	[BULK_PENDING] = "pending", [BULK_PLANNED] = "planned",     [BULK_HELD] = "held",
};
/* clang-format on */

const char *bulk_status_word(enum bulk_status status)
{
	return (unsigned)status < BULK_STATUS_COUNT ? status_words[status] : "unknown";
}

bool bulk_op_of(struct str word, enum bulk_op *ret)
{
	for (int i = 0; i < BULK_OP_COUNT; i++)
		if (str_ieq(word, str_of(bulk_ops[i].word))) {
			*ret = (enum bulk_op)i;
			return true;
		}
	return false;
}

void bulk_count(const struct bulk_request *request, struct bulk_counts *ret)
{
	*ret = (struct bulk_counts){ { 0 } };
	for (size_t i = 0; i < request->n; i++)
		ret->v[request->answers[i].status]++;
}

/* --- whom the rows name ---------------------------------------------------------------------
 */

#define SEVERAL (FACTS_NONE - 1) /* an address or a name that two have */

/* What a key text names: slot i of .rows is for text i of .keys. */
struct names {
	struct pool keys;
	struct vec_u32 rows;
};

/* A row and what was found for it. */
struct found {
	uint32_t row; /* of the request */
	uint32_t account, product, group;
};

VEC(vec_found, struct found);

struct bulk {
	struct round *round;
	const struct facts *f;
	const struct bulk_request *request;
	struct names ids, mails, people, group_names, group_ids;
	struct vec_found found;  /* of rows that want something; sorted */
	const char **notes;      /* by row: what of a copy is left out; NULL: nothing */
	uint8_t *made;           /* by group: a row of the request drops it */
	struct names new_groups; /* names that rows want to make */
	uint32_t things;
	const char *directory; /* the only one there is; NULL: none or several */
	struct err *err;
};

static void names_done(struct names *n)
{
	pool_done(&n->keys);
	vec_u32_done(&n->rows);
}

/* Faults NOMEM. Another row under the same text: SEVERAL. */
static int names_put(struct names *n, struct str text, bool fold, uint32_t row, struct err *err)
{
	uint32_t id;
	int r = fold ? pool_add_folded(&n->keys, text, &id, err)
		     : pool_add(&n->keys, text, &id, err);

	if (r < 0 || id < FRAME_FIRST)
		return r;
	while (n->rows.n <= id)
		if (vec_u32_add(&n->rows, FACTS_NONE) < 0)
			return err_nomem(err);
	if (n->rows.v[id] == FACTS_NONE || n->rows.v[id] == row)
		n->rows.v[id] = row;
	else
		n->rows.v[id] = SEVERAL;
	return 0;
}

static int names_get(struct names *n, struct str text, bool fold, uint32_t *ret,
		     struct err *err)
{
	uint32_t id = FRAME_ABSENT;
	int r = 0;

	/* what is asked for takes little memory beside what is there */
	if (fold)
		r = pool_add_folded(&n->keys, text, &id, err);
	else
		id = pool_find(&n->keys, text);
	*ret = r == 0 && id >= FRAME_FIRST && id < n->rows.n ? n->rows.v[id] : FACTS_NONE;
	return r;
}

static int accounts_name(struct bulk *b)
{
	const struct world *w = b->round->w;
	int r = 0;

	for (uint32_t i = 0; i < b->f->accounts.n && r == 0; i++) {
		const struct row_account *a = &b->f->accounts.v[i];

		b->round->scope_asked += desire_is_subject(w, i);
		r = names_put(&b->ids, pool_str(&b->f->pool, a->id), false, i, b->err);
		if (r == 0 && a->email >= FRAME_FIRST)
			r = names_put(&b->mails, pool_str(&b->f->pool, a->email), true, i,
				      b->err);
	}
	return r;
}

static int groups_name(struct bulk *b)
{
	int r = 0;

	for (uint32_t i = 0; i < b->f->groups.n && r == 0; i++) {
		const struct row_group *g = &b->f->groups.v[i];

		r = names_put(&b->group_ids, pool_str(&b->f->pool, g->id), false, i, b->err);
		if (r == 0)
			r = names_put(&b->group_names, pool_str(&b->f->pool, g->name), true, i,
				      b->err);
	}
	return r;
}

/* The addresses by which the sources know people, for accounts that hide theirs. */
static int people_name(struct bulk *b)
{
	const struct world *w = b->round->w;
	int r = 0;

	for (uint32_t i = 0; i < b->f->records.n && r == 0; i++) {
		struct str name;

		if (w->record_person[i] == FACTS_NONE || w->person_doubt[w->record_person[i]])
			continue;
		if (facts_text(b->f, i, w->p->fixed[COL_USER_NAME], &name) == VALUE_PRESENT)
			r = names_put(&b->people, name, true, w->record_person[i], b->err);
	}
	return r;
}

/* Of groups to be made: the directory where there is only one. */
static int directory_find(struct bulk *b)
{
	uint32_t only = FRAME_ABSENT;
	bool several = false;

	for (uint32_t i = 0; i < b->f->groups.n; i++) {
		uint32_t d = b->f->groups.v[i].directory;

		several = several || (d >= FRAME_FIRST && only >= FRAME_FIRST && d != only);
		only = d >= FRAME_FIRST ? d : only;
	}
	for (uint32_t i = 0; i < b->f->accounts.n; i++) {
		uint32_t d = b->f->accounts.v[i].directory;

		several = several || (d >= FRAME_FIRST && only >= FRAME_FIRST && d != only);
		only = d >= FRAME_FIRST ? d : only;
	}
	if (several || only < FRAME_FIRST)
		return 0;
	return arena_text(b->round->arena, pool_str(&b->f->pool, only), &b->directory, b->err);
}

/* --- faults ---------------------------------------------------------------------------------
 */

static int fault(struct bulk *b, struct bulk_answer *a, enum bulk_cell cell, const char *format,
		 ...) PRINTF(4, 5);
static int fault(struct bulk *b, struct bulk_answer *a, enum bulk_cell cell, const char *format,
		 ...)
{
	va_list args;
	int r;

	a->status = BULK_FAULTY;
	a->cell = cell;
	va_start(args, format);
	r = arena_vtextf(b->round->arena, &a->text, b->err, format, args);
	va_end(args);
	return r;
}

static void already(struct bulk_answer *a, const char *text)
{
	a->status = BULK_ALREADY;
	a->text = text;
}

/* --- accounts -------------------------------------------------------------------------------
 */

/* The one account of a person. */
static int of_person(struct bulk *b, uint32_t person, enum bulk_cell cell,
		     struct bulk_answer *a, uint32_t *ret)
{
	const struct world *w = b->round->w;
	uint32_t from = w->account_at[person], to = w->account_at[person + 1];

	if (from == to)
		return 0;
	if (to - from > 1)
		return fault(
			b, a, cell,
			"person %llu has %u accounts in this organisation: name one by its "
			"account id",
			(unsigned long long)w->numbers[person], to - from);
	*ret = w->account_rows[from];
	return 0;
}

static int by_email(struct bulk *b, struct str mail, enum bulk_cell cell, struct bulk_answer *a,
		    uint32_t *ret)
{
	uint32_t row, person;
	int r = names_get(&b->mails, mail, true, &row, b->err);

	if (r == 0 && row == SEVERAL)
		return fault(b, a, cell,
			     "several accounts have this address: name one by its account id");
	if (r < 0 || row != FACTS_NONE) {
		*ret = row;
		return r;
	}
	r = names_get(&b->people, mail, true, &person, b->err);
	if (r == 0 && person == SEVERAL)
		return fault(b, a, cell, "several people have this user name");
	return r < 0 || person == FACTS_NONE ? r : of_person(b, person, cell, a, ret);
}

static int by_number(struct bulk *b, struct str text, enum bulk_cell cell,
		     struct bulk_answer *a, uint32_t *ret)
{
	uint64_t number;
	uint32_t person;

	if (text.len && text.p[0] == '#')
		text = str_n(text.p + 1, text.len - 1);
	if (!str_uint64(text, &number) || number == 0)
		return cell == BULK_PERSON
			       ? fault(b, a, cell, "a person is named by the ledger's number")
			       : 0;
	person = world_person(b->round->w, number);
	return person == FACTS_NONE ? 0 : of_person(b, person, cell, a, ret);
}

static int by_cell(struct bulk *b, struct str text, enum bulk_cell cell, struct bulk_answer *a,
		   uint32_t *ret)
{
	int r = 0;

	if (cell == BULK_ACCOUNT_ID || cell == BULK_WHO)
		r = names_get(&b->ids, text, false, ret, b->err);
	if (r == 0 && *ret == FACTS_NONE && a->status != BULK_FAULTY &&
	    (cell == BULK_EMAIL || cell == BULK_WHO))
		r = by_email(b, text, cell, a, ret);
	if (r == 0 && *ret == FACTS_NONE && a->status != BULK_FAULTY &&
	    (cell == BULK_PERSON || cell == BULK_WHO))
		r = by_number(b, text, cell, a, ret);
	return r;
}

static int not_here(struct bulk *b, enum bulk_cell cell, struct bulk_answer *a)
{
	if (!b->request->others)
		return fault(b, a, cell,
			     "no account of this organisation is named so: give an account id, "
			     "a mail address, or a person's number whose account it is");
	a->status = BULK_ELSEWHERE;
	a->cell = cell;
	return 0;
}

/* Every value that names somebody must name the same one. */
static int account_find(struct bulk *b, const struct bulk_row *row, struct bulk_answer *a,
			uint32_t *ret)
{
	static const enum bulk_cell whose[] = { BULK_WHO, BULK_ACCOUNT_ID, BULK_EMAIL,
						BULK_PERSON };
	uint32_t found = FACTS_NONE;
	bool any = false;

	if (row->account) {
		*ret = facts_account_by_number(b->f, row->account);
		return *ret == FACTS_NONE ? not_here(b, BULK_WHO, a) : 0;
	}
	for (size_t i = 0; i < COUNT_OF(whose); i++) {
		enum bulk_cell cell = whose[i];
		uint32_t one = FACTS_NONE;
		int r;

		if (!row->cells[cell].len)
			continue;
		any = true;
		r = by_cell(b, row->cells[cell], cell, a, &one);
		if (r < 0 || a->status == BULK_FAULTY)
			return r;
		if (one == FACTS_NONE)
			return not_here(b, cell, a);
		if (found != FACTS_NONE && one != found)
			return fault(b, a, cell,
				     "the row names two accounts: this value and one before it "
				     "do not belong together");
		found = one;
	}
	*ret = found;
	return any ? 0 : fault(b, a, BULK_WHO, "the row names nobody");
}

/* --- groups and products --------------------------------------------------------------------
 */

static int group_find(struct bulk *b, struct str text, struct bulk_answer *a, uint32_t *ret)
{
	int r = names_get(&b->group_ids, text, false, ret, b->err);

	if (r == 0 && *ret == FACTS_NONE)
		r = names_get(&b->group_names, text, true, ret, b->err);
	if (r == 0 && *ret == SEVERAL)
		return fault(b, a, BULK_GROUP,
			     "several groups have this name: name one by its id");
	return r;
}

static int group_wanted(struct bulk *b, const struct bulk_row *row, struct bulk_answer *a,
			uint32_t *ret)
{
	int r;

	if (!row->cells[BULK_GROUP].len)
		return fault(b, a, BULK_GROUP, "%s takes a group", bulk_ops[row->op].word);
	r = group_find(b, row->cells[BULK_GROUP], a, ret);
	if (r < 0 || a->status == BULK_FAULTY || *ret != FACTS_NONE)
		return r;
	if (b->request->others) {
		a->status = BULK_ELSEWHERE;
		a->cell = BULK_GROUP;
		return 0;
	}
	return fault(b, a, BULK_GROUP,
		     "the organisation has no such group as last collected: make it first "
		     "(create-group), then leaverd collect");
}

/* The product of a seat; without a site where only one site has it. */
static int product_find(struct bulk *b, const struct bulk_row *row, struct bulk_answer *a,
			uint32_t *ret)
{
	struct str key = row->cells[BULK_PRODUCT], site = row->cells[BULK_SITE];
	size_t n = 0;

	if (!key.len)
		return fault(b, a, BULK_PRODUCT, "free-seat takes a product");
	for (uint32_t i = 0; i < b->f->products.n; i++) {
		const struct row_product *p = &b->f->products.v[i];

		if (!str_ieq(pool_str(&b->f->pool, p->key), key) ||
		    (site.len && !str_ieq(pool_str(&b->f->pool, p->site), site)))
			continue;
		*ret = i;
		n++;
	}
	if (n == 1)
		return 0;
	if (n == 0 && b->request->others) {
		a->status = BULK_ELSEWHERE;
		a->cell = BULK_PRODUCT;
		return 0;
	}
	return fault(b, a, n ? BULK_SITE : BULK_PRODUCT,
		     n ? "several sites have this product: name the site"
		       : "the organisation has no such product as last collected");
}

/* --- is it so already? ----------------------------------------------------------------------
 */

static bool is_member(const struct facts *f, uint32_t account, uint32_t group)
{
	for (uint32_t m = f->member_at[account]; m < f->member_at[account + 1]; m++)
		if (f->members.v[m].b == group)
			return true;
	return false;
}

static bool has_seat(const struct facts *f, uint32_t account, uint32_t product)
{
	for (uint32_t i = f->seat_at[account]; i < f->seat_at[account + 1]; i++)
		if (f->seats.v[i].product == product)
			return true;
	return false;
}

#define ST(status) (1u << ACCOUNT_##status)

/* In which status an operation has nothing to do, and in which it is the wrong one. */
static const struct {
	enum bulk_op op;
	unsigned done, wrong;
	const char *instead;
} statuses[] = {
	{ BULK_ACTIVATE, ST(ACTIVE) | ST(NOT_INVITED), ST(SUSPENDED) | ST(DELETING),
	  "an account that is suspended is restored, one that is to be deleted takes "
	  "cancel-delete" },
	{ BULK_DEACTIVATE, ST(DEACTIVATED) | ST(DELETING), 0, NULL },
	{ BULK_SUSPEND, ST(SUSPENDED) | ST(DEACTIVATED) | ST(DELETING) | ST(NOT_INVITED), 0,
	  NULL },
	{ BULK_RESTORE, ST(ACTIVE), ST(DEACTIVATED) | ST(DELETING) | ST(NOT_INVITED),
	  "only what is suspended is restored: what is deactivated takes activate, what is to "
	  "be deleted takes cancel-delete, what has no access an invitation" },
	{ BULK_DELETE, ST(DELETING), 0, NULL },
	{ BULK_CANCEL_DELETE, ST(ACTIVE) | ST(SUSPENDED) | ST(NOT_INVITED) | ST(DEACTIVATED), 0,
	  NULL },
};

static int status_judge(struct bulk *b, const struct bulk_row *row, unsigned status,
			struct bulk_answer *a)
{
	for (size_t i = 0; i < COUNT_OF(statuses); i++) {
		if (statuses[i].op != row->op)
			continue;
		if (statuses[i].done >> status & 1)
			already(a, account_status_word((enum account_status)status));
		else if (statuses[i].wrong >> status & 1)
			return fault(b, a, BULK_OP, "it is %s: %s",
				     account_status_word((enum account_status)status),
				     statuses[i].instead);
	}
	return 0;
}

static int profile_judge(struct bulk *b, const struct bulk_row *row,
			 const struct row_account *account, struct bulk_answer *a)
{
	struct str name = row->cells[BULK_NAME], mail = row->cells[BULK_NEW_EMAIL];
	const char *at = mail.len ? memchr(mail.p, '@', mail.len) : NULL;
	uint32_t other = FACTS_NONE;
	int r = 0;

	if (!name.len && !mail.len)
		return fault(b, a, BULK_NAME, "change-profile takes a name or a new_email");
	if (mail.len && (!at || at == mail.p || at + 1 == mail.p + mail.len))
		return fault(b, a, BULK_NEW_EMAIL, "this is no mail address");
	if (mail.len)
		r = names_get(&b->mails, mail, true, &other, b->err);
	if (r < 0)
		return r;
	if (other != FACTS_NONE && (other == SEVERAL || &b->f->accounts.v[other] != account))
		return fault(b, a, BULK_NEW_EMAIL, "another account has this address");
	if ((!name.len || str_eq(name, pool_str(&b->f->pool, account->name))) &&
	    (!mail.len || str_eq(mail, pool_str(&b->f->pool, account->email))))
		already(a, "the profile says so");
	return 0;
}

/* --- groups as somebody else has them ------------------------------------------------------
 */

/* Why nobody copies that group; NULL: it is copied. */
static const char *not_copied(const struct row_group *g)
{
	if (g->admin == TRI_YES)
		return "it gives administrators their right";
	if (g->synced == TRI_YES)
		return "its members come from the identity provider";
	if (g->modifiable == TRI_NO)
		return "Atlassian does not let it be changed";
	if (g->synced == TRI_UNKNOWN || g->admin == TRI_UNKNOWN)
		return "where its members come from, or whether it gives administration, was "
		       "not read";
	return NULL;
}

static int like_find(struct bulk *b, const struct bulk_row *row, uint32_t account,
		     struct bulk_answer *a, uint32_t *ret)
{
	struct str who = row->cells[BULK_LIKE];
	enum bulk_cell as[] = { BULK_ACCOUNT_ID, BULK_EMAIL, BULK_PERSON };
	int r = 0;

	if (!who.len)
		return fault(b, a, BULK_LIKE, "copy-groups takes whose: like");
	for (size_t i = 0; i < COUNT_OF(as) && r == 0 && *ret == FACTS_NONE; i++)
		if (as[i] != BULK_PERSON || (who.p[0] >= '0' && who.p[0] <= '9') ||
		    who.p[0] == '#')
			r = by_cell(b, who, as[i], a, ret);
	if (r == 0 && a->status == BULK_FAULTY)
		a->cell = BULK_LIKE;
	if (r < 0 || a->status == BULK_FAULTY)
		return r;
	if (*ret == FACTS_NONE)
		return not_here(b, BULK_LIKE, a);
	if (*ret == account)
		return fault(b, a, BULK_LIKE, "nobody is like themselves");
	if (!desire_is_subject(b->round->w, *ret))
		return fault(b, a, BULK_LIKE,
			     "it is an app's, a customer's or a service's account: what it is "
			     "in is no example for people");
	if (b->f->accounts.v[*ret].paths_known != TRI_YES)
		return fault(b, a, BULK_LIKE, "which groups that account is in was not read");
	return 0;
}

/* By name, so that the same is said whatever order they were read in. */
static int group_name_cmp(const void *pa, const void *pb, void *ctx)
{
	const struct facts *f = ctx;
	const struct row_group *x = &f->groups.v[*(const uint32_t *)pa];
	const struct row_group *y = &f->groups.v[*(const uint32_t *)pb];
	int c = str_cmp(pool_str(&f->pool, x->name), pool_str(&f->pool, y->name));

	return c ? c : str_cmp(pool_str(&f->pool, x->id), pool_str(&f->pool, y->id));
}

/* The groups of the reference account that the row's is not in: one more of .found for each;
 * what is left out is told. */
static int copies_add(struct bulk *b, const struct found *found, uint32_t like,
		      const uint32_t *groups, size_t n, struct bulk_answer *a)
{
	CLEANUP(buf_done) struct buf left;
	size_t wanted = 0;
	int r = 0;

	buf_init(&left, 65536);
	buf_addf(&left, "groups as of account %llu",
		 (unsigned long long)b->f->accounts.v[like].number);
	for (size_t i = 0, out = 0; i < n && r == 0; i++) {
		const struct row_group *g = &b->f->groups.v[groups[i]];
		const char *why = not_copied(g);
		struct found one = *found;

		if (why)
			buf_addf(&left, "%s" STR_FMT " (%s)", out++ ? ", " : ", but not ",
				 STR_ARG(pool_str(&b->f->pool, g->name)), why);
		if (why || is_member(b->f, found->account, groups[i]))
			continue;
		one.group = groups[i];
		wanted++;
		r = vec_found_add(&b->found, one) < 0 ? err_nomem(b->err) : 0;
	}
	if (r == 0)
		r = buf_fault(&left, b->err, "what is not copied");
	if (r == 0)
		r = arena_text(b->round->arena, buf_str(&left), &b->notes[found->row], b->err);
	if (r == 0 && wanted == 0) {
		already(a, "it is in all of these groups that are copied");
		a->text = n ? b->notes[found->row] : a->text;
	}
	return r;
}

static int copy_judge(struct bulk *b, const struct bulk_row *row, const struct found *found,
		      struct bulk_answer *a)
{
	CLEANUP(free_at) uint32_t *groups = NULL;
	uint32_t like = FACTS_NONE, from, n;
	int r = like_find(b, row, found->account, a, &like);

	if (r < 0 || a->status != BULK_PLANNED)
		return r;
	from = b->f->member_at[like];
	n = b->f->member_at[like + 1] - from;
	groups = calloc((size_t)n + 1, sizeof(*groups));
	if (!groups)
		return err_nomem(b->err);
	for (uint32_t i = 0; i < n; i++)
		groups[i] = b->f->members.v[from + i].b;
	{
		union {
			const struct facts *in;
			void *out;
		} ctx = { .in = b->f };

		qsort_r(groups, n, sizeof(*groups), group_name_cmp, ctx.out);
	}
	return copies_add(b, found, like, groups, n, a);
}

static int account_row_judge(struct bulk *b, const struct bulk_row *row, struct found *found,
			     struct bulk_answer *a)
{
	const struct row_account *account;
	int r = account_find(b, row, a, &found->account);

	if (r < 0 || a->status != BULK_PLANNED)
		return r;
	account = &b->f->accounts.v[found->account];
	if (!desire_is_subject(b->round->w, found->account))
		return fault(b, a, BULK_WHO,
			     "it is an app's, a customer's or a service's "
			     "account: leaverd never changes those");
	if (row->op == BULK_FREE_SEAT)
		r = product_find(b, row, a, &found->product);
	if (row->op == BULK_ADD_GROUP || row->op == BULK_REMOVE_GROUP)
		r = group_wanted(b, row, a, &found->group);
	if (r < 0 || a->status != BULK_PLANNED)
		return r;
	if (row->op == BULK_COPY_GROUPS)
		return copy_judge(b, row, found, a);
	if (row->op == BULK_CHANGE_PROFILE)
		return profile_judge(b, row, account, a);
	if (bulk_ops[row->op].status)
		return status_judge(b, row, account->status, a);
	if (row->op == BULK_REVOKE_TOKENS && account->tokens == TRI_NO)
		already(a, "it has no API tokens");
	if (row->op == BULK_FREE_SEAT && !has_seat(b->f, found->account, found->product))
		already(a, "it does not hold that seat");
	if (row->op == BULK_ADD_GROUP && is_member(b->f, found->account, found->group))
		already(a, "it is a member");
	if (row->op == BULK_REMOVE_GROUP && !is_member(b->f, found->account, found->group))
		already(a, "it is no member");
	return 0;
}

/* --- groups as such -------------------------------------------------------------------------
 */

/* One row's step and candidate, about no account. */
static int thing_add(struct bulk *b, enum action_kind kind, enum step_op op,
		     const struct action_step *step, struct bulk_answer *a)
{
	struct round *round = b->round;
	int64_t now = round->w->f->round.now_ms;
	struct action_step *copy;
	struct candidate c = {
		.kind = kind,
		.class = PLAN_ASKED,
		.s = { SUBJECT_ACCOUNT, FACTS_NONE, FACTS_NONE, FACTS_NONE },
		.product = FACTS_NONE,
		.due_ms = now,
		.anchor_ms = now,
		.thing = step->name,
		.thing_number = ++b->things,
		.step_count = 1,
	};
	int r = arena_alloc(round->arena, sizeof(*copy), &copy, b->err);

	if (r < 0)
		return r;
	*copy = *step;
	copy->op = op;
	c.steps = copy;
	c.before.provision = kind == ACTION_CREATE_GROUP ? PROVISION_NONE : PROVISION_PLANNED;
	c.after.provision = kind == ACTION_CREATE_GROUP ? PROVISION_WANTED : PROVISION_NONE;
	c.basis.org = kind == ACTION_DROP_GROUP; /* that nobody is in it was read */
	if (a) {
		a->candidate = round->candidates.n;
		a->status = BULK_PLANNED;
	}
	return vec_candidate_add(&round->candidates, c) < 0 ? err_nomem(b->err) : 0;
}

static int group_make_judge(struct bulk *b, const struct bulk_row *row, uint32_t at,
			    struct bulk_answer *a)
{
	struct str name = row->cells[BULK_GROUP];
	uint32_t there = FACTS_NONE;
	int r;

	if (!name.len)
		return fault(b, a, BULK_GROUP, "create-group takes a group's name");
	if (name.len > 255)
		return fault(b, a, BULK_GROUP, "a group's name has at most 255 bytes");
	r = names_get(&b->group_names, name, true, &there, b->err);
	if (r < 0)
		return r;
	if (there != FACTS_NONE) {
		already(a, "the group is there");
		return 0;
	}
	if (!row->cells[BULK_DIRECTORY].len && !b->directory)
		return fault(b, a, BULK_DIRECTORY,
			     "the organisation has several directories, or none is known: name "
			     "the directory's id");
	r = names_get(&b->new_groups, name, true, &there, b->err);
	if (r == 0 && there != FACTS_NONE)
		return fault(b, a, BULK_GROUP, "a row before this one makes that group");
	return r < 0 ? r : names_put(&b->new_groups, name, true, at, b->err);
}

/* Why a group may not be dropped; NULL: it may. Members and what it gives are asked for again
 * just before. */
static const char *group_used(const struct facts *f, uint32_t group, const bool *has_members)
{
	const struct row_group *g = &f->groups.v[group];

	if (has_members[group])
		return "it has members";
	if (f->grant_at[group] != f->grant_at[group + 1])
		return "it gives products";
	if (g->admin == TRI_YES)
		return "it gives administrators their right";
	if (g->synced == TRI_YES)
		return "it comes from the identity provider";
	if (g->modifiable == TRI_NO)
		return "Atlassian does not let it be changed";
	if (g->synced == TRI_UNKNOWN || g->admin == TRI_UNKNOWN)
		return "where its members come from, or whether it gives administration, was "
		       "not read";
	return NULL;
}

static int members_mark(const struct bulk *b, bool **ret)
{
	bool *v = calloc((size_t)b->f->groups.n + 1, sizeof(*v));

	if (!v)
		return err_nomem(b->err);
	for (size_t i = 0; i < b->f->members.n; i++)
		v[b->f->members.v[i].b] = true;
	*ret = v;
	return 0;
}

static int step_of_group(struct round *round, uint32_t group, struct action_step *ret,
			 struct err *err)
{
	const struct facts *f = round->w->f;
	const struct row_group *g = &f->groups.v[group];
	struct plan_arena *arena = round->arena;
	int r = arena_text(arena, pool_str(&f->pool, g->id), &ret->group, err);

	if (r == 0)
		r = arena_text(arena, pool_str(&f->pool, g->name), &ret->name, err);
	if (r == 0 && g->directory >= FRAME_FIRST)
		r = arena_text(arena, pool_str(&f->pool, g->directory), &ret->directory, err);
	return r;
}

static int group_drop(struct bulk *b, uint32_t group, struct bulk_answer *a)
{
	struct action_step step = { 0 };
	int r = step_of_group(b->round, group, &step, b->err);

	b->made[group] = 1;
	return r < 0 ? r : thing_add(b, ACTION_DROP_GROUP, STEP_DROP_GROUP, &step, a);
}

static int group_drop_judge(struct bulk *b, const struct bulk_row *row, const bool *has_members,
			    struct bulk_answer *a, uint32_t *ret)
{
	const char *used;
	int r;

	if (!row->cells[BULK_GROUP].len)
		return fault(b, a, BULK_GROUP, "drop-group takes a group");
	r = group_find(b, row->cells[BULK_GROUP], a, ret);
	if (r < 0 || a->status == BULK_FAULTY)
		return r;
	if (*ret == FACTS_NONE) {
		already(a, "there is no such group");
		return 0;
	}
	used = group_used(b->f, *ret, has_members);
	if (used)
		return fault(b, a, BULK_GROUP, "only a group that nobody uses is dropped: %s",
			     used);
	if (b->made[*ret])
		return fault(b, a, BULK_GROUP, "a row before this one drops that group");
	b->made[*ret] = 1;
	return 0;
}

static int group_make(struct bulk *b, const struct bulk_row *row, struct bulk_answer *a)
{
	struct action_step step = { .directory = b->directory };
	int r = arena_text(b->round->arena, row->cells[BULK_GROUP], &step.name, b->err);

	if (r == 0 && row->cells[BULK_DIRECTORY].len)
		r = arena_text(b->round->arena, row->cells[BULK_DIRECTORY], &step.directory,
			       b->err);
	return r < 0 ? r : thing_add(b, ACTION_CREATE_GROUP, STEP_MAKE_GROUP, &step, a);
}

/* --- rows -----------------------------------------------------------------------------------
 */

static int rows_judge(struct bulk *b)
{
	CLEANUP(free_at) bool *has_members = NULL;
	int r = members_mark(b, &has_members);

	for (size_t i = 0; i < b->request->n && r == 0; i++) {
		const struct bulk_row *row = &b->request->rows[i];
		struct bulk_answer *a = &b->request->answers[i];
		struct found found = { (uint32_t)i, FACTS_NONE, FACTS_NONE, FACTS_NONE };

		if (a->status == BULK_FAULTY && a->text)
			continue; /* the reader of the file said so */
		*a = (struct bulk_answer){ .status = BULK_PLANNED, .candidate = SIZE_MAX };
		if (row->op == BULK_CREATE_GROUP)
			r = group_make_judge(b, row, (uint32_t)i, a);
		else if (row->op == BULK_DROP_GROUP)
			r = group_drop_judge(b, row, has_members, a, &found.group);
		else
			r = account_row_judge(b, row, &found, a);
		if (r == 0 && a->status == BULK_PLANNED && row->op != BULK_COPY_GROUPS &&
		    vec_found_add(&b->found, found) < 0)
			r = err_nomem(b->err);
	}
	for (uint32_t g = 0; g < b->f->groups.n && r == 0 && b->request->unused_groups; g++)
		b->made[g] = b->made[g] ? 1 : group_used(b->f, g, has_members) ? 0 : 2;
	return r;
}

static enum action_kind kind_of(const struct bulk *b, const struct found *found)
{
	return bulk_ops[b->request->rows[found->row].op].kind;
}

/* By account, kind, product, group, then as the rows came. */
static int found_cmp(const void *px, const void *py, void *ctx)
{
	const struct bulk *b = ctx;
	const struct found *x = px, *y = py;
	enum action_kind kx, ky;

#define BY(a, c)                                                                               \
	if ((a) != (c))                                                                        \
	return (a) < (c) ? -1 : 1
	BY(x->account, y->account);
	kx = kind_of(b, x); /* only now: rows are far apart in memory */
	ky = kind_of(b, y);
	BY(kx, ky);
	BY(x->product, y->product);
	BY(x->group, y->group);
	BY(x->row, y->row);
#undef BY
	return 0;
}

/* Rows about one account that cannot be meant together: *from of them are its. */
static int opposites_judge(struct bulk *b, const struct found *v, size_t n)
{
	const struct found *status = NULL, *profile = NULL;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		const struct bulk_row *row = &b->request->rows[v[i].row];
		struct bulk_answer *a = &b->request->answers[v[i].row];

		if (bulk_ops[row->op].status) {
			if (status && b->request->rows[status->row].op != row->op)
				r = fault(
					b, a, BULK_OP,
					"another row wants %s for this account: one status at "
					"a time",
					bulk_ops[b->request->rows[status->row].op].word);
			status = status ? status : &v[i];
		}
		if (row->op == BULK_CHANGE_PROFILE) {
			if (profile)
				r = fault(b, a, BULK_OP,
					  "another row changes this account's profile");
			profile = profile ? profile : &v[i];
		}
		for (size_t k = 0; k < i && row->op == BULK_REMOVE_GROUP && r == 0; k++)
			if (bulk_ops[b->request->rows[v[k].row].op].kind == ACTION_ADD_GROUPS &&
			    v[k].group == v[i].group)
				r = fault(b, a, BULK_OP,
					  "another row adds this account to that group");
	}
	return r;
}

static int each_account(struct bulk *b,
			int (*fn)(struct bulk *b, const struct found *v, size_t n))
{
	int r = 0;

	const struct found *v = b->found.v;

	for (size_t i = 0, to; i < b->found.n && r == 0; i = to) {
		for (to = i + 1; to < b->found.n && v[to].account == v[i].account;)
			to++;
		if (v[i].account != FACTS_NONE)
			r = fn(b, v + i, to - i);
	}
	return r;
}

/* --- candidates -----------------------------------------------------------------------------
 */

static struct candidate candidate_of(const struct bulk *b, enum action_kind kind,
				     uint32_t account, uint32_t product)
{
	const struct world *w = b->round->w;
	int64_t now = w->f->round.now_ms;

	return (struct candidate){
		.kind = kind,
		.class = PLAN_ASKED,
		.s = { SUBJECT_ACCOUNT, w->account_person[account], account, FACTS_NONE },
		.product = product,
		.step = kind_places[kind],
		.due_ms = stage_opens(w, kind, PLAN_ASKED, now),
		.anchor_ms = now,
	};
}

/* One step a group, each once; the fields say in which of them the account is. */
static int groups_fill(struct bulk *b, const struct found *v, size_t n, struct candidate *c)
{
	struct plan_arena *arena = b->round->arena;
	bool add = c->kind == ACTION_ADD_GROUPS;
	struct action_step *steps = NULL;
	const char **ids = NULL;
	uint32_t *rows = NULL;
	size_t count = 0;
	int r = arena_alloc(arena, n * sizeof(*steps), &steps, b->err);

	if (r == 0)
		r = arena_alloc(arena, n * sizeof(*ids), &ids, b->err);
	if (r == 0)
		r = arena_alloc(arena, n * sizeof(*rows), &rows, b->err);
	for (size_t i = 0; i < n && r == 0; i++) {
		if (count && rows[count - 1] == v[i].group)
			continue;
		steps[count].op = add ? STEP_ADD_GROUP : STEP_REMOVE_GROUP;
		r = step_of_group(b->round, v[i].group, &steps[count], b->err);
		ids[count] = steps[count].group;
		rows[count++] = v[i].group;
	}
	if (r < 0)
		return r;
	c->steps = steps;
	c->step_count = c->group_count = count;
	c->groups = rows;
	c->before.paths = c->after.paths = true;
	*(add ? &c->after : &c->before) =
		(struct action_fields){ .paths = true, .groups = ids, .group_count = count };
	return 0;
}

int bulk_rule_groups(struct round *round, struct candidate *c, const uint32_t *groups, size_t n,
		     struct err *err)
{
	bool add = c->kind == ACTION_ADD_GROUPS;
	struct action_step *steps = NULL;
	const char **ids = NULL;
	uint32_t *rows = NULL;
	int r = arena_alloc(round->arena, (n + 1) * sizeof(*steps), &steps, err);

	if (r == 0)
		r = arena_alloc(round->arena, (n + 1) * sizeof(*ids), &ids, err);
	if (r == 0)
		r = arena_alloc(round->arena, (n + 1) * sizeof(*rows), &rows, err);
	for (size_t i = 0; i < n && r == 0; i++) {
		r = step_of_group(round, groups[i], &steps[i], err);
		steps[i].op = add ? STEP_ADD_GROUP : STEP_REMOVE_GROUP;
		ids[i] = steps[i].group;
		rows[i] = groups[i];
	}
	if (r < 0)
		return r;
	c->steps = steps;
	c->groups = rows;
	c->step_count = c->group_count = n;
	c->before.paths = c->after.paths = true;
	*(add ? &c->after : &c->before) =
		(struct action_fields){ .paths = true, .groups = ids, .group_count = n };
	return 0;
}

static int profile_fill(struct bulk *b, const struct bulk_row *row, struct candidate *c)
{
	const struct row_account *account = &b->f->accounts.v[c->s.account];
	struct plan_arena *arena = b->round->arena;
	struct bulk_profile *p;
	struct action_step *steps;
	const char *text;
	int r = arena_alloc(arena, sizeof(*p), &p, b->err);

	if (r == 0)
		r = arena_alloc(arena, 2 * sizeof(*steps), &steps, b->err);
	if (r < 0)
		return r;
	p->held_email = pool_str(&b->f->pool, account->email);
	p->held_name = pool_str(&b->f->pool, account->name);
	if (row->cells[BULK_NAME].len && !str_eq(row->cells[BULK_NAME], p->held_name)) {
		r = arena_text(arena, row->cells[BULK_NAME], &text, b->err);
		p->name = r == 0 ? str_of(text) : p->name;
		steps[c->step_count++].op = STEP_SET_NAME;
	}
	if (r == 0 && row->cells[BULK_NEW_EMAIL].len &&
	    !str_eq(row->cells[BULK_NEW_EMAIL], p->held_email)) {
		r = arena_text(arena, row->cells[BULK_NEW_EMAIL], &text, b->err);
		p->email = r == 0 ? str_of(text) : p->email;
		steps[c->step_count++].op = STEP_SET_EMAIL;
	}
	c->profile = p;
	c->steps = steps;
	c->before.provision = PROVISION_PLANNED;
	c->after.provision = PROVISION_WANTED;
	return r;
}

/* Rows that make one action: n of one account, kind and product. */
static int candidate_make(struct bulk *b, const struct found *v, size_t n)
{
	struct round *round = b->round;
	enum action_kind kind = kind_of(b, v);
	struct candidate c = candidate_of(b, kind, v->account, v->product);
	int r = 0;

	if (kind == ACTION_ADD_GROUPS || kind == ACTION_REMOVE_GROUPS)
		r = groups_fill(b, v, n, &c);
	for (size_t i = 0; i < n && !c.note; i++)
		c.note = b->notes[v[i].row];
	if (kind == ACTION_CHANGE_PROFILE)
		r = profile_fill(b, &b->request->rows[v->row], &c);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		b->request->answers[v[i].row].candidate = round->candidates.n;
	return vec_candidate_add(&round->candidates, c) < 0 ? err_nomem(b->err) : 0;
}

static bool asks(const struct bulk *b, const struct found *found)
{
	return b->request->answers[found->row].status == BULK_PLANNED;
}

/* More steps than an action may have become several actions' worth of rows: too many. */
static int account_make(struct bulk *b, const struct found *all, size_t n)
{
	int r = 0;

	for (size_t i = 0, to; i < n && r == 0; i = to) {
		for (to = i + 1; to < n && kind_of(b, &all[to]) == kind_of(b, &all[i]) &&
				 all[to].product == all[i].product;)
			to++;
		if (asks(b, &all[i]))
			r = candidate_make(b, all + i, to - i);
	}
	return r;
}

/* A file may name more groups for one account than an action has steps. */
static int steps_judge(struct bulk *b, const struct found *v, size_t n)
{
	size_t run = 0;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		bool same = i && kind_of(b, &v[i]) == kind_of(b, &v[i - 1]) &&
			    v[i].product == v[i - 1].product;

		run = !same ? 1 : run + (v[i].group != v[i - 1].group);
		if (run > APPLY_MAX_STEPS)
			r = fault(b, &b->request->answers[v[i].row], BULK_GROUP,
				  "the rows of one account name more than %d groups: take "
				  "several files",
				  APPLY_MAX_STEPS);
	}
	return r;
}

static bool any_faulty(const struct bulk_request *request)
{
	for (size_t i = 0; i < request->n; i++)
		if (request->answers[i].status == BULK_FAULTY)
			return true;
	return false;
}

/* Rows that are at fault go: their neighbours stay. */
static void faulty_drop(struct bulk *b)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->found.n; i++)
		if (asks(b, &b->found.v[i]))
			b->found.v[kept++] = b->found.v[i];
	b->found.n = kept;
}

static int groups_make(struct bulk *b)
{
	int r = 0;

	for (size_t i = 0; i < b->found.n && r == 0; i++) {
		const struct bulk_row *row = &b->request->rows[b->found.v[i].row];
		struct bulk_answer *a = &b->request->answers[b->found.v[i].row];

		if (row->op == BULK_CREATE_GROUP)
			r = group_make(b, row, a);
		else if (row->op == BULK_DROP_GROUP)
			r = group_drop(b, b->found.v[i].group, a);
	}
	for (uint32_t g = 0; g < b->f->groups.n && r == 0; g++)
		if (b->made[g] == 2)
			r = group_drop(b, g, NULL);
	return r;
}

static int names_begin(struct bulk *b)
{
	struct names *const all[] = { &b->ids,         &b->mails,     &b->people,
				      &b->group_names, &b->group_ids, &b->new_groups };
	int r = 0;

	for (size_t i = 0; i < COUNT_OF(all) && r == 0; i++)
		r = pool_init(&all[i]->keys, b->err);
	if (r == 0)
		r = accounts_name(b);
	if (r == 0)
		r = groups_name(b);
	if (r == 0)
		r = people_name(b);
	return r < 0 ? r : directory_find(b);
}

static int bulk_run(struct bulk *b)
{
	int r = names_begin(b);

	if (r == 0)
		r = rows_judge(b);
	if (r < 0)
		return r;
	if (b->found.n)
		qsort_r(b->found.v, b->found.n, sizeof(*b->found.v), found_cmp, b);
	r = each_account(b, opposites_judge);
	if (r == 0)
		r = each_account(b, steps_judge);
	if (r < 0 || b->request->dry || (any_faulty(b->request) && !b->request->skip_faulty))
		return r;
	faulty_drop(b);
	r = each_account(b, account_make);
	return r < 0 ? r : groups_make(b);
}

int bulk_desire(struct round *round, const struct bulk_request *request, struct err *err)
{
	struct bulk b = { .round = round, .f = round->w->f, .request = request, .err = err };
	int r;

	b.notes = calloc(request->n + 1, sizeof(*b.notes));
	b.made = calloc((size_t)b.f->groups.n + 1, 1);
	r = b.notes && b.made ? bulk_run(&b) : err_nomem(err);
	names_done(&b.ids);
	names_done(&b.mails);
	names_done(&b.people);
	names_done(&b.group_names);
	names_done(&b.group_ids);
	names_done(&b.new_groups);
	vec_found_done(&b.found);
	free(b.notes);
	free(b.made);
	return r;
}

void bulk_answer(const struct round *round, const struct bulk_request *request)
{
	for (size_t i = 0; i < request->n; i++) {
		struct bulk_answer *a = &request->answers[i];
		const struct candidate *c;

		if (a->status != BULK_PLANNED || a->candidate >= round->candidates.n)
			continue;
		c = &round->candidates.v[a->candidate];
		if (c->pending) {
			a->status = BULK_PENDING;
			a->text = "an approved plan is about to do it";
			continue;
		}
		a->n = c->n;
		if (c->hit_count) {
			a->status = BULK_HELD;
			a->text = c->hits[0].text;
		}
	}
}

/* --- guards ---------------------------------------------------------------------------------
 */

static int group_judge(const struct world *w, const struct candidate *c, uint32_t group,
		       struct plan_arena *arena, struct guard_hits *hits, struct err *err)
{
	const struct row_group *g = &w->f->groups.v[group];
	struct str name = pool_str(&w->f->pool, g->name);

	if (g->synced == TRI_YES)
		return guard_hit(hits, arena, GUARD_IMPOSSIBLE, err,
				 "the members of group " STR_FMT
				 " come from the identity provider",
				 STR_ARG(name));
	if (g->modifiable == TRI_NO)
		return guard_hit(hits, arena, GUARD_IMPOSSIBLE, err,
				 "the members of group " STR_FMT " cannot be changed",
				 STR_ARG(name));
	if (g->synced == TRI_UNKNOWN || g->admin == TRI_UNKNOWN)
		return guard_hit(hits, arena, GUARD_UNKNOWN, err,
				 "where the members of group " STR_FMT
				 " come from, or whether it gives administration, was not read",
				 STR_ARG(name));
	if (c->rule && c->class != PLAN_RESTORE && c->kind == ACTION_ADD_GROUPS &&
	    (g->admin == TRI_YES || w->f->grant_at[group] != w->f->grant_at[group + 1]))
		return guard_hit(hits, arena, GUARD_IMPOSSIBLE, err,
				 "group " STR_FMT
				 " gives something: a tag is a group that gives nothing",
				 STR_ARG(name));
	if (g->admin != TRI_YES)
		return 0;
	hits->two = true;
	return guard_hit(hits, arena, GUARD_ADMIN, err,
			 "group " STR_FMT " %s administrators their right", STR_ARG(name),
			 c->kind == ACTION_ADD_GROUPS ? "gives" : "keeps");
}

int bulk_groups_judge(const struct world *w, const struct candidate *c,
		      struct plan_arena *arena, struct guard_hits *hits, struct err *err)
{
	int r = 0;

	if (c->rule && w->f->accounts.v[c->s.account].paths_known != TRI_YES)
		r = guard_hit(hits, arena, GUARD_UNKNOWN, err,
			      "which groups the account is in was not read");
	for (size_t i = 0; i < c->group_count && r == 0; i++)
		r = group_judge(w, c, c->groups[i], arena, hits, err);
	return r;
}

bool bulk_takes_seat(const struct facts *f, const struct candidate *c, uint32_t product)
{
	if (c->gone || c->kind != ACTION_ADD_GROUPS || has_seat(f, c->s.account, product))
		return false;
	for (size_t i = 0; i < c->group_count; i++)
		for (uint32_t g = f->grant_at[c->groups[i]]; g < f->grant_at[c->groups[i] + 1];
		     g++)
			if (f->grants.v[g].product == product &&
			    f->grants.v[g].billable != TRI_NO)
				return true;
	return false;
}

/* --- judged again ---------------------------------------------------------------------------
 */

uint32_t bulk_group_row(const struct facts *f, const char *id)
{
	for (uint32_t i = 0; id && i < f->groups.n; i++)
		if (str_eq(pool_str(&f->pool, f->groups.v[i].id), str_of(id)))
			return i;
	return FACTS_NONE;
}

int bulk_again(struct round *round, const struct action_step *steps, size_t n,
	       struct candidate *c, bool *ret, struct err *err)
{
	const struct facts *f = round->w->f;
	uint32_t *rows = NULL;
	int r = 0;

	*ret = true;
	if (c->kind != ACTION_ADD_GROUPS && c->kind != ACTION_REMOVE_GROUPS)
		return 0;
	if (n)
		r = arena_alloc(round->arena, n * sizeof(*rows), &rows, err);
	for (size_t i = 0; i < n && r == 0; i++) {
		rows[i] = bulk_group_row(f, steps[i].group);
		*ret = *ret && rows[i] != FACTS_NONE;
	}
	c->groups = rows;
	c->group_count = r == 0 && *ret ? n : 0;
	return r;
}

/* --- values ---------------------------------------------------------------------------------
 */

static void put_profile(struct buf *into, const char *key, struct str email, struct str name)
{
	buf_addf(into, "\"%s\":{\"email\":", key);
	buf_add_json(into, email);
	buf_add_text(into, ",\"name\":");
	buf_add_json(into, name);
	buf_add_char(into, '}');
}

void bulk_values(const struct candidate *c, struct buf *into)
{
	const struct bulk_profile *p = c->profile;

	buf_add_text(into, ",\"profile\":{");
	put_profile(into, "held", p->held_email, p->held_name);
	buf_add_char(into, ',');
	put_profile(into, "wanted", p->email, p->name);
	buf_add_char(into, '}');
}
