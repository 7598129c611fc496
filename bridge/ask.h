/* Small questions that many verbs ask. */
#ifndef BRIDGE_ASK_H
#define BRIDGE_ASK_H

#include "bridge/app.h"
#include "bridge/verb.h"

/* For json_pack("s%"): a struct str that may be empty. */
#define ASK_S(s) (s).p ? (s).p : "", (size_t)(s).len
/* A time that may be 0 for none: null then. New reference. */
json_t *ask_ms(int64_t ms);

/* The one person whom text names. Fault: NOT_FOUND, or CONFLICT with the numbers of several. */
int ask_person(struct app *app, const char *text, int64_t *ret, struct err *err) MUST_USE;

/* The store's number of an account, by Atlassian's id, in org or (NULL) in any organisation. */
int ask_account(struct app *app, const char *org, const char *account_id, int64_t *ret,
		struct err *err) MUST_USE;

/* The configured source or organisation of that name. Fault: NOT_FOUND with the names there
 * are. */
int ask_source(struct app *app, const char *name, const struct config_source **ret,
	       struct err *err) MUST_USE;
int ask_org(struct app *app, const char *name, const struct config_org **ret, struct err *err)
	MUST_USE;

/* Law 11: that somebody looked at people's activity stands in the audit chain: how many rows of
 * what, never whose. */
int ask_note_read(struct app *app, const struct who *who, const char *what, int64_t rows,
		  struct err *err) MUST_USE;
/* The same of a plan's rows: those of class inactive say who does not use what. */
int ask_note_idle(struct app *app, const struct who *who, const json_t *actions,
		  struct err *err) MUST_USE;

/* out.text: what was done, as a sentence. */
int ask_say(json_t *out, struct err *err, const char *format, ...) MUST_USE PRINTF(3, 4);

#endif
