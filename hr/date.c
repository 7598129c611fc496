#include "hr/date.h"

#include <ctype.h>
#include <stdio.h>

static const char *const months[] = { "jan", "feb", "mar", "apr", "may", "jun",
				      "jul", "aug", "sep", "oct", "nov", "dec" };

/* What a form is made of: longest first, so that mmm is not mm and an m. */
enum part { YEAR, MONTH_NAME, MONTH_TWO, MONTH, DAY_TWO, DAY, HOUR, MINUTE, SECOND, PARTS };
static const struct {
	const char *word;
	enum part part;
	unsigned least, most; /* digits */
} parts[] = {
	{ "yyyy", YEAR, 4, 4 },    { "mmm", MONTH_NAME, 0, 0 }, { "mi", MINUTE, 2, 2 },
	{ "mm", MONTH_TWO, 2, 2 }, { "m", MONTH, 1, 2 },        { "dd", DAY_TWO, 2, 2 },
	{ "d", DAY, 1, 2 },        { "hh", HOUR, 2, 2 },        { "ss", SECOND, 2, 2 },
};

static int part_at(const char *form, size_t *len)
{
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		*len = strlen(parts[i].word);
		if (strncmp(form, parts[i].word, *len) == 0)
			return (int)i;
	}
	*len = 1;
	return -1;
}

struct civil {
	int year, month, day;
};

static bool number(struct str *s, unsigned least, unsigned most, int *ret)
{
	unsigned n = 0;

	*ret = 0;
	for (; n < most && n < s->len && s->p[n] >= '0' && s->p[n] <= '9'; n++)
		*ret = *ret * 10 + (s->p[n] - '0');
	*s = str_n(s->p + n, s->len - n);
	return n >= least;
}

static bool month_name(struct str *s, int *ret)
{
	for (int i = 0; i < 12; i++)
		if (str_istarts(*s, str_of(months[i]))) {
			*s = str_n(s->p + 3, s->len - 3);
			*ret = i + 1;
			return true;
		}
	return false;
}

static bool one_part(int i, struct str *s, struct civil *c)
{
	int value;

	if (parts[i].part == MONTH_NAME)
		return month_name(s, &c->month);
	if (!number(s, parts[i].least, parts[i].most, &value))
		return false;
	switch (parts[i].part) {
	case YEAR:
		c->year = value;
		return value >= 1;
	case MONTH_TWO:
	case MONTH:
		c->month = value;
		return true;
	case DAY_TWO:
	case DAY:
		c->day = value;
		return true;
	case HOUR:
		return value <= 24;
	default:
		return value <= 60;
	}
}

static bool civil_ms(const struct civil *c, int64_t *ret)
{
	char text[STAMP_TEXT_BYTES];

	if (c->year < 1 || c->year > 9999 || c->month < 1 || c->month > 12 || c->day < 1 ||
	    c->day > 31)
		return false;
	snprintf(text, sizeof(text), "%04d-%02d-%02d", c->year, c->month, c->day);
	return stamp_parse_date(str_of(text), ret);
}

static bool read_form(const char *form, struct str s, int64_t *ret)
{
	struct civil c = { 0 };
	size_t len;

	for (; *form; form += len) {
		int i = part_at(form, &len);

		if (i >= 0 ? !one_part(i, &s, &c)
			   : s.len == 0 || tolower((unsigned char)s.p[0]) != *form)
			return false;
		if (i < 0)
			s = str_n(s.p + 1, s.len - 1);
	}
	return s.len == 0 && civil_ms(&c, ret);
}

/* The day that it is in the zone at that instant. */
static bool read_instant(const struct zone *zone, struct str s, int64_t *ret)
{
	int64_t at;
	size_t t = str_find_any(s, "Tt");
	bool offset = t < s.len && str_find_any(str_n(s.p + t, s.len - t), "Zz+-") < s.len - t;

	if (!offset || !stamp_parse(s, &at))
		return false;
	at += (int64_t)zone_offset_s(zone, at) * 1000;
	*ret = at - ((at % STAMP_DAY_MS) + STAMP_DAY_MS) % STAMP_DAY_MS;
	return true;
}

static bool read_excel(struct str s, int64_t *ret)
{
	int64_t days;
	struct str whole, rest;

	(void)str_cut(s, '.', &whole, &rest);
	/* 60 is the 29th of February 1900, which was none: dates before are left out */
	if (!str_int64(whole, &days) || days < 61 || days > 2958465)
		return false;
	for (size_t i = 0; i < rest.len; i++)
		if (rest.p[i] < '0' || rest.p[i] > '9')
			return false;
	*ret = stamp_from_civil(1899, 12, 30, 0, 0, 0) + days * STAMP_DAY_MS;
	return true;
}

static bool read_one(const char *form, const struct zone *zone, struct str s, int64_t *ret)
{
	if (!strcmp(form, "instant"))
		return read_instant(zone, s, ret);
	if (!strcmp(form, "excel"))
		return read_excel(s, ret);
	return read_form(form, s, ret);
}

bool hr_dates_read(const struct hr_dates *d, const struct zone *zone, struct str text,
		   int64_t *ret_ms)
{
	for (size_t i = 0; i < d->n; i++)
		if (read_one(d->form[i], zone, text, ret_ms))
			return true;
	return false;
}

static int check_form(const char *form, struct err *err)
{
	int has[PARTS] = { 0 };
	size_t len;

	if (!strcmp(form, "instant") || !strcmp(form, "excel"))
		return 0;
	for (const char *at = form; *at; at += len) {
		int i = part_at(at, &len);

		if (i >= 0)
			has[parts[i].part]++;
		else if ((*at >= 'a' && *at <= 'z' && *at != 't') || (*at >= '0' && *at <= '9'))
			return err_set(
				err, ERR_CONFIG,
				"\"%s\" is no form of dates: expected yyyy, mm and dd (or m, "
				"mmm, d) in their order, such as dd.mm.yyyy; or instant; or "
				"excel",
				form);
	}
	if (has[YEAR] != 1 || has[MONTH_NAME] + has[MONTH_TWO] + has[MONTH] != 1 ||
	    has[DAY_TWO] + has[DAY] != 1)
		return err_set(
			err, ERR_CONFIG,
			"\"%s\" is no form of dates: expected year (yyyy), month (mm, m, "
			"mmm) and day (dd, d) once each; years of two digits say no century",
			form);
	return 0;
}

/* Writes a day in a form: what the other form makes of it tells whether they can be confused.
 */
static void write_form(const char *form, const struct civil *c, char ret[64])
{
	size_t at = 0, len;

	for (; *form && at < 48; form += len) {
		int i = part_at(form, &len);
		int value = 0;

		if (i < 0) {
			ret[at++] = *form;
			continue;
		}
		if (parts[i].part == MONTH_NAME) {
			memcpy(ret + at, months[c->month - 1], 3);
			at += 3;
			continue;
		}
		if (parts[i].part == YEAR)
			value = c->year;
		else if (parts[i].part == MONTH || parts[i].part == MONTH_TWO)
			value = c->month;
		else if (parts[i].part == DAY || parts[i].part == DAY_TWO)
			value = c->day;
		at += (size_t)snprintf(ret + at, 64 - at, "%0*d", (int)parts[i].least, value);
	}
	ret[at] = '\0';
}

static bool confused(const char *a, const char *b)
{
	static const struct civil probes[] = { { 2026, 3, 4 },
					       { 2026, 11, 12 },
					       { 1203, 4, 5 } };

	for (size_t i = 0; i < COUNT_OF(probes); i++) {
		char text[64];
		int64_t one, other;

		write_form(a, &probes[i], text);
		if (read_form(a, str_of(text), &one) && read_form(b, str_of(text), &other) &&
		    one != other)
			return true;
	}
	return false;
}

int hr_dates_parse(struct str text, struct hr_dates *ret, struct err *err)
{
	struct hr_dates d = { 0 };
	struct str rest = text, one;
	int r = 0;

	while (r == 0 && rest.len) {
		(void)str_cut(rest, '|', &one, &rest);
		one = str_trim(one);
		if (!one.len || one.len >= sizeof(d.form[0]) || d.n == HR_DATE_FORMS_MAX)
			return err_set(
				err, ERR_CONFIG,
				"expected one to %d forms of dates with | between, such as "
				"dd.mm.yyyy | yyyy-mm-dd",
				HR_DATE_FORMS_MAX);
		for (size_t i = 0; i < one.len; i++)
			d.form[d.n][i] =
				(char)(one.p[i] >= 'A' && one.p[i] <= 'Z' ? one.p[i] + 32
									  : one.p[i]);
		r = check_form(d.form[d.n], err);
		for (size_t i = 0; r == 0 && i < d.n; i++)
			if (confused(d.form[i], d.form[d.n]) ||
			    confused(d.form[d.n], d.form[i]))
				r = err_set(err, ERR_CONFIG,
					    "%s and %s read the same text as two days: a "
					    "column can "
					    "have one of them only",
					    d.form[i], d.form[d.n]);
		d.n++;
	}
	if (r == 0 && !d.n)
		r = err_set(err, ERR_CONFIG, "expected a form of dates, such as dd.mm.yyyy");
	if (r == 0)
		*ret = d;
	return r;
}
