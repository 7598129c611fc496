#include "scim/bulk_in.h"

#include "net/route.h"

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
		return op->state == GONE || !bulk_still_waits(b, op);
	return op->state == WAITING && !enough_errors(b) && !bulk_still_waits(b, op);
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
		r = bulk_operation_start(b, i, false, &err);
		if (r == NOBODY_YET)
			break;
		if (r < 0)
			bulk_operation_fail(b, op, &err);
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
				bulk_operation_fail(b, &b->operations[i], &err);
			}
		return;
	}
	/* after as many steps as there are operations it is inside */
	for (size_t n = 0; n < b->count && b->operations[i].waits; n++)
		i = b->operations[i].waits - 1;
	if (b->operations[i].state == HALF) /* what waits for it is the one to be broken */
		i = b->operations[i].waits - 1;
	r = bulk_operation_start(b, i, true, &err);
	if (r < 0)
		bulk_operation_fail(b, &b->operations[i], &err);
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
		bulk_collect(b);
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
		bulk_slot_done(&b->slots[i]);
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
