/* Scim/check: short words for the tables of cases; included by scim/check_cases_*.c alone. */
#ifndef SCIM_CHECK_ROWS_H
#define SCIM_CHECK_ROWS_H

#include "scim/check_run.h"

#define MUST CHECK_MUST
#define SHOULD CHECK_SHOULD
#define CLIENT CHECK_CLIENT

#define STEPS(...)                                                                             \
	(const struct check_step[])                                                            \
	{                                                                                      \
		__VA_ARGS__,                                                                   \
		{                                                                              \
			.send = NULL                                                           \
		}                                                                              \
	}
#define GET(target, ...)                                                                       \
	{                                                                                      \
		.send = "GET " target, __VA_ARGS__                                             \
	}
#define POST(target, text, ...)                                                                \
	{                                                                                      \
		.send = "POST " target, .body = text, __VA_ARGS__                              \
	}
#define PUT(target, text, ...)                                                                 \
	{                                                                                      \
		.send = "PUT " target, .body = text, __VA_ARGS__                               \
	}
#define PATCH(target, text, ...)                                                               \
	{                                                                                      \
		.send = "PATCH " target, .body = text, __VA_ARGS__                             \
	}
#define DELETE(target, ...)                                                                    \
	{                                                                                      \
		.send = "DELETE " target, __VA_ARGS__                                          \
	}
#define S(text) .status = text
#define E(text) .expect = text
#define K(text) .keep = text
#define J(function) .judge = function
#define H(text) .with = text
#define A(text) .absent = text
#define SETUP .flags = STEP_SETUP

#define URN_USER "urn:ietf:params:scim:schemas:core:2.0:User"
#define URN_GROUP "urn:ietf:params:scim:schemas:core:2.0:Group"
#define URN_ENT "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
#define URN_LIST "urn:ietf:params:scim:api:messages:2.0:ListResponse"
#define URN_ERROR "urn:ietf:params:scim:api:messages:2.0:Error"
#define URN_PATCH "urn:ietf:params:scim:api:messages:2.0:PatchOp"
#define URN_SEARCH "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
#define URN_BULK "urn:ietf:params:scim:api:messages:2.0:BulkRequest"

#define USER(rest) "{'schemas':['" URN_USER "']" rest "}"
#define GROUP(rest) "{'schemas':['" URN_GROUP "']" rest "}"
#define OPS(list) "{'schemas':['" URN_PATCH "'],'Operations':[" list "]}"
#define BULK(rest) "{'schemas':['" URN_BULK "']" rest "}"
#define IS_ERROR "schemas has " URN_ERROR

#endif
