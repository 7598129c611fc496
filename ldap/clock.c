#include "ldap/clock.h"

#include "base/stamp.h"

/* Where each kind tells. What is below cn=monitor is not shown to everybody. */
static const struct clock_place {
	enum dir_kind kind;
	const char *base, *attr;
} places[] = {
	{ DIR_AD, "", "currentTime" },
	{ DIR_SAMBA, "", "currentTime" },
	{ DIR_ADLDS, "", "currentTime" },
	{ DIR_389, "cn=monitor", "currenttime" },
	{ DIR_FREEIPA, "cn=monitor", "currenttime" },
	{ DIR_OPENLDAP, "cn=Current,cn=Time,cn=Monitor", "monitorTimestamp" },
};

struct clock_look {
	const char *attr;
	int64_t ms;
};

static int on_clock(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct clock_look *look = ctx;
	struct str raw;
	int64_t ms;

	(void)err;
	if (dir_entry_first(e, look->attr, &raw) && stamp_parse_generalized(raw, &ms))
		look->ms = ms;
	return 0;
}

/* Anything else is the server's way of not telling. */
static bool is_over(int r)
{
	return r == -ERR_CANCELLED || r == -ERR_NOMEM || r == -ERR_NETWORK ||
	       r == -ERR_TIMEOUT || r == -ERR_PROTOCOL;
}

int dir_clock_read(struct dir_session *s, int64_t *ret_ms, struct err *err)
{
	const char *attrs[2] = { NULL, NULL };
	struct dir_query q = { .scope = DIR_SCOPE_BASE,
			       .filter = "(objectClass=*)",
			       .attrs = (char *const *)(uintptr_t)attrs };
	struct clock_look look = { NULL, 0 };
	struct dir_found found;
	int r = 0;

	for (size_t i = 0; i < COUNT_OF(places); i++)
		if (places[i].kind == s->dse.kind) {
			q.base = places[i].base;
			look.attr = attrs[0] = places[i].attr;
		}
	if (look.attr)
		r = dir_search(s->conn, &q, on_clock, &look, &found, err);
	if (is_over(r))
		return r;
	*ret_ms = look.ms;
	return 0;
}
