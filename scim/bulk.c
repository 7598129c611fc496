#include "scim/bulk.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/jx.h"
#include "base/map.h"
#include "net/route.h"
#include "scim/bulk_read.h"
#include "scim/bulk_refs.h"
#include "scim/codec.h"
#include "scim/fault.h"

#define SLOTS 32                  /* operations handed to the writer at a time... */
#define SLOTS_BYTES (1024 * 1024) /* ...and no further one when these are that long */
#define ANSWER_BYTES (64 * 1024)  /* of one operation: an Error, or a resource's id */
#define ADDRESS_MAX_BYTES 2048

/* What becomes of an operation. */
enum state {
	WAITING, /* to be run */
	HALF,    /* created without its references: they are to be filled in */
	GONE,    /* filling in failed: what was created is to be deleted */
	RUNNING,
	DONE,
};

struct operation {
	enum http_method method;
	char *bulk_id; /* NULL: none */
	size_t waits;  /* which operation it waits for, from 1; 0: none */
	bool whole;    /* ...until that one is done, not only created */
	enum state state;
	bool stripped; /* runs without its references */
	int status;
	char id[ENC_UUID_CHARS + 1]; /* of what a POST created; "" before */
	char etag[CODEC_ETAG_BYTES];
	char *location; /* NULL: not known */
	char *response; /* Error body; NULL: none */
	UT_hash_handle hh;
};

/* An operation on its way, as if it were a request of its own. */
struct slot {
	struct bulk *bulk;
	size_t index;
	enum state was; /* what it was to become: WAITING, HALF, GONE */
	struct scim_request req;
	struct scim_response res;
	struct scim_call call;
	struct buf body, path;
	char *if_match;
	json_t *operation;
};

struct bulk {
	struct scim_call call;
	struct bulk_text text;
	struct bulk_envelope envelope;
	struct operation *operations;
	struct operation *by_id; /* uthash */
	size_t count;
	size_t first; /* all before are done */
	uint64_t errors;
	struct slot slots[SLOTS];
	size_t slots_used, slots_bytes;
	atomic_size_t under_way; /* slots not answered, and one while this file runs */
};

/* --- looking at the request -----------------------------------------------------------------
 */

static int bulk_id_note(struct bulk *b, struct operation *op, const json_t *id, struct err *err)
{
	struct str text = str_n(json_string_value(id), json_string_length(id));
	struct operation *twin = NULL;

	if (!id || json_is_null(id))
		return 0;
	if (!json_is_string(id) || text.len == 0 || text.len > BULK_ID_MAX_BYTES)
		return err_set(err, ERR_INVALID_SYNTAX,
			       "bulkId must be a string of 1 to %d bytes", BULK_ID_MAX_BYTES);
	HASH_FIND(hh, b->by_id, text.p, text.len, twin);
	if (twin)
		return err_set(err, ERR_INVALID_SYNTAX,
			       "another operation has the same bulkId");
	op->bulk_id = str_dup(text);
	if (!op->bulk_id)
		return err_nomem(err);
	return 0;
}

static int operation_note(void *ctx, size_t index, const json_t *operation, struct err *err)
{
	struct bulk *b = ctx;
	const json_t *method = jx_get_i(operation, STR("method"));
	struct operation *op = &b->operations[index];
	int r;

	b->count = index + 1;
	op->method = HTTP_OTHER;
	for (enum http_method m = HTTP_GET; m < HTTP_OTHER; m++)
		if (json_is_string(method) &&
		    str_ieq(str_of(json_string_value(method)), str_of(http_method_text(m))))
			op->method = m;
	r = bulk_id_note(b, op, jx_get_i(operation, STR("bulkId")), err);
	if (r < 0 || !op->bulk_id)
		return r;
	HASH_ADD_KEYPTR(hh, b->by_id, op->bulk_id, strlen(op->bulk_id), op);
	return MAP_ADDED(op) ? 0 : err_nomem(err);
}

/* --- what an operation came to --------------------------------------------------------------
 */

static void operation_end(struct bulk *b, struct operation *op, int status)
{
	op->status = status;
	op->state = DONE;
	if (status >= 400)
		b->errors++;
}

/* Where memory is lost for it the answer lacks the words, not the status. */
static void operation_fail(struct bulk *b, struct operation *op, const struct err *fault)
{
	CLEANUP(buf_done) struct buf body;

	buf_init(&body, ANSWER_BYTES);
	scim_fault_body(&body, fault, b->call.req->id);
	free(op->response);
	op->response = buf_take(&body, NULL);
	if (op->state == HALF) { /* created, and of no use like this */
		op->state = GONE;
		op->status = scim_fault_status(fault);
		return;
	}
	operation_end(b, op, scim_fault_status(fault));
}

static void response_keep(struct operation *op, const struct slot *slot)
{
	free(op->response);
	op->response = slot->body.fault ? NULL : str_dup(buf_str(&slot->body));
}

/* From .../Users/ID. */
static void created(struct operation *op, const struct scim_response *res)
{
	size_t len = strlen(res->location);

	free(op->location);
	op->location = str_dup(str_n(res->location, len));
	memcpy(op->etag, res->etag, sizeof(op->etag));
	if (len > ENC_UUID_CHARS)
		memcpy(op->id, res->location + len - ENC_UUID_CHARS, ENC_UUID_CHARS + 1);
}

static void posted(struct bulk *b, struct operation *op, const struct slot *slot)
{
	if (slot->res.status >= 300) {
		response_keep(op, slot);
		operation_end(b, op, slot->res.status);
		return;
	}
	created(op, &slot->res);
	if (op->stripped)
		op->state = HALF;
	else
		operation_end(b, op, slot->res.status);
}

/* The PUT of what was left out at first. */
static void filled(struct bulk *b, struct operation *op, const struct slot *slot)
{
	CLEANUP(json_decref_at) json_t *body = NULL;
	const char *detail = NULL;
	struct err err;

	if (slot->res.status >= 300) {
		if (jx_parse(buf_str(&slot->body), JX_LENIENT, &body, NULL) == 0)
			detail = jx_get_text(body, "detail");
		err_set(&err, ERR_CONFLICT,
			"its references in a circle cannot be filled in: %s",
			detail ? detail : "");
		op->state = HALF;
		operation_fail(b, op, &err);
		return;
	}
	memcpy(op->etag, slot->res.etag, sizeof(op->etag));
	operation_end(b, op, 201);
}

static void slot_collect(struct bulk *b, struct slot *slot)
{
	struct operation *op = &b->operations[slot->index];

	if (slot->was == HALF) {
		filled(b, op, slot);
	} else if (slot->was == GONE) {
		free(TAKE(op->location));
		op->etag[0] = op->id[0] = '\0';
		operation_end(b, op, op->status);
	} else if (op->method == HTTP_POST) {
		posted(b, op, slot);
	} else {
		if (slot->res.status >= 300)
			response_keep(op, slot);
		memcpy(op->etag, slot->res.etag, sizeof(op->etag));
		operation_end(b, op, slot->res.status);
	}
}

static void slot_done(struct slot *slot)
{
	buf_done(&slot->body);
	buf_done(&slot->path);
	free(slot->if_match);
	json_decref(slot->operation);
	*slot = (struct slot){ 0 };
}

static void collect(struct bulk *b)
{
	for (size_t i = 0; i < b->slots_used; i++) {
		slot_collect(b, &b->slots[i]);
		slot_done(&b->slots[i]);
	}
	b->slots_used = b->slots_bytes = 0;
	while (b->first < b->count && b->operations[b->first].state == DONE)
		b->first++;
}

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
static bool still_waits(const struct bulk *b, const struct operation *op)
{
	const struct operation *on;

	if (op->waits == 0)
		return false;
	on = &b->operations[op->waits - 1];
	return on->state != DONE && on->state != GONE && (op->whole || !on->id[0]);
}

/* --- one operation --------------------------------------------------------------------------
 */

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

/* Answers of slot_start() and operation_start(). */
enum { STARTED = 0, NOT_YET = 1, NOBODY_YET = 2 };

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

/* Reads it and finds its references. NOT_YET: it has to wait; NOBODY_YET: so have all others.
 */
static int operation_start(struct bulk *b, size_t index, bool strip, struct err *err)
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
		slot_done(slot);
	return r;
}

/* --- all operations -------------------------------------------------------------------------
 */

static bool enough_errors(const struct bulk *b)
{
	return b->envelope.fail_on_errors && b->errors >= b->envelope.fail_on_errors;
}

/* No more at a time than may fail: what would not have been reached must not run. */
static bool is_full(const struct bulk *b)
{
	return b->slots_used == SLOTS || b->slots_bytes >= SLOTS_BYTES ||
	       (b->envelope.fail_on_errors && !enough_errors(b) &&
		b->errors + b->slots_used >= b->envelope.fail_on_errors);
}

static bool is_due(const struct bulk *b, const struct operation *op)
{
	if (op->state == HALF || op->state == GONE)
		return op->state == GONE || !still_waits(b, op);
	return op->state == WAITING && !enough_errors(b) && !still_waits(b, op);
}

/* Starts what can be started; whether anything moved. */
static bool start_due(struct bulk *b)
{
	bool moved = false;
	struct err err;

	for (size_t i = b->first; i < b->count && !is_full(b); i++) {
		struct operation *op = &b->operations[i];
		int r;

		if (!is_due(b, op))
			continue;
		r = operation_start(b, i, false, &err);
		if (r == NOBODY_YET)
			break;
		if (r < 0)
			operation_fail(b, op, &err);
		moved |= r != NOT_YET;
	}
	return moved;
}

/*
 * Nothing moves any more: those left wait for each other. Following who waits for whom ends in
 * a circle; one of it is made without its references. Where no operation may begin any more,
 * what is half made goes.
 */
static void circle_break(struct bulk *b)
{
	size_t i = b->first;
	struct err err;
	int r;

	while (i < b->count && b->operations[i].state == DONE)
		i++;
	if (enough_errors(b)) {
		for (; i < b->count; i++)
			if (b->operations[i].state == HALF) {
				err_set(&err, ERR_CONFLICT,
					"the operations that it refers to were not reached");
				operation_fail(b, &b->operations[i], &err);
			}
		return;
	}
	/* after as many steps as there are operations it is inside */
	for (size_t n = 0; n < b->count && b->operations[i].waits; n++)
		i = b->operations[i].waits - 1;
	if (b->operations[i].state == HALF) /* what waits for it is the one to be broken */
		i = b->operations[i].waits - 1;
	r = operation_start(b, i, true, &err);
	if (r < 0)
		operation_fail(b, &b->operations[i], &err);
}

static bool is_over(const struct bulk *b)
{
	for (size_t i = b->first; i < b->count; i++) {
		enum state s = b->operations[i].state;

		if (s != DONE && !(s == WAITING && enough_errors(b)))
			return false;
	}
	return true;
}

/* --- the answer -----------------------------------------------------------------------------
 */

static void operation_answer(const struct operation *op, struct buf *into)
{
	buf_addf(into, "{\"status\":\"%d\"", op->status);
	if (op->method != HTTP_OTHER)
		buf_addf(into, ",\"method\":\"%s\"", http_method_text(op->method));
	if (op->bulk_id) {
		buf_add_text(into, ",\"bulkId\":");
		buf_add_json(into, str_of(op->bulk_id));
	}
	if (op->location) {
		buf_add_text(into, ",\"location\":");
		buf_add_json(into, str_of(op->location));
	}
	if (op->etag[0] && op->status < 300 && op->method != HTTP_DELETE) {
		buf_add_text(into, ",\"version\":");
		buf_add_json(into, str_of(op->etag));
	}
	if (op->response) {
		buf_add_text(into, ",\"response\":");
		buf_add_text(into, op->response);
	}
	buf_add_char(into, '}');
}

static int bulk_answer(struct bulk *b, struct err *err)
{
	struct buf *body = b->call.res->body;
	bool first = true;
	int r;

	buf_addf(body, "{\"schemas\":[\"%s\"],\"Operations\":[", BULK_RESPONSE_URN);
	for (size_t i = 0; i < b->count; i++) {
		if (b->operations[i].state != DONE)
			continue; /* not reached: too many errors before */
		if (!first)
			buf_add_char(body, ',');
		first = false;
		operation_answer(&b->operations[i], body);
	}
	buf_add_text(body, "]}");
	r = buf_fault(body, err, "the answer to a bulk request");
	if (r < 0)
		return r;
	call_answer(&b->call, 200, true);
	return HTTP_DONE;
}

static int bulk_end(struct bulk *b, struct err *err)
{
	int r = bulk_answer(b, err);

	b->call.res->bulk = NULL;
	bulk_free(b);
	return r;
}

int bulk_go_on(struct bulk *b, struct err *err)
{
	for (;;) {
		bool moved;

		atomic_store(&b->under_way, 1);
		collect(b);
		if (is_over(b))
			return bulk_end(b, err);
		moved = start_due(b);
		if (!moved)
			circle_break(b);
		/* the last one to be answered goes on, be it this thread */
		if (atomic_fetch_sub(&b->under_way, 1) > 1)
			return HTTP_PARKED;
	}
}

struct scim_call bulk_call(const struct bulk *b)
{
	return b->call;
}

void bulk_free(struct bulk *b)
{
	if (!b)
		return;
	HASH_CLEAR(hh, b->by_id);
	for (size_t i = 0; i < b->count; i++) {
		free(b->operations[i].bulk_id);
		free(b->operations[i].location);
		free(b->operations[i].response);
	}
	free(b->operations);
	for (size_t i = 0; i < b->slots_used; i++)
		slot_done(&b->slots[i]);
	bulk_envelope_done(&b->envelope);
	free(b);
}

int bulk_begin(struct scim_call *call, struct err *err)
{
	const struct scim_options *o = call->options;
	const struct bulk_limits limits = { .operations = o->bulk_operations,
					    .payload_bytes = o->bulk_bytes,
					    .operation_bytes = o->bulk_operation_bytes };
	CLEANUP(bulk_free_at) struct bulk *b = NULL;
	int r = call_media(call, err);

	if (r < 0)
		return r;
	b = calloc(1, sizeof(*b));
	if (!b)
		return err_nomem(err);
	b->call = *call;
	b->operations = calloc(limits.operations, sizeof(*b->operations));
	if (!b->operations)
		return err_nomem(err);
	b->text = (struct bulk_text){ call->req->body, call->req->spool };
	r = bulk_read(&b->text, &limits, operation_note, b, &b->envelope, err);
	if (r < 0)
		return r;
	call->res->bulk = b;
	return bulk_go_on(TAKE(b), err);
}
