#include "scim/patch_in.h"

static struct str own_id(const struct applying *a)
{
	return text_of(json_object_get(a->doc, "id"));
}

/* Whether id is a member as things stand within this request. 1, 0 or a fault. */
static int is_member(struct applying *a, struct str id)
{
	int wished = membership_of(a->members, id), r;

	if (wished >= 0 || a->members->all || !a->before)
		return wished > 0;
	r = a->before->is_member(a->before, id, a->err);
	return r < 0 ? r : r == 0;
}

/* The ids that a filter names: `value eq "a" or value eq "b"`. False: it asks for more. */
static bool names_ids(const struct query *q)
{
	if (q->kind == QUERY_OR)
		return names_ids(q->left) && names_ids(q->right);
	return q->kind == QUERY_TEST && q->op == QUERY_EQ && q->value.type == VALUE_TEXT &&
	       strcmp(q->path.name, "value") == 0;
}

/* What is done to each member that a filter finds. */
struct finding {
	struct applying *a;
	const struct op *op;
	json_t *clean; /* replace: the new element; NULL: it only goes */
	size_t found;
};

static int found_member(struct finding *f, struct str id)
{
	json_t *list;
	int r;

	f->found++;
	if (f->op->verb == ADD)
		return 0; /* it is one */
	r = membership_wish(f->a->members, id, false, f->a->err);
	if (r < 0 || !f->clean)
		return r;
	list = json_pack("[O]", f->clean);
	if (!list)
		return err_nomem(f->a->err);
	r = membership_take(f->a->members, list, true, own_id(f->a), f->a->err);
	json_decref(list);
	return r;
}

static int named_members(struct finding *f, const struct query *q)
{
	int r;

	if (q->kind == QUERY_OR) {
		r = named_members(f, q->left);
		return r < 0 ? r : named_members(f, q->right);
	}
	r = is_member(f->a, q->value.text);
	return r > 0 ? found_member(f, q->value.text) : r;
}

VEC(id_vec, char *);

static void ids_done(struct id_vec *ids)
{
	for (size_t i = 0; i < ids->n; i++)
		free(ids->v[i]);
	id_vec_done(ids);
}

/* Members that a filter finds, kept until the read is over. */
struct asking {
	struct applying *a;
	const struct query *where;
	struct id_vec ids;
};

static int member_ask(void *arg, const struct scim_member *member, struct err *err)
{
	struct asking *q = arg;
	CLEANUP(json_decref_at) json_t *element = NULL;
	char *id;
	int wished = membership_of(q->a->members, member->id), r;

	if (wished == 0 || (wished < 0 && q->a->members->all))
		return 0; /* gone within this request */
	element = json_pack("{s:s%,s:s}", "value", member->id.p, member->id.len, "type",
			    member->type == SCIM_GROUP ? "Group" : "User");
	if (!element)
		return err_nomem(err);
	if (member->display.len > 0 &&
	    jx_set(element, "display", json_stringn(member->display.p, member->display.len),
		   err) < 0)
		return -ERR_NOMEM;
	r = patch_matches(q->a, q->where, element);
	if (r <= 0)
		return r;
	id = str_dup(member->id);
	if (!id || id_vec_add(&q->ids, id) < 0) {
		free(id);
		return err_nomem(err);
	}
	return 0;
}

/* Any other filter has to see the members themselves. */
static int asked_members(struct finding *f)
{
	struct asking ask = { .a = f->a, .where = f->op->to.where };
	struct scim_members wished;
	int r = membership_lists(f->a->members, &wished, f->a->err);

	if (r == 0 && f->a->before)
		r = f->a->before->members(f->a->before, member_ask, &ask, f->a->err);
	for (size_t i = 0; r == 0 && i < wished.add_n; i++) {
		struct scim_member added = { .id = wished.add[i], .type = SCIM_USER };
		int old = f->a->before
				  ? f->a->before->is_member(f->a->before, added.id, f->a->err)
				  : SCIM_ABSENT;

		r = old == SCIM_ABSENT ? member_ask(&ask, &added, f->a->err) : old;
	}
	for (size_t i = 0; r == 0 && i < ask.ids.n; i++)
		r = found_member(f, str_of(ask.ids.v[i]));
	ids_done(&ask.ids);
	return r;
}

/* add or replace members[value eq "x"] where x is none. */
static int member_create(struct applying *a, const struct op *op)
{
	CLEANUP(json_decref_at) json_t *element = NULL, *list = NULL;
	int r = patch_element_create(a, op, &element);

	if (r < 0 || !element)
		return r;
	list = json_pack("[O]", element);
	if (!list)
		return err_nomem(a->err);
	return membership_take(a->members, list, true, own_id(a), a->err);
}

static int members_filtered(struct applying *a, const struct op *op)
{
	CLEANUP(json_decref_at) json_t *clean = NULL;
	struct finding f = { .a = a, .op = op };
	int r = 0;

	if (op->verb != REMOVE)
		r = validate_element(op->to.path.top, op->value, "members", a->p->tolerate,
				     &clean, a->coercions, a->err);
	if (r < 0)
		return r;
	f.clean = clean;
	r = names_ids(op->to.where) ? named_members(&f, op->to.where) : asked_members(&f);
	if (r < 0 || f.found > 0 || op->verb == REMOVE)
		return r;
	return member_create(a, op);
}

static int members_list(struct applying *a, const struct op *op)
{
	bool selects = op->verb == REMOVE && op->value && !json_is_null(op->value);
	CLEANUP(json_decref_at) json_t *clean = NULL;
	int r = 0;

	if (op->verb != REMOVE || selects)
		r = validate_value(op->to.path.top, op->value, "members", a->p->tolerate,
				   &clean, a->coercions, a->err);
	if (r < 0)
		return r;
	if (selects)
		count(a->coercions, COERCION_SELECTOR);
	if (selects && !clean)
		return err_set(a->err, ERR_INVALID_VALUE,
			       "members: value names nothing to remove");
	if (op->verb == REPLACE || (op->verb == REMOVE && !selects))
		membership_clear(a->members);
	return membership_take(a->members, clean, op->verb != REMOVE, own_id(a), a->err);
}

int patch_members(struct applying *a, const struct op *op)
{
	if (op->to.path.sub && op->verb == ADD)
		return err_set(a->err, ERR_INVALID_PATH,
			       "members.%s: say which member by a filter in brackets",
			       op->to.path.sub);
	if (op->to.path.sub || op->to.sub)
		return err_set(a->err, ERR_MUTABILITY,
			       "members.%s is immutable: remove the member and add another",
			       op->to.sub ? op->to.sub : op->to.path.sub);
	return op->to.where ? members_filtered(a, op) : members_list(a, op);
}
