#include "scim/members.h"

#include "base/map.h"

struct member_wish {
	UT_hash_handle hh;
	bool member;
	size_t len;
	char id[];
};

void membership_clear(struct membership *m)
{
	struct member_wish *w, *next;

	HASH_ITER (hh, m->wishes, w, next) {
		HASH_DEL(m->wishes, w);
		free(w);
	}
	m->all = true;
}

void membership_done(struct membership *m)
{
	if (!m)
		return;
	membership_clear(m);
	free(m->add);
	free(m->remove);
	*m = (struct membership){ 0 };
}

static struct member_wish *find(const struct membership *m, struct str id)
{
	struct member_wish *w;

	HASH_FIND(hh, m->wishes, id.p, id.len, w);
	return w;
}

int membership_wish(struct membership *m, struct str id, bool member, struct err *err)
{
	struct member_wish *w = find(m, id);

	if (!w) {
		w = calloc(1, sizeof(*w) + id.len + 1);
		if (!w)
			return err_nomem(err);
		memcpy(w->id, id.p, id.len);
		w->len = id.len;
		HASH_ADD_KEYPTR(hh, m->wishes, w->id, w->len, w);
		if (!MAP_ADDED(w)) {
			free(w);
			return err_nomem(err);
		}
	}
	w->member = member;
	return 0;
}

int membership_of(const struct membership *m, struct str id)
{
	const struct member_wish *w = find(m, id);

	return w ? w->member : -1;
}

int membership_take(struct membership *m, const json_t *members, bool member, struct str self,
		    struct err *err)
{
	json_t *element;
	size_t i;
	int r;

	json_array_foreach ((json_t *)members, i, element) {
		const json_t *value = json_object_get(element, "value");
		struct str id = str_n(json_string_value(value), json_string_length(value));

		if (id.len == 0)
			return err_set(err, ERR_INVALID_VALUE,
				       "members: element %zu has no value, which must be the "
				       "member's id",
				       i);
		if (member && str_eq(id, self))
			return err_set(err, ERR_INVALID_VALUE,
				       "members: a group cannot be its own member");
		r = membership_wish(m, id, member, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int membership_lists(struct membership *m, struct scim_members *ret, struct err *err)
{
	size_t n = HASH_COUNT(m->wishes);
	struct member_wish *w, *next;
	struct scim_members lists = { .all = m->all };

	free(m->add);
	free(m->remove);
	m->add = calloc(n + 1, sizeof(*m->add));
	m->remove = calloc(n + 1, sizeof(*m->remove));
	if (!m->add || !m->remove)
		return err_nomem(err);
	HASH_ITER (hh, m->wishes, w, next) {
		struct str id = str_n(w->id, w->len);

		if (w->member)
			m->add[lists.add_n++] = id;
		else if (!m->all)
			m->remove[lists.remove_n++] = id;
	}
	lists.add = m->add;
	lists.remove = m->remove;
	*ret = lists;
	return 0;
}
