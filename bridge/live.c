#include "bridge/live.h"

#include "base/log.h"
#include "bridge/loaded.h"

#define SHOWN_BYTES (4 << 20)
#define NAMED_BYTES 300

void live_init(struct live *l, const struct config *c)
{
	atomic_store(&l->sync_every_ms, c->schedule.sync_every_ms);
	atomic_store(&l->collect_every_ms, c->schedule.collect_every_ms);
	atomic_store(&l->plan_every_ms, c->schedule.plan_every_ms);
}

/* Keys of the rows that are marked so in the tables (config.c), as they stand in a line. */
static bool is_live(struct str key)
{
	static const char *const live[] = { "level", "sync_every", "collect_every",
					    "plan_every" };

	for (size_t i = 0; i < COUNT_OF(live); i++)
		if (str_eq(key, str_of(live[i])))
			return true;
	return false;
}

static struct str line_of(struct str *rest)
{
	struct str line, tail = { 0 };

	str_cut(*rest, '\n', &line, &tail);
	*rest = tail;
	return line;
}

#define DEPTH_MOST 40 /* blanks before a key */

/* Keys without a value of their own, by the blanks before them: under which a line stands. */
struct above {
	struct str key[DEPTH_MOST];
};

/* The key of a line. What begins with a dash may be a value of a list, which is not named: it
 * can be a person, or the address of a hook. It goes by the key of the list. */
static struct str key_of(struct str line, struct above *above)
{
	struct str text = str_trim(line), key, value;
	size_t depth = 0;

	while (depth < line.len && depth < DEPTH_MOST - 1 && line.p[depth] == ' ')
		depth++;
	str_cut(text, ':', &key, &value);
	if (!str_starts(text, STR("-"))) {
		for (size_t i = depth; i < DEPTH_MOST; i++)
			above->key[i].len = 0;
		if (key.len < text.len && !value.len)
			above->key[depth] = key;
		return key;
	}
	while (depth > 0 && !above->key[depth - 1].len)
		depth--;
	return depth > 0 ? above->key[depth - 1] : STR("");
}

/* Names the keys in whose lines the two differ, but for live ones; a list that grew or shrank
 * moves all behind it, so the first difference in structure ends the search. */
static void name_changed(struct str was, struct str is, struct buf *into)
{
	struct above above_a = { 0 }, above_b = { 0 };

	while (was.len || is.len) {
		struct str a = line_of(&was), b = line_of(&is);
		struct str key_a = key_of(a, &above_a), key_b = key_of(b, &above_b);

		if (str_eq(a, b))
			continue;
		if (str_eq(key_a, key_b) && is_live(key_a))
			continue;
		buf_addf(into, "%s" STR_FMT, into->len ? ", " : "",
			 STR_ARG(key_b.len ? key_b : key_a));
		if (!str_eq(key_a, key_b) || into->len > NAMED_BYTES / 2)
			return;
	}
}

/* What changed and stays as it was until a restart. */
static int changed(const struct config *was, const struct config *is, struct buf *into,
		   struct err *err)
{
	CLEANUP(buf_done) struct buf a, b;
	int r;

	buf_init(&a, SHOWN_BYTES);
	buf_init(&b, SHOWN_BYTES);
	r = config_show(was, &a, err);
	if (r == 0)
		r = config_show(is, &b, err);
	if (r == 0)
		name_changed(buf_str(&a), buf_str(&b), into);
	return r;
}

void live_reload(struct live *l, struct app *app)
{
	CLEANUP(config_free) struct config fresh = { 0 };
	CLEANUP(buf_done) struct buf names;
	struct err err;

	buf_init(&names, SHOWN_BYTES);
	if (config_read(app->config_file, &fresh, NULL, &err) < 0 ||
	    changed(&app->config, &fresh, &names, &err) < 0) {
		log_error("config.reload", LOG_E(&err));
		return;
	}
	if (loaded_note(app, &fresh, &err) < 0)
		log_error("config.note", LOG_E(&err));
	log_setup((enum log_level)fresh.log.level, (enum log_form)app->config.log.form, 2);
	live_init(l, &fresh);
	if (names.len)
		log_warn("config.reload", LOG_T("needs_restart", names.p));
	else
		log_info("config.reload");
}
