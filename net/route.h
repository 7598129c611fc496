/*
 * Route tables: method and path template to handler. Pure; a built table is immutable and may
 * be read by many threads.
 *
 * A template is "/" and segments: literal text, "{name}" for exactly one segment, or, as the
 * last one, "{name*}" for all that is left (at least one segment). Paths are compared segment
 * by segment as sent: empty segments ("//", a trailing "/") do not count, and each segment is
 * decoded by itself, so an encoded slash inside an id stays inside that id. Where several
 * templates fit, the one with a literal in the earliest place wins, whatever the order of rows.
 */
#ifndef NET_ROUTE_H
#define NET_ROUTE_H

#include "net/httpd.h"

#define ROUTE_PARAMS_MAX 6
#define ROUTE_SEGMENTS_MAX 24
#define ROUTE_ALLOW_BYTES 64 /* room for the text of an Allow header */

struct route_table;

struct route_param {
	struct str name;  /* of the template */
	struct str value; /* borrowed from the path, as sent (still percent-encoded) */
};

struct route_match {
	const struct http_route *route;
	struct route_param param[ROUTE_PARAMS_MAX];
	unsigned params;
	unsigned allowed; /* bit per enum http_method that fits the path; HEAD where GET does */
};

enum {
	ROUTE_NO_PATH = 1,   /* nothing has this path: 404 */
	ROUTE_NO_METHOD = 2, /* the path is known, not with this method: 405, see allowed */
};

/* Rows end with a NULL path and must outlive the table. Fault: INTERNAL naming a bad template.
 */
int route_table_new(struct route_table **ret, const struct http_route *routes, struct err *err)
	MUST_USE;
void route_table_free(struct route_table *t);
OWNED(struct route_table, route_table_free)

/* path: raw, without query. HEAD finds GET where it has no row of its own. */
int route_find(const struct route_table *t, enum http_method method, struct str path,
	       struct route_match *ret) MUST_USE;

/* "GET, HEAD, POST": what an Allow header says. */
void route_allow_text(unsigned allowed, char ret[ROUTE_ALLOW_BYTES]);

/* "GET" to HTTP_GET; HTTP_OTHER for what is not ours. And back; "OTHER" for HTTP_OTHER. */
enum http_method http_method_of(const char *text);
const char *http_method_text(enum http_method method);

#endif
