/*
 * The rehearsal organisation: what its parts share.
 *
 * A request becomes a `struct call`. Handlers run under the one lock of `struct rehearsal`,
 * fill the call's body and answer the HTTP status; dispatch.c does what comes before and after
 * them: key, rate, faults, record. No handler waits: what shall be late is parked and resumed
 * by the waiting worker.
 */
#ifndef REHEARSAL_REHEARSAL_H
#define REHEARSAL_REHEARSAL_H

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>

#include "base/worker.h"
#include "net/httpd.h"
#include "tests/rehearsal/jw.h"
#include "tests/rehearsal/ledger.h"
#include "tests/rehearsal/mischief.h"
#include "tests/rehearsal/org.h"

#define CALL_SEGMENTS 12
#define ANSWER_MAX_BYTES (512u << 20) /* the state of 100,000 accounts */

/* A reply that is late. */
struct parked {
	struct http_req *req;
	int64_t due_mono_ms;
};
VEC(vec_parked, struct parked);

/* A fixed window of requests, on the monotonic clock; limit 0: no limit. */
struct rate {
	int64_t limit, window_ms;
	int64_t began_mono_ms, used;
};

struct rehearsal {
	pthread_mutex_t lock;
	struct org org;
	struct ledger ledger;
	struct mischief mischief;
	struct rate rate;
	int64_t latency_ms;         /* of every answer */
	int64_t page_v1;            /* size of v1 pages, which no client can set */
	const char *key;            /* the unscoped organisation key */
	const char *scoped;         /* a key with read scopes, or NULL */
	const char *site_token;     /* of sites: Basic, with any address before it, or Bearer */
	const char *scim_directory; /* id of the provisioning directory; NULL: there is none */
	const char *scim_key;       /* its key, which opens nothing else */
	json_t *scim;               /* {"users":[…],"groups":[…]}: api_scim.c */
	json_t *works;              /* what people made on the sites: works.h; NULL: nothing */
	json_t *task;               /* the newest bulk change of issues; NULL: none yet */
	size_t tasks;
	bool guard_lapsed;   /* no provisioning, no tokens of the whole organisation */
	bool apps_in_search; /* show apps and customers in users/search, as some orgs report */
	FILE *record;        /* NULL: none */
	char base[128];      /* "http://127.0.0.1:PORT" */
	struct vec_parked parked;
	struct worker *waiter;
	bool stopping;
};

enum key_kind { KEY_NONE, KEY_FULL, KEY_SCOPED };

struct call {
	struct rehearsal *re;
	struct org *org;
	struct http_req *req;
	const char *method;
	struct str path;  /* as sent, without query */
	struct str query; /* raw */
	struct str segment[CALL_SEGMENTS];
	struct buf decoded; /* where segments live */
	unsigned segments;
	int64_t now_ms;
	enum key_kind key;
	json_t *body; /* parsed; NULL: there was none */
	struct str body_raw;
	struct buf out;     /* the answer */
	struct buf headers; /* of the answer: "Name: value\n" */
	/* what lies in the way: set by dispatch, obeyed by call_page() */
	const struct fault *fault;
	/* what the call did; set by call_effect() */
	const char *op;
	char account[132], detail[160];
	bool changed;
	int status;
};

/* --- answers (answer.c) ---------------------------------------------------------------- */

/* Fills the body with an application error and answers its status. */
int answer_error(struct call *c, int status, const char *code, const char *format, ...)
	PRINTF(4, 5);
int answer_proxy(struct call *c, int status, const char *message);
int answer_key(struct call *c, int status, const char *key);
/* Forbidden by a rule of user management: forbidden.action with its reason. */
int answer_forbidden_action(struct call *c, const char *reason);
/* 409 of the lifecycle. */
int answer_lifecycle(struct call *c, const char *account, const char *code,
		     const char *message);
int answer_bad_body(struct call *c, const char *format, ...) PRINTF(2, 3);
void answer_header(struct call *c, const char *name, const char *format, ...) PRINTF(3, 4);

/* Of the provisioning API, before it is reached: who asks may not. */
int scim_failure(struct call *c, int status, const char *error);

/* Notes what a write did to whom; op is static text. */
void call_effect(struct call *c, const char *op, const char *account, bool changed,
		 const char *format, ...) PRINTF(5, 6);

/* A segment of the path as a text; the empty text if there is none. */
struct str call_segment(const struct call *c, unsigned n);
/* First query value of that name, decoded into *into; false if not sent. */
bool call_query(const struct call *c, const char *name, struct buf *into);
/* The query as an object; names in `lists` (NULL-terminated) become arrays. */
json_t *call_query_object(const struct call *c, const char *const *lists);

/* An optional array of 1 to `most` texts; NULL where it is not there. 0, or the refusal. */
int call_list(struct call *c, const json_t *from, const char *name, size_t most,
	      const json_t **ret);
/* Whether one of the texts is this one, or holds it, but for the case of ASCII letters. */
bool list_has(const json_t *list, const char *text);
bool text_has(const char *text, const char *term);

/* --- pages (page.c) -------------------------------------------------------------------- */

/* One page of a list: where it starts, how many, and what was asked. */
struct page {
	json_t *asked; /* owned: the filters, also those of the first page */
	size_t from;   /* position in the list */
	size_t limit;
	size_t next; /* set by the list: where the next page starts; SIZE_MAX: the end */
	bool lost;   /* a fault: items of this page are not sent */
	char name[24];
	char *cursor; /* as sent; NULL: first page */
};

/*
 * Opens a page named `name`: reads "cursor" and "limit" of `asked` (a reference is taken; NULL
 * is an empty object) or everything from the cursor. 0, or the HTTP status of a bad cursor or
 * limit with the body filled. Ends with page_close().
 */
int page_open(struct call *c, struct page *page, const char *name, json_t *asked,
	      size_t limit_default, size_t limit_most);
void page_close(struct page *page);
/* The cursor of the next page, or NULL at the end; the caller frees. Obeys faults. */
char *page_next(struct call *c, const struct page *page);

/* --- endpoints ------------------------------------------------------------------------- */

typedef int (*call_handler)(struct call *c);

struct endpoint {
	const char *method;
	const char *path; /* "{x}" stands for any one segment */
	call_handler handler;
	unsigned flags; /* ENDPOINT_ */
};
#define ENDPOINT_UM 0x01     /* user management: other errors, no scoped key */
#define ENDPOINT_WRITE 0x02  /* not for a scoped key */
#define ENDPOINT_BODY 0x04   /* 415 without a JSON body, even an empty one */
#define ENDPOINT_OBJECT 0x10 /* a JSON object must come */

extern const struct endpoint endpoints_org[];        /* api_org.c */
extern const struct endpoint endpoints_users[];      /* api_users.c */
extern const struct endpoint endpoints_writes[];     /* api_writes.c */
extern const struct endpoint endpoints_groups[];     /* api_groups.c */
extern const struct endpoint endpoints_manage[];     /* api_manage.c */
extern const struct endpoint endpoints_events[];     /* api_events.c */
int events_post(struct call *c);                     /* the same file, for control.c */
extern const struct endpoint endpoints_jira[];       /* api_jira.c */
extern const struct endpoint endpoints_issues[];     /* api_issues.c */
extern const struct endpoint endpoints_confluence[]; /* api_confluence.c */
extern const struct endpoint endpoints_scim[];       /* api_scim.c */
extern const struct endpoint endpoints_works[];      /* works.c, under /_rehearsal/ */
extern const struct endpoint endpoints_control[];    /* control.c, under /_rehearsal/ */

/* Shared by the endpoints (answer.c). 0, or the status of the error told. */
int call_org(struct call *c);                           /* segment 3 is our org id */
int call_directory(struct call *c, bool all, int *ret); /* segment 5; -1 for "-" */
int call_account(struct call *c, unsigned n, uint32_t *ret);
int call_group(struct call *c, unsigned n, unsigned directory, uint32_t *ret);

/* --- dispatch (dispatch.c) ------------------------------------------------------------- */

int dispatch(void *ctx, struct http_req *req, struct http_reply *reply, struct err *err);
/* The worker that resumes parked requests; arg is the rehearsal. */
void dispatch_waiter(struct worker *self, void *arg);
/* Resumes all that is parked, and parks no more. */
void dispatch_stop(struct rehearsal *re);

/* --- the clock (clock.c) --------------------------------------------------------------- */

/* Moves the virtual clock forward. Fault: CONFIG where there is none. */
int clock_advance(int64_t ms, struct err *err) MUST_USE;

#endif
