/*
 * The settings of one HR export: what `file:` of a source may say, as a key table.
 *
 * The bridge reads the rows with base/conf, calls hr_options_check(), sets name and zone, and
 * from then on the struct is never changed: any thread may read it.
 */
#ifndef HR_OPTIONS_H
#define HR_OPTIONS_H

#include "base/conf.h"

/* What an export says about those it does not name. There is no default: it must be declared.
 */
enum hr_kind {
	HR_FULL,       /* everybody: who is missing is absent from one export */
	HR_DELTA,      /* who changed: nothing is said about the others */
	HR_ENDED_ONLY, /* who left, each with an end: nothing is said about the others */
};
extern const char *const hr_kind_words[]; /* "full", "delta", "ended-only" */

enum hr_format { HR_CSV, HR_LDIF };

enum hr_encoding { HR_ENC_AUTO, HR_UTF8, HR_UTF16LE, HR_UTF16BE, HR_WINDOWS_1252, HR_LATIN_1 };
extern const char *const hr_encoding_words[];

enum hr_delimiter { HR_DELIM_AUTO, HR_COMMA, HR_SEMICOLON, HR_TAB, HR_PIPE };
extern const char *const hr_delimiter_words[];
char hr_delimiter_char(int delimiter); /* '\0' of auto */

/* Several rows of one person. */
enum hr_several {
	HR_REFUSE,       /* the export is refused */
	HR_ENGAGED,      /* the one that ends last, or not at all; then the later start */
	HR_LATEST_START, /* the one that begins last */
	HR_LAST_ROW,
};

struct hr_options {
	struct conf_mark mark;
	const char *name; /* the source's name; set by the caller, borrowed */
	const char *zone; /* never NULL once set by the caller: time_zone, or the instance's */
	char *path;       /* a file; NULL with folder, or for stdin alone */
	char *folder;     /* where drops come */
	char *pattern;    /* which names are drops */
	char *name_date;  /* PCRE2 with (year)(month)(day) in a drop's name; NULL: its mtime */
	char *ready_suffix;        /* a drop counts when NAME + this is there too; NULL: none */
	int64_t settle_ms;         /* a drop younger than this may still be written */
	int kind;                  /* enum hr_kind */
	int format;                /* enum hr_format */
	int encoding;              /* enum hr_encoding */
	int delimiter;             /* enum hr_delimiter */
	char *key;                 /* column with the immutable id */
	struct conf_pairs map;     /* SCIM path -> expression (model/maptext.h) */
	struct conf_pairs dates;   /* column -> forms (hr/date.h) */
	struct conf_pairs expect;  /* column -> PCRE2 that every value matches */
	struct conf_list empty;    /* texts that mean nothing */
	struct conf_list optional; /* columns of the map that may be missing */
	char *time_zone;           /* of times, and of people who have none; NULL: instance */
	int several;               /* enum hr_several */
	int64_t bad_rows;          /* rows with a value that cannot be read */
	struct conf_list canaries; /* keys that must be there */
	int64_t minimum, drop_count, grow_count, change_count;
	double drop_share, grow_share, change_share;
	int64_t max_age_ms;
	int64_t max_rows, max_bytes;
	bool checksum;              /* NAME.sha256 must be there and match */
	struct conf_list signed_by; /* minisign public keys; one of them signed NAME.minisig */
};

#define HR_FIELD_MAX_BYTES (64 * 1024) /* of one value, in UTF-8 */
#define HR_ROW_MAX_BYTES (1024 * 1024) /* of one row or LDIF entry, in UTF-8 */
#define HR_COLUMNS_MAX 512
#define HR_KEY_MAX_BYTES 256

/* Rows of `file:`; end with a NULL name. */
extern const struct conf_key hr_option_keys[];

/* Whether a column can be called so. */
bool hr_column_ok(struct str name);

/*
 * What rows cannot say: which keys need each other, whether map, dates, patterns, zone and keys
 * parse. Adds every fault to *faults (may be NULL); 0 without one, else -ERR_CONFIG with the
 * first in *err.
 */
int hr_options_check(const struct hr_options *o, struct conf_faults *faults, struct err *err)
	MUST_USE;

#endif
