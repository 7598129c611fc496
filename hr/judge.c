#include "hr/judge.h"

#include "base/stamp.h"
#include "model/snapshot.h"

const struct hr_reason_trait hr_reason_traits[HR_REASON_COUNT] = {
	[HR_REASON_OLD] = { "old", "source-stale", DOUBT_STALE },
	[HR_REASON_BEHIND] = { "behind", "source-stale", DOUBT_STALE },
	[HR_REASON_MINIMUM] = { "minimum", "source-implausible", DOUBT_IMPLAUSIBLE },
	[HR_REASON_DROP] = { "drop", "source-implausible", DOUBT_IMPLAUSIBLE },
	[HR_REASON_GROWTH] = { "growth", "source-implausible", DOUBT_IMPLAUSIBLE },
	[HR_REASON_CANARY] = { "canary", "canary", DOUBT_CANARY },
	[HR_REASON_CUT] = { "cut", "source-implausible", DOUBT_IMPLAUSIBLE },
	[HR_REASON_COLUMNS] = { "columns", "source-schema", 0 },
	[HR_REASON_CHANGED] = { "changed", "source-implausible", DOUBT_IMPLAUSIBLE },
};

void hr_reasons_free(struct hr_reasons *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->v[i].text);
	hr_reasons_done(r);
}

unsigned hr_reasons_doubts(const struct hr_reasons *r)
{
	unsigned doubts = 0;

	for (size_t i = 0; i < r->n; i++)
		doubts |= hr_reason_traits[r->v[i].kind].doubt;
	return doubts;
}

static int add(struct hr_reasons *into, struct err *err, enum hr_reason_kind kind,
	       const char *format, ...) PRINTF(4, 5);
static int add(struct hr_reasons *into, struct err *err, enum hr_reason_kind kind,
	       const char *format, ...)
{
	struct err text = { 0 };
	struct hr_reason reason = { .kind = kind };
	va_list args;

	va_start(args, format);
	err_vset(&text, ERR_REFUSED, format, args);
	va_end(args);
	reason.text = str_dup(str_of(text.text));
	if (!reason.text || hr_reasons_add(into, reason) < 0) {
		free(reason.text);
		return err_nomem(err);
	}
	return 0;
}

/* The fixed number or the share, whichever is more. */
static int64_t allowed(int64_t count, double share, int64_t of)
{
	int64_t by_share = (int64_t)((double)of * share);

	return by_share > count ? by_share : count;
}

static int judge_age(const struct hr_verdict *now, const struct hr_verdict *before,
		     const struct hr_options *o, int64_t now_ms, struct hr_reasons *ret,
		     struct err *err)
{
	char then[STAMP_TEXT_BYTES], last[STAMP_TEXT_BYTES];
	int r = 0;

	if (!now->date_ms)
		return 0;
	stamp_text(now->date_ms, then);
	/* of several that are read one after the other the last says how old the news are */
	if (now_ms - now->date_ms > o->max_age_ms && !now->behind)
		r = add(ret, err, HR_REASON_OLD,
			"the export is of %s, %lld hours ago, and at most %lld are believed",
			then, (long long)((now_ms - now->date_ms) / STAMP_HOUR_MS),
			(long long)(o->max_age_ms / STAMP_HOUR_MS));
	if (r == 0 && before && before->date_ms > now->date_ms) {
		stamp_text(before->date_ms, last);
		r = add(ret, err, HR_REASON_BEHIND,
			"the export is of %s, and one of %s was read before: an old file was "
			"put "
			"back",
			then, last);
	}
	return r;
}

static int judge_rows(const struct hr_verdict *now, const struct hr_verdict *before,
		      const struct hr_options *o, struct hr_reasons *ret, struct err *err)
{
	int64_t people = (int64_t)now->people, last = before ? (int64_t)before->people : 0;
	int64_t less = last - people, more = people - last;
	int r = 0;

	if (people < o->minimum)
		r = add(ret, err, HR_REASON_MINIMUM,
			"%lld people in the export, at least %lld expected (%lld last time)",
			(long long)people, (long long)o->minimum, (long long)last);
	if (r == 0 && before && less > allowed(o->drop_count, o->drop_share, last))
		r = add(ret, err, HR_REASON_DROP,
			"%lld people in the export and %lld last time: at most %lld fewer are "
			"believed",
			(long long)people, (long long)last,
			(long long)allowed(o->drop_count, o->drop_share, last));
	if (r == 0 && before && more > allowed(o->grow_count, o->grow_share, last))
		r = add(ret, err, HR_REASON_GROWTH,
			"%lld people in the export and %lld last time: at most %lld more are "
			"believed",
			(long long)people, (long long)last,
			(long long)allowed(o->grow_count, o->grow_share, last));
	if (r == 0 && now->canaries.n)
		r = add(ret, err, HR_REASON_CANARY, "%zu of %zu canaries are not in the export",
			now->canaries.n, o->canaries.n);
	return r;
}

static bool has(const struct hr_texts *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_ieq(str_of(list->v[i]), str_of(text)))
			return true;
	return false;
}

static int judge_columns(const struct hr_verdict *now, const struct hr_verdict *before,
			 struct hr_reasons *ret, struct err *err)
{
	int r = 0;

	if (!before || !before->columns.n)
		return 0;
	for (size_t i = 0; r == 0 && i < now->columns.n; i++)
		if (!has(&before->columns, now->columns.v[i]))
			r = add(ret, err, HR_REASON_COLUMNS,
				"the column \"%.100s\" is new; nothing reads it unless the map "
				"names it",
				now->columns.v[i]);
	for (size_t i = 0; r == 0 && i < before->columns.n; i++)
		if (!has(&now->columns, before->columns.v[i]))
			r = add(ret, err, HR_REASON_COLUMNS,
				"the column \"%.100s\" is gone; nothing rests on it",
				before->columns.v[i]);
	return r;
}

int hr_judge(const struct hr_verdict *now, const struct hr_verdict *before,
	     const struct hr_options *o, int64_t now_ms, struct hr_reasons *ret,
	     struct err *err)
{
	int r = judge_age(now, before, o, now_ms, ret, err);

	if (r == 0 && o->kind == HR_FULL)
		r = judge_rows(now, before, o, ret, err);
	if (r == 0 && before && before->final_newline && !now->final_newline)
		r = add(ret, err, HR_REASON_CUT,
			"the export does not end in a line break, and the last one did: it may "
			"have "
			"been cut");
	return r < 0 ? r : judge_columns(now, before, ret, err);
}

int hr_judge_changes(int64_t known, int64_t changed, const struct hr_options *o,
		     struct hr_reasons *ret, struct err *err)
{
	int64_t most = allowed(o->change_count, o->change_share, known);

	if (changed <= most)
		return 0;
	return add(ret, err, HR_REASON_CHANGED,
		   "%lld of %lld people changed at once, at most %lld are believed",
		   (long long)changed, (long long)known, (long long)most);
}
