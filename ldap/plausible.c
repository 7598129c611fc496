#include "ldap/plausible.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/stamp.h"

#define IMPLAUSIBLE "source-implausible"

const struct dir_reason_trait dir_reason_traits[DIR_REASON_COUNT] = {
	/* clang-format off */
	/*                          word          guard                refuses no_absence */
	[DIR_REASON_INCOMPLETE] = { "incomplete", "source-incomplete", true,  true  },
	[DIR_REASON_MINIMUM]    = { "minimum",    IMPLAUSIBLE,         true,  true  },
	[DIR_REASON_DROP]       = { "drop",       IMPLAUSIBLE,         true,  true  },
	[DIR_REASON_SHOWN]      = { "shown",      IMPLAUSIBLE,         true,  true  },
	[DIR_REASON_BRANCH]     = { "branch",     IMPLAUSIBLE,         true,  true  },
	[DIR_REASON_ROUND]      = { "limit",      IMPLAUSIBLE,         true,  true  },
	[DIR_REASON_CANARY]     = { "canary",     "canary",            true,  true  },
	[DIR_REASON_SCHEMA]     = { "schema",     "source-schema",     true,  true  },
	[DIR_REASON_HIDDEN]     = { "hidden",     "source-schema",     false, false },
	[DIR_REASON_IDENTITY]   = { "identity",   "identity-changed",  true,  true  },
	[DIR_REASON_BEHIND]     = { "behind",     IMPLAUSIBLE,         true,  true  },
	[DIR_REASON_QUESTION]   = { "question",   IMPLAUSIBLE,         false, true  },
	[DIR_REASON_SERVER]     = { "server",     IMPLAUSIBLE,         false, true  },
	/* clang-format on */
};

/* Where servers stop by default, and where products were seen to be cut (reference 9 and 22).
 */
static const uint64_t round_numbers[] = { 500, 1000, 2000, 5000, 10000, 15000, 20000 };

#define BRANCH_LEAST 5 /* a smaller place may well be empty one day */
#define STATE_DROP 0.5 /* account states come and go: half of them must be gone at once */
#define SMALL 3        /* a loss of this many says nothing */

struct judge {
	struct dir_verdict *now;
	const struct dir_verdict *before;
	const struct dir_options *o;
	struct dir_judgement *ret;
	char since[STAMP_TEXT_BYTES + 32]; /* "the read of 2026-11-22T09:00:00Z" */
	bool lost;
};

static void say(struct judge *j, enum dir_reason_kind kind, const char *format, ...)
	PRINTF(3, 4);
static void say(struct judge *j, enum dir_reason_kind kind, const char *format, ...)
{
	struct dir_reason reason = { .kind = kind };
	va_list args;

	va_start(args, format);
	if (vasprintf(&reason.text, format, args) < 0)
		reason.text = NULL;
	va_end(args);
	if (!reason.text || dir_reasons_add(&j->ret->reasons, reason) < 0) {
		free(reason.text);
		j->lost = true;
	}
	j->ret->plausible &= !dir_reason_traits[kind].refuses;
	j->ret->absences_count &= !dir_reason_traits[kind].no_absence;
	j->ret->identity_changed |= kind == DIR_REASON_IDENTITY;
}

static double most(double a, double b)
{
	return a > b ? a : b;
}

static void judge_size(struct judge *j)
{
	uint64_t n = j->now->entries;
	uint64_t was = j->before ? j->before->entries : 0;
	double allowed = most((double)j->o->drop_count, j->o->drop_share * (double)was);

	if (n < (uint64_t)j->o->minimum)
		say(j, DIR_REASON_MINIMUM,
		    "%" PRIu64 " people were read, and at least %" PRId64
		    " are expected (minimum)",
		    n, j->o->minimum);
	if (was > n && (double)(was - n) > allowed)
		say(j, DIR_REASON_DROP,
		    "%" PRIu64 " people instead of %" PRIu64 " in %s: %" PRIu64
		    " fewer, and up to %.0f are believed (drop_count, drop_share)",
		    n, was, j->since, was - n, allowed);
	for (size_t i = 0; i < COUNT_OF(round_numbers); i++)
		if (n == round_numbers[i] && was != n)
			say(j, DIR_REASON_ROUND,
			    "exactly %" PRIu64 " people were read: the number at which servers "
			    "stop; raise the server's limits for the bind account, or accept "
			    "the read if it is right",
			    n);
}

static uint64_t fewer(uint64_t before, uint64_t now)
{
	return before > now ? before - now : 0;
}

/* Who left or moved is not counted by the server either. New places there count, and are
 * nobody: so most of those who are missing must be counted still. */
static void judge_shown(struct judge *j)
{
	const struct dir_verdict *now = j->now, *before = j->before;
	uint64_t lost = fewer(before->own_shown, now->own_shown);
	uint64_t left = fewer(before->own_count, now->own_count);
	uint64_t hidden = fewer(lost, left);

	if (!now->own_count || !before->own_count || hidden <= SMALL || hidden * 2 <= lost)
		return;
	say(j, DIR_REASON_SHOWN,
	    "%" PRIu64 " fewer people are shown directly below the base than in %s, and by the "
	    "server's own count %" PRIu64
	    " fewer entries stand there: the others are hidden from the bind account",
	    lost, j->since, left);
}

static uint64_t branch_entries(const struct dir_branches *b, const char *dn)
{
	for (size_t i = 0; i < b->n; i++)
		if (strcmp(b->v[i].dn, dn) == 0)
			return b->v[i].entries;
	return 0;
}

/* Somebody's move empties a place without a loss; a place that is hidden takes its people
 * along. */
static void judge_branches(struct judge *j)
{
	uint64_t lost =
		j->before->entries > j->now->entries ? j->before->entries - j->now->entries : 0;

	if (!j->now->branches.n)
		return;
	for (size_t i = 0; i < j->before->branches.n; i++) {
		const struct dir_branch *b = &j->before->branches.v[i];

		if (b->entries >= BRANCH_LEAST && lost * 2 >= b->entries &&
		    branch_entries(&j->now->branches, b->dn) == 0)
			say(j, DIR_REASON_BRANCH,
			    "nobody is left below %s, where %" PRIu64
			    " people stood in %s: moved, or hidden from the bind account",
			    b->dn, b->entries, j->since);
	}
}

static void judge_canaries(struct judge *j)
{
	for (size_t i = 0; i < j->now->canaries.n; i++)
		if (!j->now->canaries.v[i].seen)
			say(j, DIR_REASON_CANARY,
			    "canary number %zu of the settings was not seen", i + 1);
}

static bool changed(const char *before, const char *now)
{
	return before && now && strcmp(before, now) != 0;
}

static void judge_identity(struct judge *j)
{
	const struct dir_verdict *now = j->now, *before = j->before;

	if (changed(before->base_id, now->base_id))
		say(j, DIR_REASON_IDENTITY,
		    "the base entry is another one than in %s (its id was %s and is %s): "
		    "another "
		    "directory answers, or the base was made anew",
		    j->since, before->base_id, now->base_id);
	else if (before->kind != now->kind)
		say(j, DIR_REASON_IDENTITY, "%s answers instead of %s",
		    dir_trait(now->kind)->title, dir_trait(before->kind)->title);
	if (strcmp(before->question, now->question) != 0)
		say(j, DIR_REASON_QUESTION,
		    "bind account, base, filter, attributes or map changed since %s: who is "
		    "missing is not counted as absent in this read",
		    j->since);
	if (changed(before->server_id, now->server_id) || changed(before->uri, now->uri))
		say(j, DIR_REASON_SERVER,
		    "%s answered, and %s in %s: who is missing is not counted as absent in "
		    "this "
		    "read",
		    now->uri, before->uri, j->since);
}

static void judge_waters(struct judge *j)
{
	for (size_t i = 0; i < j->before->waters.n; i++) {
		const struct dir_water *was = &j->before->waters.v[i];

		for (size_t k = 0; k < j->now->waters.n; k++) {
			const struct dir_water *is = &j->now->waters.v[k];

			if (strcmp(was->name, is->name) == 0 &&
			    strcmp(is->value, was->value) < 0)
				say(j, DIR_REASON_BEHIND,
				    "the server's data is older than in %s (%s was %s and is "
				    "%s): "
				    "restored from a backup, or a replica that lags",
				    j->since, was->name, was->value, is->value);
		}
	}
}

/* --- attributes ----------------------------------------------------------------------------
 */

static const struct dir_attr_stat *stat_of(const struct dir_attr_stats *stats, const char *name)
{
	for (size_t i = 0; i < stats->n; i++)
		if (str_ieq(str_of(stats->v[i].name), str_of(name)))
			return &stats->v[i];
	return NULL;
}

static void hide(struct judge *j, struct dir_attr_stat *a, enum dir_reason_kind kind,
		 const char *format, ...) PRINTF(4, 5);
static void hide(struct judge *j, struct dir_attr_stat *a, enum dir_reason_kind kind,
		 const char *format, ...)
{
	va_list args;
	char *why = NULL;

	va_start(args, format);
	if (vasprintf(&why, format, args) < 0)
		why = NULL;
	va_end(args);
	if (!why) {
		j->lost = true;
		return;
	}
	say(j, kind, "%s: %s", a->name, why);
	a->unknown = a->judged = true;
	free(a->why);
	a->why = why;
}

/*
 * How many should have it, by the share that had it when it was last read well. It is hidden
 * when all of them are without it, or too many at once; a loss of more than a few also makes
 * the whole read doubtful.
 */
static void judge_share(struct judge *j, struct dir_attr_stat *a,
			const struct dir_attr_stat *was)
{
	uint64_t entries = j->now->entries;
	double expected = (double)was->base_with / (double)was->base_entries * (double)entries;
	double lost = expected - (double)a->with;
	double bound = (a->state ? STATE_DROP : j->o->attribute_drop) * expected;

	if (lost > most(SMALL, bound))
		hide(j, a, DIR_REASON_SCHEMA,
		     "%" PRIu64 " of %" PRIu64 " people have it, about %.0f should as in %s: "
		     "hidden from the bind account, or really removed (then accept the read)",
		     a->with, entries, expected, j->since);
	else if (!a->with && was->base_with && entries)
		hide(j, a, DIR_REASON_HIDDEN,
		     "nobody has it any more, %" PRIu64
		     " had it in %s: taken to be hidden until "
		     "somebody has it again or the read is accepted",
		     was->base_with, j->since);
}

static void judge_attr(struct judge *j, struct dir_attr_stat *a,
		       const struct dir_attr_stat *was)
{
	bool before = was && was->base_entries;

	a->base_with = a->with;
	a->base_entries = j->now->entries;
	if (a->unknown)
		say(j, DIR_REASON_HIDDEN, "%s: %s", a->name, a->why ? a->why : "not readable");
	else if (before)
		judge_share(j, a, was);
	if (a->unknown && before) {
		a->base_with = was->base_with;
		a->base_entries = was->base_entries;
	}
}

static void judge_attrs(struct judge *j)
{
	for (size_t i = 0; i < j->now->attrs.n; i++) {
		struct dir_attr_stat *a = &j->now->attrs.v[i];

		judge_attr(j, a, j->before ? stat_of(&j->before->attrs, a->name) : NULL);
	}
}

int dir_plausible(struct dir_verdict *now, const struct dir_verdict *before,
		  const struct dir_options *o, int64_t now_ms, struct dir_judgement *ret,
		  struct err *err)
{
	struct dir_judgement judgement = { .plausible = true, .absences_count = true };
	struct judge j = { .now = now, .before = before, .o = o, .ret = &judgement };
	char stamp[STAMP_TEXT_BYTES];

	if (!now->complete)
		say(&j, DIR_REASON_INCOMPLETE, "%s", now->why);
	if (before) {
		stamp_text(before->started_ms, stamp);
		snprintf(j.since, sizeof(j.since), "the read of %s", stamp);
		if (before->started_ms > now_ms)
			say(&j, DIR_REASON_BEHIND,
			    "the last accepted read is of %s, which is still to come: this "
			    "machine's clock was set back",
			    stamp);
	}
	/* what an incomplete read counted says nothing */
	if (now->complete) {
		judge_size(&j);
		judge_canaries(&j);
		if (before) {
			judge_shown(&j);
			judge_branches(&j);
			judge_identity(&j);
			judge_waters(&j);
		}
		judge_attrs(&j);
	}
	if (j.lost) {
		dir_judgement_done(&judgement);
		return err_nomem(err);
	}
	*ret = judgement;
	return 0;
}

void dir_judgement_done(struct dir_judgement *j)
{
	for (size_t i = 0; i < j->reasons.n; i++)
		free(j->reasons.v[i].text);
	dir_reasons_done(&j->reasons);
	*j = (struct dir_judgement){ 0 };
}

void dir_verdict_accept(struct dir_verdict *v)
{
	for (size_t i = 0; i < v->attrs.n; i++) {
		struct dir_attr_stat *a = &v->attrs.v[i];

		a->base_with = a->with;
		a->base_entries = v->entries;
		if (!a->judged)
			continue;
		a->unknown = a->judged = false;
		free(a->why);
		a->why = NULL;
	}
}

int dir_judgement_json(const struct dir_judgement *j, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *list = json_array();
	int r = list ? 0 : err_nomem(err);

	for (size_t i = 0; i < j->reasons.n && r == 0; i++) {
		const struct dir_reason *reason = &j->reasons.v[i];
		const struct dir_reason_trait *trait = &dir_reason_traits[reason->kind];
		CLEANUP(json_decref_at) json_t *one = json_object();

		r = one ? jx_set(one, "reason", json_string(trait->word), err) : err_nomem(err);
		if (r == 0)
			r = jx_set(one, "guard", json_string(trait->guard), err);
		if (r == 0)
			r = jx_set(one, "refuses", json_boolean(trait->refuses), err);
		if (r == 0)
			r = jx_set(one, "text", json_string(reason->text), err);
		if (r == 0)
			r = jx_add(list, json_incref(one), err);
	}
	if (r < 0)
		return r;
	*ret = TAKE(list);
	return 0;
}
