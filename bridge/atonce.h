/*
 * Who is to go at once: a record that changed and whose employment says immediate. Where there
 * is one, serve makes the round without waiting for policy.settle; what the round does about it
 * is the policy's business. One that is seen twice makes a round too many, and no harm.
 *
 * One thread: the planner of an organisation.
 */
#ifndef BRIDGE_ATONCE_H
#define BRIDGE_ATONCE_H

#include "bridge/app.h"

struct atonce {
	struct atonce_mark {
		int64_t source, change; /* what changed up to here was looked at */
	} * marks;
	size_t n;
	int64_t begin;   /* where the marks of sources begin */
	int64_t rest_ms; /* running time before which no other such round begins */
};

/* Zeros before the first use, but for begin. */
void atonce_done(struct atonce *a);

/* What changed until now is the business of the round that begins. */
int atonce_mark(struct atonce *a, struct app *app, struct err *err) MUST_USE;

/* 1: among what changed since, somebody is to go at once. Reads at most ATONCE_MOST records of
 * each source, and goes on from there in the next call. */
#define ATONCE_MOST 20000
int atonce_look(struct atonce *a, struct app *app, struct err *err) MUST_USE;

/*
 * The first of a flood goes at once; who comes while that round is made, and for as long again
 * after it, goes together in the next: rounds of this kind take half of the time at most. All
 * in running time (stamp_mono_ms), whatever clock the schedules have.
 */
bool atonce_rested(const struct atonce *a, int64_t mono_ms);
void atonce_rest(struct atonce *a, int64_t begun_ms, int64_t ended_ms);

#endif
