#include "atlassian/gather.h"

#include <string.h>

#include "atlassian/users.h"

static int token_row(struct gather *c, const json_t *row, struct err *err)
{
	struct str account = atl_text(json_object_get(row, "user"), "id");
	struct str last = atl_text(row, "lastActiveAt");
	struct gather_token *use;
	int64_t ms = ATL_ABSENT;

	if (!account.len || (last.len && !stamp_parse(last, &ms))) {
		c->tokens_told = false;
		return 0;
	}
	HASH_FIND(hh, c->tokens, account.p, account.len, use);
	if (!use) {
		use = calloc(1, sizeof(*use));
		if (use)
			use->account = str_dup(account);
		if (!use || !use->account) {
			free(use);
			return err_nomem(err);
		}
		use->last_ms = ATL_ABSENT;
		HASH_ADD_KEYPTR(hh, c->tokens, use->account, account.len, use);
		if (!MAP_ADDED(use)) {
			free(use->account);
			free(use);
			return err_nomem(err);
		}
	}
	if (ms > use->last_ms)
		use->last_ms = ms;
	return 0;
}

/* No part rests on tokens: where they cannot be read, their use is unknown. */
static int tokens_failed(struct gather *c, int r, const struct err *why, struct err *err)
{
	c->tokens_told = false;
	return gather_failed(c, 0, r, why, err);
}

int gather_tokens_open(struct gather *c, struct err *err)
{
	static const char *const members[] = { "user", "lastActiveAt", NULL };
	struct err why;
	int r;

	if (!c->o->tokens)
		return 0;
	r = atl_users_all_tokens(&c->token_pages, c->client, &why);
	c->token_pages.kept = c->sink->kept;
	c->token_pages.members = members;
	if (r == 0)
		r = atl_pages_start(&c->token_pages, &why);
	if (r < 0) {
		atl_pages_done(&c->token_pages);
		return tokens_failed(c, r, &why, err);
	}
	c->tokens_open = c->tokens_told = true;
	return 0;
}

int gather_tokens_step(struct gather *c, struct err *err)
{
	CLEANUP(json_decref_at) json_t *page = NULL;
	json_t *rows, *row;
	struct err why;
	size_t i;
	int r;

	if (!c->tokens_open)
		return 0;
	r = gather_stopped(c, &why);
	if (r == 0)
		r = atl_pages_next(&c->token_pages, &page, &rows, &why);
	if (r == 0)
		json_array_foreach (rows, i, row)
			if (r == 0)
				r = token_row(c, row, &why);
	if (r == 0)
		return 0;
	if (r == ATL_STALE)
		return gather_stale(c, &why, err);
	c->tokens_open = false;
	atl_pages_done(&c->token_pages);
	return r < 0 ? tokens_failed(c, r, &why, err) : 0;
}

void gather_tokens_of(const struct gather *c, struct atl_account *row)
{
	struct gather_token *use;

	row->tokens = TRI_UNKNOWN;
	row->token_active_ms = c->o->tokens ? ATL_UNKNOWN_MS : ATL_ABSENT;
	if (!c->tokens_told)
		return;
	HASH_FIND(hh, c->tokens, row->id.p, row->id.len, use);
	row->token_active_ms = use ? use->last_ms : ATL_ABSENT;
	/* The list holds the tokens of managed accounts only. */
	if (use)
		row->tokens = TRI_YES;
	else if (row->managed == TRI_YES)
		row->tokens = TRI_NO;
}

void gather_tokens_done(struct gather *c)
{
	struct gather_token *t, *next;

	atl_pages_done(&c->token_pages);
	HASH_ITER (hh, c->tokens, t, next) {
		HASH_DEL(c->tokens, t);
		free(t->account);
		free(t);
	}
}
