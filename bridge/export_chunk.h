/*
 * One chunk of an export under way: what the parts of `leaverd export` (bridge/verbs_export.c)
 * share. A part writes rows until the chunk is full, and says where the next one begins.
 */
#ifndef BRIDGE_EXPORT_CHUNK_H
#define BRIDGE_EXPORT_CHUNK_H

#include "bridge/app.h"
#include "bridge/export.h"
#include "model/query.h"

struct export_chunk {
	struct app *app;
	const json_t *in;
	const struct export_kind *kind;
	struct buf text;
	struct export_line line;
	struct query *query;
	int64_t now_ms, until_ms;       /* until: monotonic */
	int64_t rows, left, hidden;     /* left: rows that are still wanted; -1: all */
	int64_t place, after, after2;   /* by kind, as told to the client */
	bool ended, may_see_ends, full; /* full: the chunk has enough */
};

/* Also when nothing matches a chunk ends in time. */
void export_look_at_time(struct export_chunk *c);
/* What every row ends with: the line's end, and whether the chunk has enough. */
int export_row_done(struct export_chunk *c, struct err *err) MUST_USE;
/* Rows beyond what was asked for are not written. */
bool export_has_all(const struct export_chunk *c);
/* Whether the filter names a row, whose members are called as the columns. */
bool export_matches(const struct export_chunk *c, const json_t *row);

/* Groups of organisations, with how many are in each and what it gives. */
int export_org_groups(struct export_chunk *c, struct err *err) MUST_USE;

#endif
