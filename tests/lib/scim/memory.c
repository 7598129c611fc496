#include "tests/lib/scim/memory.h"

#include <pthread.h>
#include <stdio.h>

#include "base/jx.h"
#include "base/vec.h"
#include "model/schema.h"
#include "scim/codec.h"

#define TOKENS_MAX 8
#define FAILS_MAX 4
#define FULL_MAX_BYTES (64 * 1024 * 1024)

struct resource {
	enum scim_type type;
	int64_t source;
	char *id, *bytes, *name; /* name folded */
	uint64_t version;
	int64_t created_ms, modified_ms;
	bool deleted;
};

struct link {
	char *group, *member;
};

VEC(resource_vec, struct resource);
VEC(link_vec, struct link);
VEC(write_vec, struct scim_write *);

enum fail { FAIL_CLIENT, FAIL_READ, FAIL_SUBMIT, FAIL_COMMIT };

struct memory {
	struct scim_backend backend;
	pthread_mutex_t lock;
	struct resource_vec resources;
	struct link_vec links;
	struct write_vec waiting;
	struct {
		char token[SCIM_NAME_BYTES];
		struct scim_client client;
	} tokens[TOKENS_MAX];
	size_t tokens_n;
	int fails[FAILS_MAX];
	bool deferred;
	int64_t now_ms;
	struct memory_counts counts;
};

static void need(bool truth)
{
	if (!truth)
		abort();
}

static char *copy(struct str s)
{
	char *p = str_dup(s);

	need(p);
	return p;
}

/* The fault that a test asked for, once. */
static int failing(struct memory *m, enum fail which, struct err *err)
{
	int code;

	pthread_mutex_lock(&m->lock);
	code = m->fails[which];
	m->fails[which] = 0;
	pthread_mutex_unlock(&m->lock);
	return code ? err_set(err, code, "the test made this fail") : 0;
}

/* --- looking up; the lock is held -----------------------------------------------------------
 */

static struct resource *find_id(struct memory *m, int64_t source, unsigned types, struct str id)
{
	for (size_t i = 0; i < m->resources.n; i++) {
		struct resource *r = &m->resources.v[i];

		if (!r->deleted && r->source == source && (types & r->type) &&
		    str_eq(str_of(r->id), id))
			return r;
	}
	return NULL;
}

static struct link *find_link(struct memory *m, struct str group, struct str member)
{
	for (size_t i = 0; i < m->links.n; i++)
		if (str_eq(str_of(m->links.v[i].group), group) &&
		    str_eq(str_of(m->links.v[i].member), member))
			return &m->links.v[i];
	return NULL;
}

static struct scim_row row_of(const struct resource *r)
{
	return (struct scim_row){ .type = r->type,
				  .id = str_of(r->id),
				  .bytes = str_of(r->bytes),
				  .version = r->version,
				  .created_ms = r->created_ms,
				  .modified_ms = r->modified_ms };
}

/* displayName, for users without one userName. The text is the caller's to free. */
static char *display_of(const struct resource *r)
{
	json_t *doc = json_loads(r->bytes, 0, NULL);
	const char *text = jx_get_text(doc, "displayName");
	char *out;

	need(doc);
	if (!text)
		text = jx_get_text(doc, "userName");
	out = copy(str_of(text));
	json_decref(doc);
	return out;
}

/* Calls fn for the other end of each link of one resource. */
static int each_link(struct memory *m, int64_t source, struct str id, bool of_group,
		     scim_member_fn fn, void *arg, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->links.n; i++) {
		const struct link *l = &m->links.v[i];
		const char *here = of_group ? l->group : l->member;
		const char *there = of_group ? l->member : l->group;
		struct resource *other;
		char *display;

		if (!str_eq(str_of(here), id))
			continue;
		other = find_id(m, source, SCIM_ANY, str_of(there));
		need(other);
		display = display_of(other);
		r = fn(arg,
		       &(struct scim_member){ str_of(other->id), str_of(display), other->type },
		       err);
		free(display);
	}
	return r;
}

/* --- reads ----------------------------------------------------------------------------------
 */

static int memory_client(void *ctx, const struct scim_asker *asker, struct scim_client *ret,
			 struct err *err)
{
	struct memory *m = ctx;
	int r = failing(m, FAIL_CLIENT, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < m->tokens_n; i++) {
		if (!str_eq(str_of(m->tokens[i].token), asker->token))
			continue;
		*ret = m->tokens[i].client;
		return 0;
	}
	return SCIM_ABSENT;
}

/* Any write makes what was read before it old. */
static struct scim_fresh fresh_now(const struct memory *m)
{
	return (struct scim_fresh){ .known = true, .at = m->counts.applies };
}

static bool memory_still(void *ctx, const struct scim_fresh *fresh)
{
	struct memory *m = ctx;
	bool still;

	pthread_mutex_lock(&m->lock);
	still = fresh->known && fresh->at == m->counts.applies;
	pthread_mutex_unlock(&m->lock);
	return still;
}

static int memory_get(void *ctx, const struct scim_client *client, enum scim_type type,
		      struct str id, scim_row_fn fn, void *arg, struct err *err)
{
	struct memory *m = ctx;
	struct resource *found;
	struct scim_row row;
	int r = failing(m, FAIL_READ, err);

	if (r < 0)
		return r;
	pthread_mutex_lock(&m->lock);
	found = find_id(m, client->source_id, type, id);
	if (found) {
		row = row_of(found);
		row.fresh = fresh_now(m);
		r = fn(arg, &row, err);
	} else {
		r = SCIM_ABSENT;
	}
	pthread_mutex_unlock(&m->lock);
	return r;
}

static int linked_add(void *arg, const struct scim_member *member, struct err *err)
{
	(void)err;
	codec_linked(arg, "http://memory", SCIM_GROUP, member);
	return 0;
}

/* The resource as it would be sent, to be asked by a filter. */
static json_t *whole(struct memory *m, const struct resource *r)
{
	struct scim_row row = row_of(r);
	struct buf linked, text;
	json_t *doc;

	buf_init(&linked, FULL_MAX_BYTES);
	buf_init(&text, FULL_MAX_BYTES);
	need(each_link(m, r->source, row.id, r->type == SCIM_GROUP, linked_add, &linked,
		       NULL) == 0);
	need(codec_send(&text, &row, "http://memory", buf_str(&linked), NULL, NULL) == 0);
	doc = json_loads(text.p, 0, NULL);
	need(doc);
	buf_done(&linked);
	buf_done(&text);
	return doc;
}

struct hit {
	const struct resource *r;
	char *key; /* what it is sorted by; NULL: no value */
};

VEC(hit_vec, struct hit);

static char *sort_key(json_t *doc, const struct path *path)
{
	struct query_node node = { doc, 0 };
	struct value v = { .type = VALUE_NULL };
	size_t n = 0, len, at = 0;
	bool folded;
	char *key = NULL;
	json_t *list = json_object_get(doc, path->name), *element;

	if (query_json_reader.count(NULL, node, path, &n) != VALUE_PRESENT)
		return NULL;
	json_array_foreach (list, len, element) {
		if (json_is_true(json_object_get(element, "primary")))
			at = len;
	}
	query_json_reader.value(NULL, node, path, at, &v, &folded);
	if (v.type == VALUE_TIME || v.type == VALUE_INT) {
		key = malloc(32);
		need(key);
		snprintf(key, 32, "%020lld", (long long)v.integer);
	} else if (v.type == VALUE_BOOL) {
		key = copy(v.boolean ? STR("1") : STR("0"));
	} else if (v.type == VALUE_TEXT && path->attr && path->attr->case_exact) {
		key = copy(v.text);
	} else if (v.type == VALUE_TEXT) {
		need(str_fold(v.text, &key, &len, NULL) == 0);
	}
	return key;
}

/* Ascending: those without a value last. */
static int hit_cmp(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;
	int r;

	if (!x->key || !y->key)
		r = !x->key - !y->key;
	else
		r = strcmp(x->key, y->key);
	return r ? r : strcmp(x->r->id, y->r->id);
}

static int hit_cmp_down(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;
	int r;

	if (!x->key || !y->key)
		r = !y->key - !x->key;
	else
		r = strcmp(y->key, x->key);
	return r ? r : strcmp(x->r->id, y->r->id);
}

static int hits_find(struct memory *m, int64_t source, const struct scim_find *find,
		     struct hit_vec *hits)
{
	for (size_t i = 0; i < m->resources.n; i++) {
		const struct resource *r = &m->resources.v[i];
		json_t *doc;
		bool yes = true;

		if (r->deleted || r->source != source || !(r->type & find->types))
			continue;
		doc = whole(m, r);
		if (find->where)
			yes = query_eval(find->where, &query_json_reader, NULL,
					 (struct query_node){ doc, 0 }, QUERY_SCIM,
					 0) == TRUTH_TRUE;
		if (yes)
			need(hit_vec_add(hits,
					 (struct hit){ r, find->sort_by
								  ? sort_key(doc, find->sort_by)
								  : NULL }) == 0);
		json_decref(doc);
	}
	if (hits->n > 1)
		qsort(hits->v, hits->n, sizeof(struct hit),
		      find->descending ? hit_cmp_down : hit_cmp);
	return 0;
}

/* A mark: 'k' and what is sorted by or '-', NUL, id. The lock is held while it is needed. */
static void mark_write(struct buf *b, const struct hit *hit)
{
	buf_clear(b);
	buf_add_char(b, hit->key ? 'k' : '-');
	buf_add_text(b, hit->key);
	buf_add_char(b, '\0');
	buf_add_text(b, hit->r->id);
	need(b->fault == 0);
}

/* Where the page begins, and how many hits lie in its direction. */
static size_t page_begin(const struct scim_find *find, const struct hit_vec *hits, size_t *left)
{
	char copied[SCIM_MARK_BYTES + 1];
	struct resource place = { 0 };
	struct hit mark = { &place, NULL };
	size_t at = 0;

	if (find->from.len > 0) {
		need(find->from.len <= SCIM_MARK_BYTES);
		memcpy(copied, find->from.p, find->from.len);
		copied[find->from.len] = '\0';
		mark.key = copied[0] == 'k' ? copied + 1 : NULL;
		place.id = copied + strlen(copied) + 1;
		for (at = 0; at < hits->n; at++) {
			int c = (find->descending ? hit_cmp_down : hit_cmp)(&hits->v[at],
									    &mark);

			if (find->backwards ? c >= 0 : c > 0)
				break;
		}
	} else {
		at = find->backwards ? hits->n : find->start;
	}
	*left = find->backwards ? at : at < hits->n ? hits->n - at : 0;
	return at;
}

static int memory_find(void *ctx, const struct scim_client *client,
		       const struct scim_find *find, struct scim_found *ret, scim_row_fn fn,
		       void *arg, struct err *err)
{
	struct memory *m = ctx;
	struct hit_vec hits = { 0 };
	struct buf mark;
	size_t at, left;
	int r = failing(m, FAIL_READ, err);

	if (r < 0)
		return r;
	pthread_mutex_lock(&m->lock);
	hits_find(m, client->source_id, find, &hits);
	buf_init(&mark, SCIM_MARK_BYTES);
	at = page_begin(find, &hits, &left);
	*ret = (struct scim_found){ hits.n, left > find->count, fresh_now(m) };
	for (size_t i = 0; r == 0 && i < left && i < find->count; i++) {
		const struct hit *hit = &hits.v[find->backwards ? at - 1 - i : at + i];
		struct scim_row row = row_of(hit->r);

		mark_write(&mark, hit);
		row.mark = buf_str(&mark);
		r = fn(arg, &row, err);
	}
	buf_done(&mark);
	pthread_mutex_unlock(&m->lock);
	for (size_t i = 0; i < hits.n; i++)
		free(hits.v[i].key);
	hit_vec_done(&hits);
	return r;
}

static int links_read(struct memory *m, const struct scim_client *client, struct str id,
		      bool of_group, scim_member_fn fn, void *arg, struct err *err)
{
	int r = failing(m, FAIL_READ, err);

	if (r < 0)
		return r;
	pthread_mutex_lock(&m->lock);
	m->counts.member_reads++;
	r = each_link(m, client->source_id, id, of_group, fn, arg, err);
	pthread_mutex_unlock(&m->lock);
	return r;
}

static int memory_members(void *ctx, const struct scim_client *client, struct str group,
			  scim_member_fn fn, void *arg, struct err *err)
{
	return links_read(ctx, client, group, true, fn, arg, err);
}

static int memory_groups(void *ctx, const struct scim_client *client, struct str member,
			 scim_member_fn fn, void *arg, struct err *err)
{
	return links_read(ctx, client, member, false, fn, arg, err);
}

/* --- one write; the lock is held ------------------------------------------------------------
 */

/* What apply may ask about the group that is written. */
struct asking {
	struct memory *m;
	int64_t source;
	const char *id;
};

static int before_members(const struct scim_before *before, scim_member_fn fn, void *arg,
			  struct err *err)
{
	const struct asking *a = before->ctx;

	return each_link(a->m, a->source, str_of(a->id), true, fn, arg, err);
}

static int before_is_member(const struct scim_before *before, struct str id, struct err *err)
{
	const struct asking *a = before->ctx;

	(void)err;
	return find_link(a->m, str_of(a->id), id) ? 0 : SCIM_ABSENT;
}

static int unique_check(struct memory *m, const struct scim_write *w,
			const struct scim_change *change, struct err *err)
{
	for (size_t i = 0; change->unique && i < m->resources.n; i++) {
		const struct resource *r = &m->resources.v[i];

		if (!r->deleted && r->source == w->client.source_id && r->type == w->type &&
		    strcmp(r->id, w->id) != 0 && str_eq(str_of(r->name), change->name_folded))
			return err_set(err, ERR_UNIQUENESS, "%s is taken",
				       w->type == SCIM_USER ? "userName" : "displayName");
	}
	return 0;
}

static void link_drop(struct memory *m, size_t i)
{
	free(m->links.v[i].group);
	free(m->links.v[i].member);
	for (m->links.n--; i < m->links.n; i++) /* rows keep their order */
		m->links.v[i] = m->links.v[i + 1];
	m->counts.member_writes++;
}

static bool listed(const struct str *list, size_t n, struct str id)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(list[i], id))
			return true;
	return false;
}

/* Rows as the change wants them. All is checked before the first row is written. */
static int members_write(struct memory *m, const struct scim_write *w,
			 const struct scim_members *members, bool *changed, struct err *err)
{
	for (size_t i = 0; i < members->add_n; i++)
		if (!find_id(m, w->client.source_id, SCIM_ANY, members->add[i]))
			return err_set(err, ERR_INVALID_VALUE,
				       "members: " STR_FMT " is neither a user nor a group",
				       STR_ARG(members->add[i]));
	for (size_t i = m->links.n; i-- > 0;) {
		struct str member = str_of(m->links.v[i].member);

		if (strcmp(m->links.v[i].group, w->id) != 0)
			continue;
		if (!listed(members->remove, members->remove_n, member) &&
		    !(members->all && !listed(members->add, members->add_n, member)))
			continue;
		link_drop(m, i);
		*changed = true;
	}
	for (size_t i = 0; i < members->add_n; i++) {
		if (find_link(m, str_of(w->id), members->add[i]))
			continue;
		need(link_vec_add(&m->links, (struct link){ copy(str_of(w->id)),
							    copy(members->add[i]) }) == 0);
		m->counts.member_writes++;
		*changed = true;
	}
	return 0;
}

static void resource_delete_(struct memory *m, struct resource *r)
{
	for (size_t i = m->links.n; i-- > 0;) {
		struct resource *group;

		if (strcmp(m->links.v[i].group, r->id) != 0 &&
		    strcmp(m->links.v[i].member, r->id) != 0)
			continue;
		group = find_id(m, r->source, SCIM_GROUP, str_of(m->links.v[i].group));
		if (group && group != r) {
			group->version++;
			group->modified_ms = m->now_ms;
		}
		link_drop(m, i);
	}
	r->deleted = true;
}

static int resource_write(struct memory *m, const struct scim_write *w, struct resource *r,
			  const struct scim_change *change, struct scim_after *after,
			  struct err *err)
{
	bool changed = change->doc_changed;
	int rc = change->doc_changed ? unique_check(m, w, change, err) : 0;
	struct resource fresh = { .type = w->type,
				  .source = w->client.source_id,
				  .created_ms = m->now_ms };

	if (rc == 0 && !r) {
		fresh.id = copy(str_of(w->id));
		need(resource_vec_add(&m->resources, fresh) == 0);
		r = &m->resources.v[m->resources.n - 1];
	}
	if (rc == 0)
		rc = members_write(m, w, &change->members, &changed, err);
	if (rc < 0) {
		if (r && r->version == 0) { /* the savepoint goes back */
			free(r->id);
			m->resources.n--;
		}
		return rc;
	}
	if (change->doc_changed) {
		free(r->bytes);
		free(r->name);
		r->bytes = copy(change->bytes);
		r->name = copy(change->name_folded);
		m->counts.document_writes++;
	}
	if (changed) {
		r->version++;
		r->modified_ms = m->now_ms;
	}
	*after = (struct scim_after){ r->version, r->created_ms, r->modified_ms, changed };
	return 0;
}

static int write_run(struct memory *m, struct scim_write *w, struct scim_after *after,
		     struct err *err)
{
	struct resource *r = w->kind == SCIM_CREATE
				     ? NULL
				     : find_id(m, w->client.source_id, w->type, str_of(w->id));
	struct asking asking = { m, w->client.source_id, w->id };
	struct scim_row row = { 0 };
	struct scim_before before = { NULL, before_members, before_is_member, &asking };
	struct scim_change change = { 0 };
	int rc;

	if (!r && w->kind != SCIM_CREATE)
		return err_set(err, ERR_NOT_FOUND, "there is no such resource");
	if (r) {
		row = row_of(r);
		before.row = &row;
	}
	m->counts.applies++;
	rc = w->apply(w, &before, &change, err);
	if (rc < 0)
		return rc;
	if (w->kind == SCIM_DELETE) {
		resource_delete_(m, r);
		return 0;
	}
	return resource_write(m, w, r, &change, after, err);
}

static void write_one(struct memory *m, struct scim_write *w)
{
	struct scim_after after = { 0 };
	struct err err = { 0 };
	int r = failing(m, FAIL_COMMIT, &err);

	if (r == 0) {
		pthread_mutex_lock(&m->lock);
		r = write_run(m, w, &after, &err);
		pthread_mutex_unlock(&m->lock);
	}
	w->done(w, r, r < 0 ? NULL : &after, r < 0 ? &err : NULL);
}

static int memory_submit(void *ctx, struct scim_write *w, struct err *err)
{
	struct memory *m = ctx;
	int r = failing(m, FAIL_SUBMIT, err);
	bool deferred;

	if (r < 0)
		return r;
	pthread_mutex_lock(&m->lock);
	deferred = m->deferred;
	if (deferred)
		need(write_vec_add(&m->waiting, w) == 0);
	pthread_mutex_unlock(&m->lock);
	if (!deferred)
		write_one(m, w);
	return 0;
}

size_t memory_run(struct memory *m)
{
	struct write_vec batch;
	size_t n;

	pthread_mutex_lock(&m->lock);
	batch = m->waiting;
	m->waiting = (struct write_vec){ 0 };
	pthread_mutex_unlock(&m->lock);
	n = batch.n;
	for (size_t i = 0; i < n; i++)
		write_one(m, batch.v[i]);
	write_vec_done(&batch);
	return n;
}

/* --- the rest -------------------------------------------------------------------------------
 */

struct memory *memory_new(void)
{
	struct memory *m = calloc(1, sizeof(*m));

	need(m);
	pthread_mutex_init(&m->lock, NULL);
	m->now_ms = 1000;
	m->backend = (struct scim_backend){ .ctx = m,
					    .client = memory_client,
					    .get = memory_get,
					    .find = memory_find,
					    .still = memory_still,
					    .members = memory_members,
					    .groups = memory_groups,
					    .submit = memory_submit };
	return m;
}

void memory_free(struct memory *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->resources.n; i++) {
		free(m->resources.v[i].id);
		free(m->resources.v[i].bytes);
		free(m->resources.v[i].name);
	}
	while (m->links.n > 0)
		link_drop(m, m->links.n - 1);
	resource_vec_done(&m->resources);
	link_vec_done(&m->links);
	write_vec_done(&m->waiting);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

const struct scim_backend *memory_backend(struct memory *m)
{
	return &m->backend;
}

void memory_token(struct memory *m, const char *token, const char *source, unsigned rights,
		  unsigned profile)
{
	struct scim_client *c = &m->tokens[m->tokens_n].client;

	need(m->tokens_n < TOKENS_MAX);
	snprintf(m->tokens[m->tokens_n].token, SCIM_NAME_BYTES, "%s", token);
	snprintf(c->source, sizeof(c->source), "%s", source);
	snprintf(c->token, sizeof(c->token), "token-of-%.40s", source);
	for (const char *p = source; *p; p++)
		c->source_id = c->source_id * 31 + *p;
	c->rights = rights;
	c->profile = profile;
	m->tokens_n++;
}

void memory_defer(struct memory *m)
{
	m->deferred = true;
}

void memory_clock(struct memory *m, int64_t now_ms)
{
	m->now_ms = now_ms;
}

void memory_token_is(struct memory *m, const char *id)
{
	struct scim_client *c = &m->tokens[m->tokens_n - 1].client;

	snprintf(c->self, sizeof(c->self), "%s", id);
}

void memory_fail_client(struct memory *m, int code)
{
	m->fails[FAIL_CLIENT] = code;
}

void memory_fail_read(struct memory *m, int code)
{
	m->fails[FAIL_READ] = code;
}

void memory_fail_submit(struct memory *m, int code)
{
	m->fails[FAIL_SUBMIT] = code;
}

void memory_fail_commit(struct memory *m, int code)
{
	m->fails[FAIL_COMMIT] = code;
}

struct memory_counts memory_counts(const struct memory *m)
{
	return m->counts;
}

size_t memory_living(const struct memory *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->resources.n; i++)
		n += !m->resources.v[i].deleted;
	return n;
}
