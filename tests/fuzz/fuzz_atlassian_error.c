/*
 * Answers of Atlassian's that are none of what was agreed: error bodies of every shape, rows of
 * users and managed accounts. Nothing is read over an end, every sentence is one line of UTF-8,
 * and what a row does not tell stays unknown.
 */
#include <stdlib.h>

#include "atlassian/row.h"
#include "base/jx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void one_line(const char *text, size_t room)
{
	size_t len = strnlen(text, room);

	must(len < room && str_utf8(str_n(text, len), NULL));
	for (size_t i = 0; i < len; i++)
		must((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}

static void error_body(struct str body)
{
	struct atl_problem p;

	atl_problem_read(&p, 403, body);
	must(p.status == 403);
	one_line(p.code, sizeof(p.code));
	one_line(p.key, sizeof(p.key));
	one_line(p.text, sizeof(p.text));
}

static void times(const struct atl_user *u)
{
	must(u->row.last_active_ms >= ATL_ABSENT && u->row.added_ms >= ATL_UNKNOWN_MS);
	must(u->products || u->row.last_active_ms == ATL_UNKNOWN_MS);
	must(u->products ? atl_user_last(u, STR("\001no such product")) == ATL_ABSENT
			 : atl_user_last(u, STR("x")) == ATL_UNKNOWN_MS);
}

static void row(const json_t *j)
{
	CLEANUP(buf_done) struct buf roles;
	struct atl_user u;
	struct err err;
	char why[100];

	buf_init(&roles, 65536);
	if (atl_user_read(j, &u, why, sizeof(why))) {
		must(u.row.id.len && u.row.id.len <= 128);
		must(u.row.status < ACCOUNT_STATUS_COUNT && u.row.type < ACCOUNT_TYPE_COUNT);
		times(&u);
		if (atl_platform_read(u.platform, &u.row, &roles, &err) == 0)
			must(!u.platform == (u.row.admin == TRI_UNKNOWN));
	} else {
		one_line(why, sizeof(why));
	}
	if (atl_managed_read(j, &u, why, sizeof(why)))
		must(u.row.managed == TRI_YES && u.row.synced == TRI_UNKNOWN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_n((const char *)data, size);
	CLEANUP(json_decref_at) json_t *j = NULL;
	json_t *one;
	size_t i;

	error_body(text);
	if (jx_parse(text, JX_LENIENT, &j, NULL) < 0)
		return 0;
	row(j);
	json_array_foreach (json_object_get(j, "data"), i, one)
		row(one);
	return 0;
}
