/*
 * TZif (RFC 9636), version 2 and later: a header and a block of 32-bit times that is skipped, a
 * header and a block of 64-bit times, and a footer with a rule in POSIX TZ form for all that
 * comes after the last transition. A zone is kept as the table and the rule; all questions are
 * answered from spans, stretches of time with one offset.
 */
#include "base/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#define ZONE_FOLDER "/usr/share/zoneinfo"
#define NAME_MAX_BYTES 64
#define FILE_MAX_BYTES 262144
#define CHECK_EACH_MS 1000

#define HOUR_S 3600
#define DAY_S 86400
#define CYCLE_S (146097LL * DAY_S)  /* 400 years: then dates and weekdays come again */
#define OFFSET_MOST_S (26 * HOUR_S) /* RFC 9636 section 3.2: what a reader must expect */

/* When a rule of the footer strikes: a day of the year, and seconds after its midnight. */
struct rule {
	char form; /* 'M': month, week, weekday; 'J': day 1..365, no leap day; '0': day 0..365
		    */
	int month, week, day;
	int32_t time_s;
};

struct footer {
	bool has, has_dst;
	int32_t std_s, dst_s; /* east of UTC */
	struct rule start, end;
};

struct zone {
	struct zone *next;
	char name[NAME_MAX_BYTES + 1];
	struct timespec changed; /* of the file, when it was read */
	ino_t inode;
	off_t bytes;
	int64_t checked_ms; /* under the lock */

	size_t n;
	int64_t *at_s;         /* n transitions, ascending */
	unsigned char *type;   /* n: the type that begins there */
	int32_t offset_s[256]; /* by type; type 0 is what was before the first */
	struct footer footer;
};

static pthread_mutex_t zones_lock = PTHREAD_MUTEX_INITIALIZER;
static struct zone *zones; /* the newest reading of a name stands before older ones */

static const struct zone zone_utc = { .name = "UTC" };

static void zone_free(struct zone *z)
{
	free(z->at_s);
	free(z->type);
	free(z);
}
OWNED(struct zone, zone_free)

/* --- the footer ----------------------------------------------------------------------------
 */

static bool take(struct str *s, char c)
{
	if (s->len == 0 || s->p[0] != c)
		return false;
	*s = str_n(s->p + 1, s->len - 1);
	return true;
}

static bool take_number(struct str *s, int least, int most, int *ret)
{
	int value = 0;
	size_t n = 0;

	for (; n < s->len && n < 4 && s->p[n] >= '0' && s->p[n] <= '9'; n++)
		value = value * 10 + (s->p[n] - '0');
	*s = str_n(s->p + n, s->len - n);
	*ret = value;
	return n > 0 && value >= least && value <= most;
}

/* EST, or <+0545>. The name itself is of no interest. */
static bool take_name(struct str *s)
{
	size_t n = 0;

	if (take(s, '<')) {
		n = str_find(*s, '>');
		if (n == s->len)
			return false;
		*s = str_n(s->p + n + 1, s->len - n - 1);
		return true;
	}
	while (n < s->len &&
	       ((s->p[n] >= 'A' && s->p[n] <= 'Z') || (s->p[n] >= 'a' && s->p[n] <= 'z')))
		n++;
	*s = str_n(s->p + n, s->len - n);
	return n >= 3;
}

/* [+-]h[h][:mm[:ss]], hours up to most_hours. */
static bool take_hms(struct str *s, int most_hours, int32_t *ret)
{
	bool minus = take(s, '-');
	int h, m = 0, sec = 0;

	if (!minus)
		take(s, '+');
	if (!take_number(s, 0, most_hours, &h))
		return false;
	if (take(s, ':')) {
		if (!take_number(s, 0, 59, &m))
			return false;
		if (take(s, ':') && !take_number(s, 0, 59, &sec))
			return false;
	}
	*ret = (minus ? -1 : 1) * (h * HOUR_S + m * 60 + sec);
	return true;
}

static bool take_rule(struct str *s, struct rule *ret)
{
	ret->time_s = 2 * HOUR_S;
	if (!take(s, ','))
		return false;
	if (take(s, 'M')) {
		ret->form = 'M';
		if (!take_number(s, 1, 12, &ret->month) || !take(s, '.') ||
		    !take_number(s, 1, 5, &ret->week) || !take(s, '.') ||
		    !take_number(s, 0, 6, &ret->day))
			return false;
	} else if (take(s, 'J')) {
		ret->form = 'J';
		if (!take_number(s, 1, 365, &ret->day))
			return false;
	} else {
		ret->form = '0';
		if (!take_number(s, 0, 365, &ret->day))
			return false;
	}
	return !take(s, '/') || take_hms(s, 167, &ret->time_s);
}

static bool footer_parse(struct str s, struct footer *ret)
{
	struct footer f = { .has = true };
	int32_t west;

	if (s.len == 0)
		return true; /* no rule: the last offset stays */
	if (!take_name(&s) || !take_hms(&s, 24, &west))
		return false;
	f.std_s = -west; /* POSIX counts to the west */
	if (s.len > 0) {
		f.has_dst = true;
		f.dst_s = f.std_s + HOUR_S;
		if (!take_name(&s))
			return false;
		if (s.len > 0 && s.p[0] != ',') {
			if (!take_hms(&s, 24, &west))
				return false;
			f.dst_s = -west;
		}
		if (!take_rule(&s, &f.start) || !take_rule(&s, &f.end))
			return false;
	}
	*ret = f;
	return s.len == 0;
}

/* --- the file ------------------------------------------------------------------------------
 */

struct tzif_counts {
	uint32_t isut, isstd, leap, time, type, chars;
};

static uint64_t big_endian(const unsigned char *p, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | p[i];
	return value;
}

static const unsigned char *take_bytes(struct str *s, size_t n)
{
	const char *p = s->p;

	if (s->len < n)
		return NULL;
	*s = str_n(s->p + n, s->len - n);
	return (const unsigned char *)p;
}

static bool take_header(struct str *s, struct tzif_counts *ret)
{
	const unsigned char *p = take_bytes(s, 44);

	if (!p || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
		return false;
	*ret = (struct tzif_counts){
		.isut = (uint32_t)big_endian(p + 20, 4),
		.isstd = (uint32_t)big_endian(p + 24, 4),
		.leap = (uint32_t)big_endian(p + 28, 4),
		.time = (uint32_t)big_endian(p + 32, 4),
		.type = (uint32_t)big_endian(p + 36, 4),
		.chars = (uint32_t)big_endian(p + 40, 4),
	};
	/* no count can be larger than the file, so no sum of them can overflow */
	return ret->isut <= FILE_MAX_BYTES && ret->isstd <= FILE_MAX_BYTES &&
	       ret->leap <= FILE_MAX_BYTES && ret->time <= FILE_MAX_BYTES && ret->type >= 1 &&
	       ret->type <= 256 && ret->chars <= FILE_MAX_BYTES;
}

static bool take_types(struct str *s, uint32_t count, int32_t offset_s[256])
{
	for (uint32_t i = 0; i < count; i++) {
		const unsigned char *p = take_bytes(s, 6);

		if (!p)
			return false;
		offset_s[i] = (int32_t)(uint32_t)big_endian(p, 4);
		if (offset_s[i] <= -OFFSET_MOST_S || offset_s[i] >= OFFSET_MOST_S)
			return false;
	}
	return true;
}

/* The transitions of the 64-bit block into z. 0, 1 for "not so", -ERR_NOMEM. */
static int take_times(struct str *s, const struct tzif_counts *c, struct zone *z)
{
	const unsigned char *times = take_bytes(s, 8 * (size_t)c->time);
	const unsigned char *types = take_bytes(s, c->time);

	if (!times || !types)
		return 1;
	z->at_s = calloc(c->time + 1, sizeof(*z->at_s));
	z->type = calloc(c->time + 1, sizeof(*z->type));
	if (!z->at_s || !z->type)
		return -ERR_NOMEM;
	for (z->n = 0; z->n < c->time; z->n++) {
		z->at_s[z->n] = (int64_t)big_endian(times + 8 * z->n, 8);
		z->type[z->n] = types[z->n];
		if (types[z->n] >= c->type || (z->n && z->at_s[z->n] <= z->at_s[z->n - 1]))
			return 1;
	}
	return 0;
}

/* 0; 1 where it is no TZif file of version 2 or later; -ERR_NOMEM. */
static int tzif_parse(struct str s, struct zone *z)
{
	struct tzif_counts c;
	int r;

	if (!take_header(&s, &c) ||
	    !take_bytes(&s, 5 * (size_t)c.time + 6 * (size_t)c.type + c.chars +
				    8 * (size_t)c.leap + c.isstd + c.isut) ||
	    !take_header(&s, &c))
		return 1;
	if (c.leap > 0)
		return 1; /* "right/…": these count leap seconds, the system's clock does not */
	r = take_times(&s, &c, z);
	if (r != 0)
		return r;
	if (!take_types(&s, c.type, z->offset_s) ||
	    !take_bytes(&s, (size_t)c.chars + c.isstd + c.isut) || !take(&s, '\n') ||
	    str_find(s, '\n') == s.len)
		return 1;
	return !footer_parse(str_n(s.p, str_find(s, '\n')), &z->footer);
}

static int file_read(const char *path, struct stat *st, struct buf *into, struct err *err)
{
	CLEANUP(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char piece[4096];
	ssize_t n;

	if (fd < 0 || fstat(fd, st) < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? err_set(err, ERR_INVALID_VALUE, "no such time zone")
			       : err_errno(err, ERR_IO, errno, "cannot open %s", path);
	if (!S_ISREG(st->st_mode))
		return err_set(err, ERR_INVALID_VALUE, "no such time zone");
	while ((n = read(fd, piece, sizeof(piece))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, ERR_IO, errno, "cannot read %s", path);
		buf_add(into, piece, (size_t)n);
		if (into->fault)
			break;
	}
	return buf_fault(into, err, path);
}

static int zone_path(const char *name, char *path, size_t room, struct err *err)
{
	const char *folder = getenv("TZDIR");
	int n;

	if (!folder || !*folder)
		folder = ZONE_FOLDER;
	n = snprintf(path, room, "%s/%s", folder, name);
	if (n < 0 || (size_t)n >= room)
		return err_set(err, ERR_CONFIG, "the path in $TZDIR is too long");
	return 0;
}

static int zone_load(const char *name, const char *path, struct zone **ret, struct err *err)
{
	CLEANUP(zone_free_at) struct zone *z = calloc(1, sizeof(*z));
	CLEANUP(buf_done) struct buf bytes;
	struct stat st;
	int r;

	buf_init(&bytes, FILE_MAX_BYTES);
	if (!z)
		return err_nomem(err);
	r = file_read(path, &st, &bytes, err);
	if (r < 0)
		return r;
	snprintf(z->name, sizeof(z->name), "%s", name);
	z->changed = st.st_mtim;
	z->inode = st.st_ino;
	z->bytes = st.st_size;
	z->checked_ms = stamp_mono_ms();
	r = tzif_parse(buf_str(&bytes), z);
	if (r < 0)
		return err_nomem(err);
	if (r > 0)
		return err_set(err, ERR_INVALID_VALUE,
			       "%s is not a time zone file of version 2 without leap seconds",
			       path);
	*ret = TAKE(z);
	return 0;
}

/* --- the cache -----------------------------------------------------------------------------
 */

static bool name_check(struct str name)
{
	char before = '/';

	if (name.len == 0 || name.len > NAME_MAX_BYTES || name.p[name.len - 1] == '/')
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		      (c >= '0' && c <= '9') || c == '_' || c == '+' || c == '-' || c == '/') ||
		    (c == '/' && before == '/'))
			return false;
		before = c;
	}
	return true;
}

/* The newest reading of name, and whether its file should be looked at again now. */
static struct zone *cached(const char *name, bool *fresh)
{
	int64_t now = stamp_mono_ms();
	struct zone *z;

	pthread_mutex_lock(&zones_lock);
	for (z = zones; z && strcmp(z->name, name) != 0; z = z->next)
		;
	*fresh = z && now - z->checked_ms < CHECK_EACH_MS;
	if (z && !*fresh)
		z->checked_ms = now; /* this thread does it, others need not */
	pthread_mutex_unlock(&zones_lock);
	return z;
}

static bool is_changed(const struct zone *z, const struct stat *st)
{
	return st->st_ino != z->inode || st->st_size != z->bytes ||
	       st->st_mtim.tv_sec != z->changed.tv_sec ||
	       st->st_mtim.tv_nsec != z->changed.tv_nsec;
}

int zone_get(struct str name, const struct zone **ret, struct err *err)
{
	char text[NAME_MAX_BYTES + 1], path[4096];
	struct zone *z, *loaded = NULL;
	struct stat st;
	bool fresh;
	int r;

	if (str_eq(name, STR("UTC"))) {
		*ret = &zone_utc;
		return 0;
	}
	if (!name_check(name))
		return err_set(err, ERR_INVALID_VALUE,
			       "time zone \"%.*s\" is not a name like Europe/Berlin",
			       (int)(name.len < 80 ? name.len : 80), name.p ? name.p : "");
	memcpy(text, name.p, name.len);
	text[name.len] = '\0';
	z = cached(text, &fresh);
	if (z && fresh) {
		*ret = z;
		return 0;
	}
	r = zone_path(text, path, sizeof(path), err);
	if (r < 0)
		return r;
	if (z && (stat(path, &st) < 0 || !is_changed(z, &st))) {
		*ret = z; /* also while tzdata is being replaced under us */
		return 0;
	}
	r = zone_load(text, path, &loaded, err);
	if (r < 0 && z) {
		*ret = z;
		return 0;
	}
	if (r < 0)
		return err_context(err, r, "time zone %s", text);
	pthread_mutex_lock(&zones_lock);
	loaded->next = zones;
	zones = loaded;
	pthread_mutex_unlock(&zones_lock);
	*ret = loaded;
	return 0;
}

void zone_done(void)
{
	pthread_mutex_lock(&zones_lock);
	while (zones) {
		struct zone *z = zones;

		zones = z->next;
		zone_free(z);
	}
	pthread_mutex_unlock(&zones_lock);
}

/* --- questions -----------------------------------------------------------------------------
 */

static int64_t div_floor(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* A stretch of time, [from_s, until_s), with one offset. */
struct span {
	int64_t from_s, until_s;
	int32_t offset_s;
};

static int year_of(int64_t at_s)
{
	int year, month, day;

	stamp_civil(at_s * 1000, &year, &month, &day);
	return year;
}

/* Midnight, as if it were UTC, of the day on which a rule strikes in year. */
static int64_t rule_day_s(const struct rule *rule, int year)
{
	int64_t january = stamp_from_civil(year, 1, 1, 0, 0, 0) / 1000;
	int64_t first, next;
	int weekday, day;

	if (rule->form != 'M') {
		bool leap = stamp_from_civil(year + 1, 1, 1, 0, 0, 0) / 1000 - january ==
			    366 * DAY_S;

		day = rule->form == '0' ? rule->day : rule->day - 1 + (leap && rule->day >= 60);
		return january + (int64_t)day * DAY_S;
	}
	first = stamp_from_civil(year, rule->month, 1, 0, 0, 0) / 1000;
	next = stamp_from_civil(year + rule->month / 12, rule->month % 12 + 1, 1, 0, 0, 0) /
	       1000;
	weekday = (int)((div_floor(first, DAY_S) % 7 + 7 + 4) % 7); /* 1970 began on Thursday */
	day = (rule->day - weekday + 7) % 7 + (rule->week - 1) * 7;
	if (first + (int64_t)day * DAY_S >= next)
		day -= 7; /* week 5 is the last one, be it the fourth */
	return first + (int64_t)day * DAY_S;
}

/* What a span is held against: one rule strikes at an instant, and dst or std begins. */
static void span_strike(struct span *span, int64_t at_s, int64_t strikes_s, bool dst,
			int32_t offset_s)
{
	if (strikes_s > at_s) {
		if (strikes_s < span->until_s)
			span->until_s = strikes_s;
		return;
	}
	/* both at one instant: DST wins, so a zone says that it has DST all year */
	if (strikes_s < span->from_s || (strikes_s == span->from_s && !dst))
		return;
	span->from_s = strikes_s;
	span->offset_s = offset_s;
}

/*
 * The span around at_s by the footer's rule: of what strikes in the years around it, the latest
 * before and the earliest after. Reckoned in the first 400 years, so no time is too far off.
 */
static struct span footer_span(const struct footer *f, int64_t at_s)
{
	struct span span = { INT64_MIN, INT64_MAX, f->std_s };
	int64_t shift_s = div_floor(at_s, CYCLE_S) * CYCLE_S;
	int year;

	if (!f->has_dst)
		return span;
	at_s -= shift_s;
	year = year_of(at_s + f->std_s);
	for (int y = year - 2; y <= year + 2; y++) {
		span_strike(&span, at_s, rule_day_s(&f->end, y) + f->end.time_s - f->dst_s,
			    false, f->std_s);
		span_strike(&span, at_s, rule_day_s(&f->start, y) + f->start.time_s - f->std_s,
			    true, f->dst_s);
	}
	span.from_s += shift_s;
	span.until_s += shift_s;
	return span;
}

/* How many transitions are at or before at_s. */
static size_t transitions_until(const struct zone *z, int64_t at_s)
{
	size_t low = 0, high = z->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (z->at_s[mid] <= at_s)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct span zone_span(const struct zone *z, int64_t at_s)
{
	size_t n = transitions_until(z, at_s);
	struct span span = { INT64_MIN, INT64_MAX, z->offset_s[0] };

	if (n == z->n && z->footer.has) {
		span = footer_span(&z->footer, at_s);
		if (n > 0 && span.from_s < z->at_s[n - 1])
			span.from_s = z->at_s[n - 1];
		return span;
	}
	if (n > 0) {
		span.from_s = z->at_s[n - 1];
		span.offset_s = z->offset_s[z->type[n - 1]];
	}
	if (n < z->n)
		span.until_s = z->at_s[n];
	return span;
}

int zone_offset_s(const struct zone *z, int64_t at_ms)
{
	return zone_span(z, div_floor(at_ms, 1000)).offset_s;
}

/* Dates so far off that instants around them could not be told: left as they are. */
static bool is_beyond(int64_t date_ms)
{
	return date_ms > INT64_MAX - 4 * STAMP_DAY_MS || date_ms < INT64_MIN + 4 * STAMP_DAY_MS;
}

/* The first instant whose civil date is that, or later where the date does not exist. */
int64_t zone_day_start_ms(const struct zone *z, int64_t date_ms)
{
	int64_t date_s = div_floor(date_ms, DAY_S * 1000LL) * DAY_S;
	int64_t at_s = date_s - OFFSET_MOST_S;

	if (is_beyond(date_ms))
		return date_ms;
	for (;;) {
		struct span span = zone_span(z, at_s);
		int64_t midnight_s = date_s - span.offset_s;

		if (midnight_s < at_s)
			midnight_s = at_s; /* the span begins after its midnight: a jump */
		if (midnight_s < span.until_s)
			return midnight_s * 1000;
		at_s = span.until_s;
	}
}

/*
 * The instant after the last one whose civil date is that or earlier. Not always the start of
 * the next date: where clocks go back over midnight the day comes again, and ends after that.
 */
int64_t zone_day_end_ms(const struct zone *z, int64_t date_ms)
{
	int64_t next_s = (div_floor(date_ms, DAY_S * 1000LL) + 1) * DAY_S;
	int64_t at_s = next_s + OFFSET_MOST_S;

	if (is_beyond(date_ms))
		return date_ms;
	for (;;) {
		struct span span = zone_span(z, at_s);
		int64_t midnight_s = next_s - span.offset_s;

		if (midnight_s > span.from_s)
			return (midnight_s < at_s + 1 ? midnight_s : at_s + 1) * 1000;
		at_s = span.from_s - 1;
	}
}

void zone_local(const struct zone *z, int64_t at_ms, int *weekday, int *minute)
{
	int64_t local_s = div_floor(at_ms, 1000) + zone_offset_s(z, at_ms);
	int64_t days = div_floor(local_s, DAY_S);

	*weekday = (int)(((days + 4) % 7 + 7) % 7);
	*minute = (int)((local_s - days * DAY_S) / 60);
}
