#include "hr/options.h"

#include <stdlib.h>

#include "base/conf_check.h"
#include "base/rewrite.h"
#include "hr/date.h"
#include "hr/drop.h"
#include "hr/mapping.h"

const char *const hr_kind_words[] = { "full", "delta", "ended-only", NULL };
static const char *const format_words[] = { "csv", "ldif", NULL };
const char *const hr_encoding_words[] = { "auto",         "utf-8",      "utf-16le", "utf-16be",
					  "windows-1252", "iso-8859-1", NULL };
const char *const hr_delimiter_words[] = { "auto", "comma", "semicolon", "tab", "pipe", NULL };
static const char *const several_words[] = { "refuse", "engaged", "latest-start", "last-row",
					     NULL };

char hr_delimiter_char(int delimiter)
{
	static const char chars[] = { '\0', ',', ';', '\t', '|' };

	return delimiter >= 0 && delimiter < (int)COUNT_OF(chars) ? chars[delimiter] : '\0';
}

#define AT(field) offsetof(struct hr_options, field)
#define MIB (1024LL * 1024)

/* What only a file source needs is said by hr_options_check(): other sources have no such
 * section. kind stands here: it is missed wherever the section is written. */
const struct conf_key hr_option_keys[] = {
	{ "kind", CONF_ENUM, AT(kind), "!", .words = hr_kind_words, .reload = true,
	  .help = "what the export says of those it does not name; there is no default" },
	{ "path", CONF_PATH, AT(path), .reload = true,
	  .help = "the file that is read; without path and folder it comes on stdin" },
	{ "folder", CONF_PATH, AT(folder), .reload = true,
	  .help = "the folder where drops come: the newest whole one is read, of changes "
		  "each" },
	{ "pattern", CONF_TEXT, AT(pattern), .reload = true,
	  .help = "which names in the folder are drops, such as people-*.csv" },
	{ "name_date", CONF_TEXT, AT(name_date), .reload = true,
	  .help = "PCRE2 with year, month, day in a drop's name; default: its file time" },
	{ "ready_suffix", CONF_TEXT, AT(ready_suffix), .reload = true,
	  .help = "a drop counts once NAME and this is there too, such as .done" },
	{ "settle", CONF_MS, AT(settle_ms), "30s", 0, 86400000, .reload = true,
	  .help = "a younger file may still be written; not asked with ready_suffix" },
	{ "format", CONF_ENUM, AT(format), "csv", .words = format_words, .reload = true,
	  .help = "csv (RFC 4180) or ldif (RFC 2849, entries)" },
	{ "encoding", CONF_ENUM, AT(encoding), "auto", .words = hr_encoding_words,
	  .reload = true,
	  .help = "auto: by byte order mark, else UTF-8; what is neither must be declared" },
	{ "delimiter", CONF_ENUM, AT(delimiter), "auto", .words = hr_delimiter_words,
	  .reload = true,
	  .help = "auto: the one that splits the header into the columns named" },
	{ "key", CONF_TEXT, AT(key), .reload = true,
	  .help = "the column that names a person for ever, such as the personnel number" },
	{ "map", CONF_MAP, AT(map), .reload = true,
	  .help = "SCIM path: column, as in leaverd-hr(7)" },
	{ "dates", CONF_MAP, AT(dates), .reload = true,
	  .help = "column: form, such as dd.mm.yyyy; columns without are yyyy-mm-dd" },
	{ "expect", CONF_MAP, AT(expect), .reload = true,
	  .help = "column: PCRE2 that each of its texts matches" },
	{ "empty", CONF_LIST, AT(empty), .least = 0, .most = 32, .reload = true,
	  .help = "texts that mean nothing, such as NULL or 00.00.0000" },
	{ "optional", CONF_LIST, AT(optional), .least = 0, .most = 200, .reload = true,
	  .help = "columns of the map that an export may lack: unknown then" },
	{ "time_zone", CONF_TEXT, AT(time_zone), .reload = true,
	  .help = "zone of its times and of people without one; default: the instance's" },
	{ "several", CONF_ENUM, AT(several), "refuse", .words = several_words, .reload = true,
	  .help = "rows of one key: refuse the export, or the one that counts" },
	{ "bad_rows", CONF_INT, AT(bad_rows), "0", 0, 1000000, .reload = true,
	  .help = "rows with a value that cannot be read; more refuse the export" },
	{ "canaries", CONF_LIST, AT(canaries), .least = 0, .most = 100, .reload = true,
	  .help = "keys of people who must be in a full export" },
	{ "minimum", CONF_INT, AT(minimum), "1", 1, 100000000, .reload = true,
	  .help = "fewer people than this are not believed (full)" },
	{ "drop_count", CONF_INT, AT(drop_count), "3", 0, 1000000, .reload = true,
	  .help = "this many fewer people than last time are always believed (full)" },
	{ "drop_share", CONF_SHARE, AT(drop_share), "2 %", .reload = true,
	  .help = "and up to this share of them" },
	{ "grow_count", CONF_INT, AT(grow_count), "50", 0, 100000000, .reload = true,
	  .help = "this many more people than last time are always believed (full)" },
	{ "grow_share", CONF_SHARE, AT(grow_share), "20 %", .reload = true,
	  .help = "and up to this share of them" },
	{ "change_count", CONF_INT, AT(change_count), "20", 0, 100000000, .reload = true,
	  .help = "this many people may change at once" },
	{ "change_share", CONF_SHARE, AT(change_share), "20 %", .reload = true,
	  .help = "and up to this share of all that are known" },
	{ "max_age", CONF_MS, AT(max_age_ms), "36h", 60000, 31 * 86400000LL, .reload = true,
	  .help = "an older export is not believed" },
	{ "max_rows", CONF_INT, AT(max_rows), "1000000", 1, 10000000, .reload = true,
	  .help = "more rows refuse the export" },
	{ "max_size", CONF_BYTES, AT(max_bytes), "1GiB", .least = 1024, .most = 64 * 1024 * MIB,
	  .reload = true, .help = "a longer file is refused" },
	{ "checksum", CONF_BOOL, AT(checksum), "false", .reload = true,
	  .help = "NAME.sha256, as sha256sum writes it, must be there and match" },
	{ "signed_by", CONF_LIST, AT(signed_by), .least = 0, .most = 8, .reload = true,
	  .help = "minisign public keys, one of which signed NAME.minisig" },
	{ 0 }
};

bool hr_column_ok(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.p[i] < 0x20)
			return false;
	return name.len > 0 && name.len <= 256 && str_trim(name).len == name.len &&
	       str_utf8(name, NULL);
}

/* --- checks --------------------------------------------------------------------------------
 */

struct check {
	const struct hr_options *o;
	struct conf_check found;
};

static void check_place(struct check *c)
{
	const struct hr_options *o = c->o;
	struct err e;
	CLEANUP(rewrite_free_at) struct rewrite *re = NULL;

	if (o->path && o->folder)
		conf_check_bad(&c->found, "folder", "expected path or folder, not both");
	if (!o->folder && o->pattern)
		conf_check_bad(&c->found, "pattern",
			       "without folder there is nothing to choose from");
	if (o->ready_suffix && !o->ready_suffix[0])
		conf_check_bad(&c->found, "ready_suffix",
			       "is empty: every drop would be its own sign");
	if (o->name_date && rewrite_new(&re, o->name_date, "$1-$2-$3", &e) < 0)
		conf_check_bad(&c->found, "name_date", "%s", e.text);
	if (!o->path && !o->folder && (o->checksum || o->signed_by.n))
		conf_check_bad(
			&c->found, o->checksum ? "checksum" : "signed_by",
			"needs path or folder: nothing stands beside what comes on stdin");
	for (size_t i = 0; i < o->signed_by.n; i++)
		if (!hr_signature_key_ok(o->signed_by.v[i]))
			conf_check_bad(&c->found, "signed_by",
				       "number %zu is no minisign key: expected the second "
				       "line of its "
				       ".pub "
				       "file, which begins with RW",
				       i + 1);
}

static void check_columns(struct check *c, const char *key, const struct conf_pairs *pairs)
{
	for (size_t i = 0; i < pairs->n; i++)
		if (!hr_column_ok(str_of(pairs->v[i].key)))
			conf_check_bad(&c->found, key, "\"%.100s\" is not a column's name",
				       pairs->v[i].key);
}

static void check_map(struct check *c)
{
	CLEANUP(hr_mapping_free_at) struct hr_mapping *m = NULL;
	const struct hr_options *o = c->o;
	struct err e;
	bool active = false, end = false;
	int r;

	if (!o->map.n)
		conf_check_bad(
			&c->found, "map",
			"is missing: which column is which attribute, such as userName: Mail");
	for (size_t i = 0; i < o->map.n; i++) {
		active |= str_ieq(str_of(o->map.v[i].key), STR("active"));
		end |= str_ieq(str_of(o->map.v[i].key), STR("employment.lastWorkingDay")) ||
		       str_ieq(str_of(o->map.v[i].key), STR("employment.terminationDate"));
	}
	if (o->kind == HR_ENDED_ONLY && !active && !end)
		conf_check_bad(&c->found, "map",
			       "an export of those who left needs employment.lastWorkingDay, "
			       "employment.terminationDate or active");
	r = hr_mapping_new(o, &m, &e);
	if (r == -ERR_NOMEM)
		conf_check_nomem(&c->found);
	else if (r < 0)
		conf_check_bad(&c->found, "map", "%s", e.text);
}

int hr_options_check(const struct hr_options *o, struct conf_faults *faults, struct err *err)
{
	struct check c = { .o = o, .found = { .mark = &o->mark, .faults = faults } };
	const struct zone *zone;
	struct err e;

	check_place(&c);
	check_columns(&c, "dates", &o->dates);
	check_columns(&c, "expect", &o->expect);
	if (o->time_zone && zone_get(str_of(o->time_zone), &zone, &e) < 0)
		conf_check_bad(&c.found, "time_zone", "%s", e.text);
	if (!o->key || !hr_column_ok(str_of(o->key)))
		conf_check_bad(&c.found, "key",
			       "is missing: the column that names a person for ever, such as "
			       "\"Personnel "
			       "No\"");
	else
		check_map(&c);
	if (o->kind != HR_FULL && o->canaries.n)
		conf_check_bad(&c.found, "canaries", "only a full export shows everybody");
	if (o->format == HR_LDIF && o->delimiter)
		conf_check_bad(&c.found, "delimiter", "LDIF has none");
	return conf_check_end(&c.found, err);
}
