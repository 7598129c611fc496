/*
 * Answers for people. Renderers get the verb's answer and add text to cli->out; they know no
 * store and no network, so the same answer prints the same wherever it was made.
 */
#ifndef BRIDGE_RENDER_H
#define BRIDGE_RENDER_H

#include "bridge/cli.h"

enum render_style {
	RENDER_PLAIN,
	RENDER_BOLD,
	RENDER_DIM,
	RENDER_GOOD, /* green */
	RENDER_WARN, /* yellow */
	RENDER_BAD,  /* red */
};

/* How a JSON value is shown. Absent and null are shown as "-". */
enum render_as {
	RENDER_AS_TEXT,  /* strings as they are, numbers, true/false as yes/no, arrays with ", "
			  */
	RENDER_AS_TIME,  /* ms since 1970: 2026-11-22 09:00Z */
	RENDER_AS_DATE,  /* ms since 1970: 2026-11-22 */
	RENDER_AS_AGO,   /* ms since 1970: "3 d ago", "in 4 h" */
	RENDER_AS_SPAN,  /* ms: "14 d", "2 h" */
	RENDER_AS_COUNT, /* integers, right-aligned */
	RENDER_AS_SHARE, /* 0.02: "2 %" */
};

/* One column of a table; tables of columns end with a NULL head. */
struct render_column {
	const char *head;
	const char *member; /* of each row; "before.email" goes down */
	enum render_as as;
	bool firm;   /* never shortened when the terminal is narrow */
	bool if_any; /* column left out when no row has a value */
	/* The style of a cell by its text; NULL: plain. */
	enum render_style (*style)(const char *text);
};

/*
 * rows: an array of objects. Widths count terminal columns (UTF-8, wide characters); a table
 * wider than cli->width shortens its longest columns with an ellipsis. Nothing is printed for
 * no rows but empty (may be NULL), as a sentence.
 */
void render_table(struct cli *cli, const struct render_column *columns, const json_t *rows,
		  const char *empty);

/* "Name:   value" lines for the members of one object; absent ones are left out. */
void render_pairs(struct cli *cli, const struct render_column *pairs, const json_t *object);

void render_head(struct cli *cli, const char *format, ...)
	PRINTF(2, 3); /* bold, blank line before */
/* Lines as they are, of any length. As everywhere here, no character of it steers the terminal.
 */
void render_text(struct cli *cli, struct str text);
void render_line(struct cli *cli, const char *format, ...) PRINTF(2, 3);
/* A paragraph broken at the terminal's width, each line after indent blanks. */
void render_para(struct cli *cli, unsigned indent, const char *format, ...) PRINTF(3, 4);
void render_styled(struct cli *cli, enum render_style style, const char *text); /* no newline */

/* One value as text, added to into: what a table cell shows. */
void render_value(const struct cli *cli, enum render_as as, const json_t *value,
		  struct buf *into);

/* Columns that text takes on a terminal. */
unsigned render_width(struct str text);

/*
 * Renderers of commands, by the verbs' answers. Those of bridge/render_plan.c first.
 */
int render_sync(struct cli *cli, const json_t *out);
int render_shown(struct cli *cli, const json_t *out); /* sync --show */
int render_gone(struct cli *cli, const json_t *out);
int render_collect(struct cli *cli, const json_t *out);
int render_overdue(struct cli *cli, const json_t *out);
int render_policy_diff(struct cli *cli, const json_t *out);
int render_ledger(struct cli *cli, const json_t *out);
int render_notices(struct cli *cli, const json_t *out);
int render_requests(struct cli *cli, const json_t *out);
int render_collect_status(struct cli *cli, const json_t *out);
int render_plan(struct cli *cli, const json_t *out);
int render_show(struct cli *cli, const json_t *out);
int render_decision(struct cli *cli, const json_t *out); /* approve, reject, release */
int render_apply(struct cli *cli, const json_t *out);
int render_block(struct cli *cli, const json_t *out);
int render_undo(struct cli *cli, const json_t *out);
int render_why(struct cli *cli, const json_t *out);
int render_handover(struct cli *cli, const json_t *out);
int render_events(struct cli *cli, const json_t *out);

/* bridge/render_admin.c */
int render_doctor(struct cli *cli, const json_t *out);
int render_source(struct cli *cli, const json_t *out);
int render_plans(struct cli *cli, const json_t *out);
int render_users(struct cli *cli, const json_t *out);
int render_groups(struct cli *cli, const json_t *out);
int render_accounts(struct cli *cli, const json_t *out);
int render_seats(struct cli *cli, const json_t *out);
int render_adopt(struct cli *cli, const json_t *out);
int render_compare(struct cli *cli, const json_t *out);
int render_match(struct cli *cli, const json_t *out);
int render_protections(struct cli *cli, const json_t *out);
int render_bars(struct cli *cli, const json_t *out);
int render_secrets(struct cli *cli, const json_t *out);
int render_token(struct cli *cli, const json_t *out);
int render_tokens(struct cli *cli, const json_t *out);
int render_review(struct cli *cli, const json_t *out);
int render_privacy(struct cli *cli, const json_t *out);
int render_verify(struct cli *cli, const json_t *out);
int render_anchor(struct cli *cli, const json_t *out);     /* one line, however wide */
int render_scim_check(struct cli *cli, const json_t *out); /* bridge/render_scim.c */

/* bridge/render.c: prints "text" if the answer has it, else its members; then "notes". */
int render_simple(struct cli *cli, const json_t *out);

#endif
