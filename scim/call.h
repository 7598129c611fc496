/*
 * One request on its way through the rooms' files: who asks, what, and where the answer goes.
 * Made by service.c; a write under way keeps a copy, whose request and response stay borrowed
 * until the response is complete.
 */
#ifndef SCIM_CALL_H
#define SCIM_CALL_H

#include "scim/codec.h"
#include "scim/service.h"

#define CALL_BASE_BYTES 400

struct scim_call {
	const struct scim_backend *backend;
	const struct scim_options *options; /* defaults filled in */
	const struct secret *cursor_key;
	struct scim_client client;
	char base[CALL_BASE_BYTES]; /* "https://host/scim/v2/idp" */
	const char *challenge;      /* of a fault of authentication: static; NULL: none */
	const struct scim_request *req;
	struct scim_response *res;
	struct scim_fresh fresh; /* what the answer was made of; unknown: not to be kept */
	struct codec_tag tag;    /* of the one resource that it is; version 0: a list */
	json_t *json; /* the body, already read: of an operation of a bulk request; or NULL */
};

/* Makes the response an Error, whatever was in it; tells the log of faults of ours. */
void call_fault(struct scim_call *call, const struct err *err);
/* Status and, with a body, its type: what the client's Accept asks for. */
void call_answer(struct scim_call *call, int status, bool body);
/* Fault: MEDIA_TYPE, the body is not said to be JSON. */
int call_media(const struct scim_call *call, struct err *err) MUST_USE;
/* The request's body as one JSON document. Fault: MEDIA_TYPE, INVALID_SYNTAX. *ret is new. */
int call_json(const struct scim_call *call, json_t **ret, struct err *err) MUST_USE;
/*
 * One operation of a bulk request, whose client and base are known: path is "Users/ID". own:
 * the server itself asks, whatever the client's rights. As a route's handler; further faults:
 * NOT_FOUND, METHOD, FORBIDDEN, INVALID_VALUE (not possible inside a bulk request).
 */
int call_route(struct scim_call *call, struct str path, bool own, struct err *err) MUST_USE;
/* Counts into the room's metrics. */
struct coercions;
void call_count(const struct coercions *coercions);

#endif
