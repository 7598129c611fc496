/*
 * How far long reads have come, for people who wait: a row a read, named as its gate is
 * ("collect" of "acme"), kept while it runs. Any thread.
 */
#ifndef BRIDGE_PROGRESS_H
#define BRIDGE_PROGRESS_H

#include "base/jx.h"

/* what is static; of lives until progress_end(). More than 128 at once are not shown. */
void progress_begin(const char *what, const char *of);
/* total -1: nobody told how many there will be. */
void progress_at(const char *what, const char *of, int64_t done, int64_t total);
/* The same where what is done so far took no time: how long the rest takes is counted from
 * here.
 */
void progress_skip(const char *what, const char *of, int64_t done, int64_t total);
void progress_end(const char *what, const char *of);

/* What a read is at: {done, total (or null), since_ms (wall), left_ms (or null)}, a new object;
 * JSON null when it does not run. NULL when memory is lost. */
json_t *progress_out(const char *what, const char *of);

/*
 * How long the rest takes if it goes on as it went: ms, or -1 where that cannot be told yet
 * (fewer than five seconds, or less than a fiftieth of it, or no total), or any more (more came
 * than were announced).
 */
int64_t progress_left_ms(int64_t done, int64_t total, int64_t took_ms);

/* "acme: 45,200 of 103,137 (43 %), about 2 min left" of an object of progress_out(); empty for
 * null. Returns ret. */
const char *progress_text(const json_t *at, const char *of, char ret[160]);

#endif
