/*
 * Issues at Jira that stand for plans or actions: which was asked for, what it is called there,
 * and that it was closed (bridge/tickets.h).
 *
 * One channel has at most one open issue about a thing, however often it is planned anew. "db"
 * is the writer's connection in functions that write.
 */
#ifndef STORE_ISSUES_H
#define STORE_ISSUES_H

#include "store/db.h"

struct issue_row {
	int64_t id;
	struct str channel; /* "issues:NAME" */
	struct str org;
	struct str about;          /* "plan/12", "suspend/7//", ...: without personal data */
	int64_t plan, action;      /* the newest that wants it; action 0: the plan itself */
	struct str name;           /* "OPS-12"; empty until Jira said it */
	int64_t made_ms, ended_ms; /* 0: open */
};
typedef int (*issue_fn)(void *ctx, const struct issue_row *row, struct err *err);

/* STORE_UNCHANGED with the number of the one that is open: its plan and action are then those
 * of in. */
int issues_open(struct db *db, const struct issue_row *in, int64_t *ret, struct err *err)
	MUST_USE;
/* Of "of" counts which it is: channel, about, made_ms. STORE_NOT_FOUND. */
int issues_get(struct db *db, const struct issue_row *of, issue_fn fn, void *ctx,
	       struct err *err) MUST_USE;
/* Open ones of a channel, oldest first. */
int issues_list(struct db *db, struct str channel, issue_fn fn, void *ctx, struct err *err)
	MUST_USE;
/* What Jira calls it. The first name stays. */
int issues_name(struct db *db, const struct issue_row *of, struct str name, struct err *err)
	MUST_USE;
/* STORE_UNCHANGED when it was closed before. */
int issues_end(struct db *db, const struct issue_row *of, int64_t now_ms, struct err *err)
	MUST_USE;
/* Those that were closed before go. */
int issues_retain(struct db *db, int64_t before_ms, struct err *err) MUST_USE;

#endif
