/*
 * What a read was worth: whether it is complete and why not, and the numbers by which the next
 * one is judged (ldap/plausible.h). Plain data; as JSON it is kept with the read.
 */
#ifndef LDAP_VERDICT_H
#define LDAP_VERDICT_H

#include "base/digest.h"
#include "base/jx.h"
#include "ldap/rootdse.h"

VEC(dir_paths, char *);

/* One attribute that was asked for. */
struct dir_attr_stat {
	char *name;
	uint64_t with; /* entries that had it */
	bool state;    /* an account state's attribute: comes and goes */
	bool unknown;  /* known to be hidden in this read */
	bool judged;   /* unknown by dir_plausible(): until a person accepts the read */
	char *why;     /* why it is unknown, or NULL */
	struct dir_paths paths; /* the SCIM paths that rest on it */
	/* What the next read is held against: here, or, while it is hidden, the last good one.
	 */
	uint64_t base_with, base_entries;
};
VEC(dir_attr_stats, struct dir_attr_stat);

/* One place in the tree that holds people. */
struct dir_branch {
	char *dn; /* normal spelling (ldap/dn.h) */
	uint64_t entries;
};
VEC(dir_branches, struct dir_branch);

struct dir_canary {
	char *text; /* as the settings say it */
	bool seen;
	char *lacks; /* attributes it should have and did not show, or NULL */
};
VEC(dir_canaries, struct dir_canary);

struct dir_verdict {
	bool complete;
	int code;                 /* 0 when complete, else ERR_x */
	char why[ERR_TEXT_BYTES]; /* a sentence when not complete */

	uint64_t entries, pages, deleted /* tombstones left out */,
		twice /* seen twice, the same */;
	uint64_t states[5]; /* by enum dir_state */
	/* Directly below the base: entries of all kinds as the server itself counts them
	 * (0: untold), and people shown. */
	uint64_t own_count, own_shown;
	int64_t started_ms; /* wall */
	int64_t duration_ms;
	int attempts;

	enum dir_kind kind;
	char *uri;       /* that answered */
	char *vendor;    /* or NULL */
	char *server_id; /* or NULL */
	char *base_id;   /* the base entry's immutable id; NULL if the server has none */
	char *who;       /* Who am I?, or NULL where it is not supported */
	char question[DIGEST_HEX_BYTES]; /* bind DN, base, filter, attributes, map */
	struct dir_waters waters;
	struct dir_attr_stats attrs;
	struct dir_branches branches; /* empty when there were more than DIR_BRANCHES_MAX */
	struct dir_canaries canaries;
};

#define DIR_BRANCHES_MAX 4096

void dir_verdict_done(struct dir_verdict *v); /* NULL and zeroed are fine */
void dir_attr_stats_free(struct dir_attr_stats *s);
void dir_branches_free(struct dir_branches *b);
void dir_canaries_free(struct dir_canaries *c);

/* *ret is new. */
int dir_verdict_json(const struct dir_verdict *v, json_t **ret, struct err *err) MUST_USE;
/* The reverse. Fault: PROTOCOL (or NOMEM); *ret as it was then. */
int dir_verdict_from_json(const json_t *j, struct dir_verdict *ret, struct err *err) MUST_USE;

#endif
