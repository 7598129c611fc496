/*
 * The inside of scim/check: what its files share. One struct check a run, one thread.
 *
 * Texts of steps are templates. <name> is a variable: a case's own, else the run's, else, as
 * <header:ETag>, a header of the newest answer. In a body ' stands for " and a variable is put
 * in as the inside of a JSON string, or as it is when written <@name>. In a target everything
 * that a URL cannot hold is percent-encoded, and variables wholly.
 *
 *     run        "leaverd-check-1a2b3c4d"     nobody    an id that does not exist
 *     id, name   of a user to look at         me, user  prefix of names, id of the case's user
 */
#ifndef SCIM_CHECK_RUN_H
#define SCIM_CHECK_RUN_H

#include "base/vec.h"
#include "scim/check.h"

enum check_level {
	CHECK_MUST,   /* MUST, SHALL, REQUIRED of the section */
	CHECK_SHOULD, /* SHOULD, RECOMMENDED */
	CHECK_CLIENT, /* no RFC wants it, but the named identity provider sends it */
};

enum check_outcome {
	CHECK_PASSED,
	CHECK_FAILED,
	CHECK_NOT_CLAIMED, /* the server says, or its schema shows, that it has no such thing */
	CHECK_NOT_RUN,     /* needs --write, or a user to look at */
	CHECK_BLOCKED,     /* what had to be made first could not be made */
	CHECK_DEVIATES,    /* failed, in the way that a struct check_deviation names */
	CHECK_OUTCOMES,
};

/* What a case needs. */
enum {
	NEED_WRITE = 1 << 0,
	NEED_PATCH = 1 << 1, /* these are claims of the ServiceProviderConfig */
	NEED_FILTER = 1 << 2,
	NEED_SORT = 1 << 3,
	NEED_ETAG = 1 << 4,
	NEED_BULK = 1 << 5,
	NEED_CURSOR = 1 << 6,
	NEED_GROUPS = 1 << 7, /* these are read from /ResourceTypes */
	NEED_ENTERPRISE = 1 << 8,
	NEED_SAMPLE = 1 << 9, /* any user */
	NEED_MANY = 1 << 13,  /* <many>: one operation more than a bulk may hold */
	/* What is made for it; all include NEED_WRITE. */
	WITH_USER = 1 << 10 | NEED_WRITE,                /* <user>, named by <me> */
	WITH_OTHER = 1 << 11 | WITH_USER,                /* and <other> */
	WITH_GROUP = 1 << 12 | WITH_OTHER | NEED_GROUPS, /* and <group>, holding <user> */
};

struct check;

enum {
	STEP_SETUP = 1,    /* not what is judged: where it fails the case is blocked */
	STEP_NO_TOKEN = 2, /* sent without credentials */
	STEP_BAD_TOKEN = 4 /* sent with a token that cannot be right */
};

/* One request and what must come. */
struct check_step {
	const char *send;   /* "GET Users/<id>?attributes=userName" */
	const char *body;   /* NULL: none */
	const char *with;   /* headers, a line each; "Accept:" sends none of that name */
	const char *status; /* "200 204"; NULL: any */
	const char *expect; /* clauses, see check_expect.c */
	const char *keep;   /* "etag=header:ETag doc=.": variables for later steps */
	/* More than clauses can say. 0: fine; 1: not, and *why says it. */
	int (*judge)(struct check *c, struct buf *why);
	const char *absent; /* statuses that mean: there is no such thing here */
	unsigned flags;
};

/* What some servers do on purpose where a case fails. */
struct check_deviation {
	const char *name;               /* of the case; NULL ends the table */
	const char *says;               /* what they do, for whom, and how it is called */
	const struct check_step *steps; /* after those of the case: they hold where it is so */
};
extern const struct check_deviation check_deviations[];

struct check_case {
	const char *name; /* "filter.eq-unknown": group, dot, what */
	const char *section;
	enum check_level level;
	unsigned needs;
	const char
		*uses; /* attributes of User that it needs, by blanks; NULL: userName alone */
	const char *wants;              /* what the section says, in our words */
	const char *hurts;              /* who breaks, and how */
	const struct check_step *steps; /* ended by a NULL send */
};

/* Tables, each ended by a NULL name. */
extern const struct check_case check_cases_discovery[], check_cases_read[],
	check_cases_filter[], check_cases_users[], check_cases_patch[], check_cases_groups[],
	check_cases_more[];

/* A resource that we made, or may have made. */
struct check_own {
	const char *endpoint; /* "Users", "Groups": static */
	char *name;           /* may be NULL */
	char *id;             /* NULL: not told */
	bool refused;         /* the server said that it did not make it */
	bool gone;
};
VEC(check_owns, struct check_own);

struct check_claims {
	bool patch, filter, sort, etag, bulk, cursor, groups, enterprise;
	int64_t max_results, max_operations; /* 0: not told */
};

struct check {
	struct httpc *http;
	const struct check_options *o;
	char *url; /* without '/' at its end */
	char run[sizeof(CHECK_PREFIX) + 8];
	struct check_claims claims;
	json_t *schemas;       /* answer of /Schemas, or NULL */
	json_t *vars, *locals; /* objects of texts */
	struct check_owns own;
	bool foreign; /* the sample is somebody's, not ours: its values are not shown */
	bool cleaning;

	/* The newest exchange. */
	struct httpc_answer answer;
	json_t *doc; /* its body; NULL: none, or no JSON */
	struct err doc_fault;
	struct buf sent, came; /* as shown */

	unsigned requests, faults_in_row, numbered;
	int64_t until_ms;   /* mono */
	struct err stopped; /* why no further case is run; code 0: it goes on */

	json_t *cases, *left; /* borrowed from out */
	unsigned counts[CHECK_CLIENT + 1][CHECK_OUTCOMES];
};

/* --- check_ask.c -------------------------------------------------------------------------- */

enum check_form { FORM_PLAIN, FORM_BODY, FORM_TARGET };
int check_expand(struct check *c, const char *text, enum check_form form, struct buf *into,
		 struct err *err) MUST_USE;
int check_var(struct check *c, bool local, const char *name, const char *value, struct err *err)
	MUST_USE;
/*
 * Sends a step; c->answer, c->doc, c->sent and c->came are those of this exchange. 0: an
 * answer. CHECK_NO_ANSWER: none, *err says why (a finding, not our fault). Fault: NOMEM,
 * CANCELLED, INTERNAL.
 */
enum { CHECK_NO_ANSWER = 1 };
int check_send(struct check *c, const struct check_step *step, struct err *err) MUST_USE;
void check_answer_done(struct check *c);

/* --- check_show.c ------------------------------------------------------------------------- */

/* Text of strangers: printable, one line, at most so many bytes of it, without the token. */
void check_show_text(const struct check *c, struct str text, size_t most, struct buf *into);
/* A JSON value without other people's values; key is the member that held it. */
void check_show_json(const struct check *c, const char *key, const json_t *value, size_t most,
		     struct buf *into);
void check_show_answer(struct check *c);

/* --- check_expect.c ----------------------------------------------------------------------- */

/* By "Resources/0/id", "emails/type=work/value", "Resources/#", "."; NULL: none. New. */
json_t *check_at(const struct check *c, const char *path);
/* 0: all clauses hold. 1: not, and *why names the first. */
int check_expect(struct check *c, const char *clauses, struct buf *why, struct err *err)
	MUST_USE;
bool check_status_among(const char *list, int status);

/* --- check_own.c -------------------------------------------------------------------------- */

/* Before a request: what it may make. body may be NULL. */
int check_own_expect(struct check *c, const char *method, struct str target, const char *body,
		     size_t *mark, struct err *err) MUST_USE;
/* After it. */
int check_own_learn(struct check *c, size_t mark, bool answered, struct err *err) MUST_USE;
/* True if a resource at this target may be written to. */
bool check_own_may(const struct check *c, const char *method, struct str target);
/* Removes all from the mark on; what stays is in c->left. */
int check_own_clean(struct check *c, size_t from, struct err *err) MUST_USE;
/* The last look: whatever bears this run's name and is still there. */
int check_own_sweep(struct check *c, struct err *err) MUST_USE;
void check_own_done(struct check *c);

/* --- check_judge.c ------------------------------------------------------------------------ */

int judge_config(struct check *c, struct buf *why);
int judge_auth_schemes(struct check *c, struct buf *why);
int judge_types(struct check *c, struct buf *why);
int judge_type_schemas(struct check *c, struct buf *why);
int judge_schemas(struct check *c, struct buf *why);
int judge_attributes(struct check *c, struct buf *why);
int judge_complex(struct check *c, struct buf *why);
int judge_messages(struct check *c, struct buf *why);
int judge_list(struct check *c, struct buf *why);
int judge_page(struct check *c, struct buf *why);
int judge_max_results(struct check *c, struct buf *why);
int judge_declared(struct check *c, struct buf *why);
int judge_no_null(struct check *c, struct buf *why);
int judge_charset(struct check *c, struct buf *why);
int judge_unreserved(struct check *c, struct buf *why);
int judge_ours(struct check *c, struct buf *why);
int judge_empty(struct check *c, struct buf *why);
int judge_one_primary(struct check *c, struct buf *why);
/* True if the User schema has all of these (by blanks), or no schema could be read. */
bool check_declares(const struct check *c, const char *names, char missing[64]);

#endif
