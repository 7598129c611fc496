/*
 * Values of controls as a server sends them: nothing outside of the value is read, ids have
 * their size, and what is written again reads the same.
 */
#include <stdlib.h>

#include "ldap/groups.h"
#include "ldap/syncval.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void inside(struct str s, struct str whole)
{
	if (s.p)
		must(s.p >= whole.p && s.p + s.len <= whole.p + whole.len);
}

static void fuzz_dirsync(struct str s)
{
	struct dirsync_value v, again;
	struct buf b;

	if (!dirsync_read(s, &v))
		return;
	inside(v.cookie, s);
	buf_init(&b, SYNC_COOKIE_MAX + 64);
	dirsync_write(1, v.cookie, &b);
	must(dirsync_read(buf_str(&b), &again) && again.more && str_eq(again.cookie, v.cookie));
	buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = str_n((const char *)data, size), id;
	struct sync_state_value state;
	struct sync_done_value done;
	struct sync_info_value info;
	uint64_t first, last;
	size_t n = 0;

	if (sync_state_read(s, &state)) {
		inside(state.id, s);
		inside(state.cookie, s);
		must(state.id.len == SYNC_ID_BYTES);
	}
	if (sync_done_read(s, &done))
		inside(done.cookie, s);
	if (sync_info_read(s, &info)) {
		inside(info.cookie, s);
		for (; sync_id_next(&info.ids, &id); n++)
			inside(id, s);
		must(info.ids.len == 0 && n * SYNC_ID_BYTES <= size);
	}
	fuzz_dirsync(s);
	if (dir_range_read(s, &first, &last))
		must(last >= first);
	return 0;
}
