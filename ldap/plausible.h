/*
 * Whether a complete read can be believed, held against the last accepted one. Pure: same
 * input, same answer; time is an argument.
 *
 * An implausible read changes nothing until a person accepts it. Each reason names the guard
 * under which it is shown.
 */
#ifndef LDAP_PLAUSIBLE_H
#define LDAP_PLAUSIBLE_H

#include "ldap/options.h"
#include "ldap/verdict.h"

enum dir_reason_kind {
	DIR_REASON_INCOMPLETE, /* it did not reach its end: nobody can override that */
	DIR_REASON_MINIMUM,    /* fewer people than the settings expect, or none */
	DIR_REASON_DROP,       /* too many fewer than last time */
	DIR_REASON_SHOWN,      /* the server still counts people whom it does not show */
	DIR_REASON_BRANCH,     /* nobody left in a place that held people */
	DIR_REASON_ROUND,      /* exactly the number at which servers stop */
	DIR_REASON_CANARY,     /* an entry that must be there is not */
	DIR_REASON_SCHEMA,     /* an attribute that people had is gone from (nearly) all */
	DIR_REASON_HIDDEN,   /* an attribute is unknown in this read; the read itself stands */
	DIR_REASON_IDENTITY, /* another directory answers */
	DIR_REASON_BEHIND,   /* the server has older data than it had */
	DIR_REASON_QUESTION, /* we ask something else than last time */
	DIR_REASON_SERVER,   /* another server of the same directory answered */
	DIR_REASON_COUNT
};

/* What is true of a reason. */
struct dir_reason_trait {
	const char *word;  /* "drop" */
	const char *guard; /* "source-implausible" */
	bool refuses;      /* the read is not plausible */
	bool no_absence;   /* who is missing in this read is not counted as absent */
};
extern const struct dir_reason_trait dir_reason_traits[DIR_REASON_COUNT];

struct dir_reason {
	enum dir_reason_kind kind;
	char *text; /* a sentence, without personal data */
};
VEC(dir_reasons, struct dir_reason);

struct dir_judgement {
	bool plausible;
	bool absences_count; /* false: nobody is one read nearer to "gone" by this one */
	bool identity_changed;
	struct dir_reasons reasons;
};
void dir_judgement_done(struct dir_judgement *j);

/*
 * Judges *now against *before, the last accepted read (NULL: there is none yet), at now_ms.
 * Also writes into now->attrs: unknown and why for those whose share collapsed, and base_with,
 * base_entries, so that *now can be kept as the next baseline. Fault: NOMEM.
 */
int dir_plausible(struct dir_verdict *now, const struct dir_verdict *before,
		  const struct dir_options *o, int64_t now_ms, struct dir_judgement *ret,
		  struct err *err) MUST_USE;

/* A person has accepted this read: its own shares are the baseline, nothing is hidden but what
 * the read itself found hidden. */
void dir_verdict_accept(struct dir_verdict *v);

/* [{"reason","guard","refuses","text"}...]; *ret is new. */
int dir_judgement_json(const struct dir_judgement *j, json_t **ret, struct err *err) MUST_USE;

#endif
