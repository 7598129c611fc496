/*
 * What an account can own on a site, and so leaves behind: kinds and their words. Each row says
 * whether an API gives it to somebody else; what none does is told to people, with where it is.
 */
#ifndef MODEL_OWNED_H
#define MODEL_OWNED_H

#include "model/plan.h"

enum owned_kind {
	OWNED_ISSUE,    /* open, assigned */
	OWNED_REPORTED, /* open, reported: history, stays */
	OWNED_FILTER,
	OWNED_DASHBOARD,
	OWNED_PROJECT,   /* leads it */
	OWNED_COMPONENT, /* leads it */
	OWNED_RULE,      /* an automation rule of its own, or that runs as it */
	OWNED_SPACE,     /* Confluence space */
	OWNED_KIND_COUNT
};

struct owned_kind_row {
	const char *word;       /* stands in the database and in JSON */
	const char *one, *many; /* for sentences */
	bool given;             /* an API gives it away, by .give */
	enum step_op give;
	bool jira;        /* the receiver needs a seat of Jira's family; else of Confluence */
	bool by_lead;     /* the lead of its project may have it */
	const char *task; /* what a person does where no API can; NULL: nothing is to be done */
};
extern const struct owned_kind_row owned_kinds[OWNED_KIND_COUNT];

bool owned_kind_of(struct str word, enum owned_kind *ret);

#endif
