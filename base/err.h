/*
 * Faults, and the words for them.
 *
 * Functions return int: 0 done; below zero a fault, -ERR_x, already told in *err; above zero an
 * answer that their header names. A fault is one sentence for an operator, outermost first:
 * what failed, on what, why, what to do. struct err lives on the caller's stack, so telling of
 * lost memory needs none. Safe on every thread; err may be NULL where the sentence is not
 * wanted.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>

#include "base/own.h"

#define ERR_TEXT_BYTES 496 /* longer sentences are cut at a character and end in "..." */

/* Whether the same request, sent again unchanged, may fare better. */
enum err_retry {
	RETRY_NEVER, /* the request or the right is wrong: a person must change something */
	RETRY_LATER, /* the other side is busy or away: again, with backoff */
};

/* clang-format off */
/* One row, one fault: symbol, word for programs, HTTP status, SCIM type (RFC 7644 table 9), retry. */
#define ERR_LIST(X)                                                              \
	X(NOMEM,          "out-of-memory",     503, NULL,            RETRY_LATER) \
	X(INTERNAL,       "internal",          500, NULL,            RETRY_NEVER) \
	X(IO,             "io",                500, NULL,            RETRY_NEVER) \
	X(FULL,           "storage-full",      503, NULL,            RETRY_LATER) \
	X(USAGE,          "usage",             400, NULL,            RETRY_NEVER) \
	X(CONFIG,         "config",            400, NULL,            RETRY_NEVER) \
	X(POLICY,         "policy",            400, NULL,            RETRY_NEVER) \
	X(INVALID_SYNTAX, "invalid-syntax",    400, "invalidSyntax", RETRY_NEVER) \
	X(INVALID_FILTER, "invalid-filter",    400, "invalidFilter", RETRY_NEVER) \
	X(INVALID_PATH,   "invalid-path",      400, "invalidPath",   RETRY_NEVER) \
	X(INVALID_VALUE,  "invalid-value",     400, "invalidValue",  RETRY_NEVER) \
	X(INVALID_VERS,   "invalid-version",   400, "invalidVers",   RETRY_NEVER) \
	X(INVALID_CURSOR, "invalid-cursor",    400, "invalidCursor", RETRY_NEVER) \
	X(EXPIRED_CURSOR, "expired-cursor",    400, "expiredCursor", RETRY_NEVER) \
	X(INVALID_COUNT,  "invalid-count",     400, "invalidCount",  RETRY_NEVER) \
	X(NO_TARGET,      "no-target",         400, "noTarget",      RETRY_NEVER) \
	X(MUTABILITY,     "mutability",        400, "mutability",    RETRY_NEVER) \
	X(TOO_MANY,       "too-many",          400, "tooMany",       RETRY_NEVER) \
	X(UNIQUENESS,     "uniqueness",        409, "uniqueness",    RETRY_NEVER) \
	X(SENSITIVE,      "sensitive",         403, "sensitive",     RETRY_NEVER) \
	X(UNAUTHORIZED,   "unauthorized",      401, NULL,            RETRY_NEVER) \
	X(FORBIDDEN,      "forbidden",         403, NULL,            RETRY_NEVER) \
	X(NOT_FOUND,      "not-found",         404, NULL,            RETRY_NEVER) \
	X(METHOD,         "method",            405, NULL,            RETRY_NEVER) \
	X(CONFLICT,       "conflict",          409, NULL,            RETRY_NEVER) \
	X(PRECONDITION,   "precondition",      412, NULL,            RETRY_NEVER) \
	X(TOO_LARGE,      "too-large",         413, NULL,            RETRY_NEVER) \
	X(MEDIA_TYPE,     "media-type",        415, NULL,            RETRY_NEVER) \
	X(RATE_LIMIT,     "rate-limit",        429, NULL,            RETRY_LATER) \
	X(NOT_SUPPORTED,  "not-supported",     501, NULL,            RETRY_NEVER) \
	X(UNAVAILABLE,    "unavailable",       503, NULL,            RETRY_LATER) \
	X(TIMEOUT,        "timeout",           504, NULL,            RETRY_LATER) \
	X(NETWORK,        "network",           502, NULL,            RETRY_LATER) \
	X(TLS,            "tls",               502, NULL,            RETRY_NEVER) \
	X(PROTOCOL,       "protocol",          502, NULL,            RETRY_LATER) \
	X(REMOTE,         "remote-refused",    502, NULL,            RETRY_NEVER) \
	X(INCOMPLETE,     "incomplete",        503, NULL,            RETRY_LATER) \
	X(LIMIT,          "limit",             413, NULL,            RETRY_NEVER) \
	X(SECRET,         "secret",            500, NULL,            RETRY_NEVER) \
	X(DAMAGED,        "damaged",           500, NULL,            RETRY_NEVER) \
	X(FOREIGN,        "foreign-database",  500, NULL,            RETRY_NEVER) \
	X(NEWER,          "newer-database",    500, NULL,            RETRY_NEVER) \
	X(LEASE,          "lease",             409, NULL,            RETRY_LATER) \
	X(BUSY,           "busy",              503, NULL,            RETRY_LATER) \
	X(HELD,           "held",              409, NULL,            RETRY_NEVER) \
	X(EXPIRED,        "expired",           409, NULL,            RETRY_NEVER) \
	X(REFUSED,        "refused",           403, NULL,            RETRY_NEVER) \
	X(CANCELLED,      "cancelled",         503, NULL,            RETRY_NEVER)
/* clang-format on */

enum err_code {
	ERR_NONE,
#define X(symbol, word, status, scim_type, retry) ERR_##symbol,
	ERR_LIST(X)
#undef X
		ERR_CODE_COUNT
};

struct err {
	int code; /* ERR_x, positive; 0 while nothing happened */
	char text[ERR_TEXT_BYTES];
};

/* What is true of every fault of a kind. */
struct err_class {
	const char *symbol; /* "INVALID_FILTER" */
	const char *word;   /* "invalid-filter": stable, for programs and metrics */
	int http_status;
	const char *scim_type; /* NULL where RFC 7644 has none */
	enum err_retry retry;
};

/* Tells a fault, replacing what *err said; returns -code, to be returned at once. */
int err_set(struct err *err, int code, const char *format, ...) PRINTF(3, 4);
int err_vset(struct err *err, int code, const char *format, va_list args) PRINTF(3, 0);

/* As err_set(), with ": " and the system's words for errnum at the end. */
int err_errno(struct err *err, int code, int errnum, const char *format, ...) PRINTF(4, 5);

/* Puts "WHAT: " before the sentence in *err; returns r unchanged. */
int err_context(struct err *err, int r, const char *format, ...) PRINTF(3, 4);

/* ERR_NOMEM, said without needing memory; returns -ERR_NOMEM. */
int err_nomem(struct err *err);

/* The row of a code; both ERR_x and -ERR_x are understood. Never NULL: a strange code is
 * INTERNAL. */
const struct err_class *err_class(int code);

/* The code whose word this is, or 0. */
int err_by_word(const char *word);

#endif
