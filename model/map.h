/*
 * Maps: "attribute of a directory entry or a CSV row" -> "SCIM path", as rows of data.
 *
 * A map is compiled once from its rows and is immutable then: any number of threads may apply
 * it. It knows nothing of LDAP or CSV: values come as texts through a struct map_source, each
 * attribute present, absent or unknown (design, law 1). What is unknown stays unknown: its SCIM
 * path is named in map_result.unknown and is not in the document; it is never treated as
 * absent. Virtual attributes (a decoded account state, a GUID in text) are the source's to
 * offer under names of its own, by convention with a leading ':' (":active").
 *
 *     { .to = "userName",       .from = { "uid", "mail" } }                 first that has a
 * value { .to = "emails[type eq \"work\"].value", .from = { "mail" } }        first value of
 * mail { .to = "emails",         .from = { "mail" }, .how = MAP_EACH }       one element a
 * value { .to = "displayName",    .from = { "givenName", "sn" }, .how = MAP_JOIN, .glue = " " }
 *     { .to = "userType",       .constant = "Employee" }
 *     { .to = "enterprise.manager", .from = { "manager" },
 *       .pattern = "^uid=([^,]+),.*$", .with = "$1" }
 *     { .to = "active", .from = { ":active" } }
 *     { .to = "employment.status", .from = { "employeeType" }, .words = words }
 */
#ifndef MODEL_MAP_H
#define MODEL_MAP_H

#include <jansson.h>

#include "model/query.h"

#define MAP_FROM_MAX 8   /* source attributes of one row */
#define MAP_ROWS_MAX 200 /* rows of one map */

enum map_how {
	MAP_FIRST, /* first value of the first attribute of from[] that has one */
	MAP_EACH,  /* every value of the first attribute that has one: `to` must be multi-valued
		    */
	MAP_JOIN,  /* the first value of each of from[], glue between them; absent ones left out
		    */
};

/* One pair of a value list: a source text (ASCII case ignored) and what it means. */
struct map_word {
	const char *from, *to; /* to NULL: absent; a row with from NULL ends the list */
};

/*
 * A row. Of several rows with the same target the first that yields a value counts; one that is
 * unknown ends the search: the target is unknown.
 */
struct map_row {
	const char *to; /* SCIM path of User, also with bracket, "enterprise." "employment." */
	const char *from[MAP_FROM_MAX]; /* up to the first NULL; empty with constant */
	enum map_how how;
	const char *constant;         /* the value, whatever the entry says; or NULL */
	const char *glue;             /* MAP_JOIN; NULL: a blank */
	const char *pattern, *with;   /* base/rewrite on each value; NULL: none */
	bool keep_unmatched;          /* pattern does not match: value as it is, else absent */
	const struct map_word *words; /* after the rewrite; NULL: none */
	const char *otherwise;        /* for texts not in words; NULL: absent */
};

/* Where values come from. */
struct map_source {
	/*
	 * What the entry says of the attribute. VALUE_PRESENT: *ret points to *n >= 1 texts
	 * (UTF-8), borrowed until the next call.
	 */
	enum value_state (*get)(void *ctx, struct str name, const struct str **ret, size_t *n);
	void *ctx;
};

struct map_result {
	json_t *doc; /* a SCIM User: schemas and what was found; without id and meta. NULL of
			map_write() */
	struct str text; /* of map_write(): the same document as canonical JSON; borrowed until
			    the next */
	char **unknown;  /* SCIM paths (path_text), sorted, each once; of a multi-valued
			    attribute the attribute as a whole */
	size_t unknown_n;
	char **bad; /* sentences, without values: a text that the target's type refuses; its
		       path is in unknown too */
	size_t bad_n;
};

/* What one row made of an entry, for people who write maps. */
enum map_outcome {
	MAP_TOOK,    /* texts stand in the document */
	MAP_NOTHING, /* the entry has none of its attributes, or the value list has no word */
	MAP_UNKNOWN, /* an attribute is not known: the target is not */
	MAP_REFUSED, /* a text is not of the target's type: the target is not known */
	MAP_SETTLED, /* an earlier row for the same target came first */
	MAP_OUTCOME_COUNT
};
extern const char *const map_outcome_words[MAP_OUTCOME_COUNT];

struct map_step {
	const struct map_row *row; /* as given; pattern and with are NULL */
	enum map_outcome outcome;
	const char *texts; /* n of them after the rewrite, each ended by NUL */
	size_t n;
};
/* Borrowed for the call. A fault ends the mapping with it. */
typedef int (*map_step_fn)(void *ctx, const struct map_step *step, struct err *err);

struct map;

/*
 * Compiles n rows. Everything is copied. *ret is new and the caller's to map_free().
 * Fault: CONFIG naming the row's number (from 1) and target: a path that is unknown or
 * readOnly, a bracket that is not an `and` of `eq`, a broken pattern, MAP_EACH to a
 * single-valued path.
 */
int map_new(struct map **ret, const struct map_row *rows, size_t n, struct err *err) MUST_USE;
void map_free(struct map *m);
OWNED(struct map, map_free)

/* The source attributes that the rows read, each once (ASCII case ignored), in order of first
 * mention; ended by NULL; the map's. */
const char *const *map_names(const struct map *m);
/* Whether some row writes this path's attribute (ASCII case ignored): "userName". */
bool map_writes(const struct map *m, const char *path);

/*
 * Applies the map to one entry. 0 with *ret filled (the caller's to map_result_done()); faults
 * are NOMEM, LIMIT and INVALID_VALUE (a text that is no UTF-8 is not one: it is bad and
 * unknown). Texts are converted to the target's type: booleans from true/false/yes/no/1/0 in
 * any case, dateTime from RFC 3339 or GeneralizedTime, dates from YYYY-MM-DD or the date of
 * either.
 */
int map_apply(const struct map *m, const struct map_source *from, struct map_result *ret,
	      struct err *err) MUST_USE;
/* The same, and fn is told of every row, in order. */
int map_apply_told(const struct map *m, const struct map_source *from, map_step_fn fn,
		   void *ctx, struct map_result *ret, struct err *err) MUST_USE;

/* The same for many entries: no tree is built, and what one needs of memory the next uses
 * again. One thread. m must live as long. */
struct map_work;
int map_work_new(struct map_work **ret, const struct map *m, struct err *err) MUST_USE;
void map_work_free(struct map_work *w);
OWNED(struct map_work, map_work_free)
int map_write(struct map_work *w, const struct map_source *from, struct map_result *ret,
	      struct err *err) MUST_USE;
void map_result_done(struct map_result *r); /* NULL and twice are fine */

#endif
