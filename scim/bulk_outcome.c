#include "scim/bulk_in.h"

#include "scim/fault.h"

static void operation_end(struct bulk *b, struct operation *op, int status)
{
	op->status = status;
	op->state = DONE;
	if (status >= 400)
		b->errors++;
}

/* Where memory is lost for it the answer lacks the words, not the status. */
void bulk_operation_fail(struct bulk *b, struct operation *op, const struct err *fault)
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
void bulk_created(struct operation *op, const struct scim_response *res)
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
	bulk_created(op, &slot->res);
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
		bulk_operation_fail(b, op, &err);
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

void bulk_collect(struct bulk *b)
{
	for (size_t i = 0; i < b->slots_used; i++) {
		slot_collect(b, &b->slots[i]);
		bulk_slot_done(&b->slots[i]);
	}
	b->slots_used = b->slots_bytes = 0;
	while (b->first < b->count && b->operations[b->first].state == DONE)
		b->first++;
}
