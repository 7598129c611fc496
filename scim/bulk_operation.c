#include "scim/bulk_in.h"

#include <stdio.h>

#include "net/route.h"
#include "scim/bulk_refs.h"
#include "scim/fault.h"

#define ADDRESS_MAX_BYTES 2048

/* --- references -----------------------------------------------------------------------------
 */

struct asking {
	struct bulk *b;
	size_t index;
	bool whole;   /* in the path: what is addressed has to be complete */
	size_t waits; /* the last of those that are not known yet, from 1 */
	bool waits_whole;
	bool under_way; /* one of them is on its way */
};

static int id_find(void *ctx, struct str name, const char **ret, struct err *err)
{
	struct asking *a = ctx;
	struct operation *op = NULL;
	size_t at;

	if (name.len > 0)
		HASH_FIND(hh, a->b->by_id, name.p, name.len, op);
	if (!op || op->method != HTTP_POST)
		return err_set(err, ERR_INVALID_VALUE, "no POST has the bulkId %.*s",
			       (int)(name.len < 100 ? name.len : 100), name.len ? name.p : "");
	at = (size_t)(op - a->b->operations);
	if (op->state == GONE || (op->state == DONE && !op->id[0]))
		return err_set(err, ERR_CONFLICT,
			       "what it refers to, bulkId %s, was not created", op->bulk_id);
	if (op->id[0] && (op->state == DONE || !a->whole)) {
		*ret = op->id;
		return 0;
	}
	a->under_way |= op->state == RUNNING && at < a->index;
	if (at + 1 > a->waits) {
		a->waits = at + 1;
		a->waits_whole = a->whole;
	}
	return 0;
}

/* Whether it is still too early to look at it again. */
bool bulk_still_waits(const struct bulk *b, const struct operation *op)
{
	const struct operation *on;

	if (op->waits == 0)
		return false;
	on = &b->operations[op->waits - 1];
	return on->state != DONE && on->state != GONE && (op->whole || !on->id[0]);
}

/* --- one operation --------------------------------------------------------------------------
 */

void bulk_slot_done(struct slot *slot)
{
	buf_done(&slot->body);
	buf_done(&slot->path);
	free(slot->if_match);
	json_decref(slot->operation);
	*slot = (struct slot){ 0 };
}

static void slot_resume(struct scim_response *res)
{
	struct bulk *b = ((struct slot *)res->ctx)->bulk;

	if (atomic_fetch_sub(&b->under_way, 1) == 1)
		b->call.res->go_on(b->call.res);
}

static int text_member(const json_t *operation, const char *name, struct str *ret,
		       struct err *err)
{
	const json_t *value = jx_get_i(operation, str_of(name));

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return err_set(err, ERR_INVALID_SYNTAX, "%s must be a string", name);
	*ret = str_n(json_string_value(value), json_string_length(value));
	return 1;
}

/* Where it goes, with ids in place of references. */
static int path_read(struct slot *slot, struct asking *a, struct err *err)
{
	struct str path = { 0 }, rest;
	int r = text_member(slot->operation, "path", &path, err);

	if (r < 0)
		return r;
	if (path.len == 0 || path.len > ADDRESS_MAX_BYTES / 2)
		return err_set(err, ERR_INVALID_VALUE,
			       "path must say where it goes, such as /Users");
	while (str_starts(path, STR("/")))
		path = str_n(path.p + 1, path.len - 1);
	str_cut(path, '?', &path, &rest);
	a->whole = true;
	r = bulk_refs_text(path, id_find, a, &slot->path, err);
	a->whole = false;
	return r;
}

static int version_read(struct slot *slot, struct err *err)
{
	struct str version = { 0 };
	int r = text_member(slot->operation, "version", &version, err);

	if (r <= 0 || version.len == 0)
		return r < 0 ? r : 0;
	slot->if_match = str_dup(version);
	if (!slot->if_match)
		return err_nomem(err);
	slot->req.if_match = slot->if_match;
	return 0;
}

static int parts_read(struct slot *slot, struct asking *a, struct err *err)
{
	struct operation *op = &slot->bulk->operations[slot->index];
	json_t *data = jx_get_i(slot->operation, STR("data"));
	int r;

	if (op->method != HTTP_POST && op->method != HTTP_PUT && op->method != HTTP_PATCH &&
	    op->method != HTTP_DELETE)
		return err_set(err, ERR_INVALID_VALUE,
			       "method must be POST, PUT, PATCH or DELETE");
	r = path_read(slot, a, err);
	if (r == 0 && op->method == HTTP_POST && !op->bulk_id)
		r = err_set(err, ERR_INVALID_VALUE, "a POST must have a bulkId");
	if (r == 0 && op->method != HTTP_POST)
		r = version_read(slot, err);
	if (r < 0)
		return r;
	if (op->method == HTTP_DELETE)
		return 0;
	if (!json_is_object(data))
		return err_set(err, ERR_INVALID_VALUE, "data must be an object");
	slot->call.json = data;
	return bulk_refs_fill(data, id_find, a, err);
}

/* As a request of its own; of the resource itself nothing is asked back but its id. */
static void slot_open(struct bulk *b, struct slot *slot, size_t index)
{
	const struct scim_request *req = b->call.req;

	*slot = (struct slot){ .bulk = b, .index = index, .was = b->operations[index].state };
	buf_init(&slot->body, ANSWER_BYTES);
	buf_init(&slot->path, ADDRESS_MAX_BYTES);
	slot->req = (struct scim_request){ .method = b->operations[index].method,
					   .query = STR("attributes=id"),
					   .id = req->id,
					   .peer = req->peer };
	slot->res = (struct scim_response){ .body = &slot->body,
					    .resume = slot_resume,
					    .ctx = slot };
	slot->call = b->call;
	slot->call.req = &slot->req;
	slot->call.res = &slot->res;
}

/* What a half-made resource still needs: all of it once more, or its end. */
static void slot_turn(struct slot *slot)
{
	struct operation *op = &slot->bulk->operations[slot->index];

	if (slot->was != HALF && slot->was != GONE)
		return;
	slot->req.method = slot->was == HALF ? HTTP_PUT : HTTP_DELETE;
	buf_add_char(&slot->path, '/');
	buf_add_text(&slot->path, op->id);
}

static void location_note(struct slot *slot, struct operation *op)
{
	CLEANUP(buf_done) struct buf location;

	buf_init(&location, CALL_BASE_BYTES + ADDRESS_MAX_BYTES);
	if (op->method == HTTP_POST || op->location)
		return;
	buf_addf(&location, "%s/", slot->call.base);
	buf_add_str(&location, buf_str(&slot->path));
	op->location = buf_take(&location, NULL);
}

static int slot_start(struct slot *slot, struct err *err)
{
	struct bulk *b = slot->bulk;
	struct operation *op = &b->operations[slot->index];
	int r;

	slot_turn(slot);
	r = buf_fault(&slot->path, err, "the address of an operation");
	if (r < 0)
		return r;
	location_note(slot, op);
	op->state = RUNNING;
	atomic_fetch_add(&b->under_way, 1);
	b->slots_used++;
	r = call_route(&slot->call, buf_str(&slot->path), slot->was == GONE, err);
	if (r == HTTP_PARKED)
		return STARTED;
	atomic_fetch_sub(&b->under_way, 1);
	if (r == -ERR_BUSY && b->slots_used > 1) { /* the others make room */
		b->slots_used--;
		op->state = slot->was;
		return NOBODY_YET;
	}
	if (r < 0)
		call_fault(&slot->call, err); /* collected like the others */
	return STARTED;
}

int bulk_operation_start(struct bulk *b, size_t index, bool strip, struct err *err)
{
	struct slot *slot = &b->slots[b->slots_used];
	struct operation *op = &b->operations[index];
	struct asking a = { .b = b, .index = index };
	struct bulk_extent at = b->envelope.operations.v[index];
	int r;

	slot_open(b, slot, index);
	r = bulk_read_operation(&b->text, at, &slot->operation, err);
	if (r == 0)
		r = parts_read(slot, &a, err);
	if (slot->was == GONE && r != -ERR_NOMEM) { /* its address alone counts */
		a.waits = 0;
		r = 0;
	}
	op->waits = a.waits;
	op->whole = a.waits_whole;
	if (r == 0 && a.waits && strip) {
		bulk_refs_strip(slot->call.json);
		op->stripped = true;
		op->waits = 0;
	}
	if (r == 0 && op->waits)
		r = a.under_way ? NOBODY_YET : NOT_YET;
	if (r == 0) {
		b->slots_bytes += at.len;
		r = slot_start(slot, err);
	}
	if (r != STARTED)
		bulk_slot_done(slot);
	return r;
}
