/*
 * Configuration: YAML (libyaml's document API) held against key tables. All faults of a file
 * are found at once, each with file, line, column, key, what was found and what was expected.
 *
 * A table row says everything about a key: type, field, default, bounds, whether reload may
 * change it. The same rows print `config show` and are held against sample and manual page by
 * make lint.
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stdint.h>

#include "base/buf.h"
#include "base/vec.h"

enum conf_type {
	CONF_TEXT,   /* char * */
	CONF_PATH,   /* char *: a file; must be absolute or relative to the config file's folder
		      */
	CONF_SECRET, /* char *: the NAME of a secret in the vault, never a value */
	CONF_BOOL,   /* bool */
	CONF_INT,    /* int64_t, within least..most */
	CONF_MS,     /* int64_t ms from a duration (30s, 14d), within least..most ms */
	CONF_BYTES,  /* int64_t from 64KiB, 10MiB, 1GiB or bytes */
	CONF_SHARE,  /* double 0..1 from "2 %" or 0.02 */
	CONF_ENUM,   /* int: index into words[] */
	CONF_LIST,   /* struct conf_list: texts; a single scalar is a list of one */
	CONF_MAP,    /* struct conf_pairs: free keys to texts */
	CONF_SECTION, /* sub, one nested struct at offset */
	CONF_ITEMS, /* sub, a sequence of structs: struct conf_items; each needs its key "name"
		       if `named` */
};

VEC(conf_list, char *);

struct conf_pair {
	char *key, *value;
	size_t line; /* 1-based, for later faults about this pair */
};
VEC(conf_pairs, struct conf_pair);

struct conf_items {
	void *v; /* n structs of size bytes each */
	size_t n, size;
};

/*
 * Where a struct read from a file stood: put `struct conf_mark mark` as first member to have
 * it. It is known by the room it takes: no row of the struct may lie in its first
 * sizeof(struct conf_mark) bytes, and a struct whose rows leave that room must have a mark
 * there.
 */
struct conf_mark {
	const char *file; /* borrowed from the struct conf_doc's caller */
	size_t line, column;
};

struct conf_key {
	const char *name;
	enum conf_type type;
	size_t offset;
	/*
	 * Default as text; NULL: none (field stays zero); "!": required. Of a LIST: texts with
	 * commas between. A SECTION that is left out gets the presets of its keys, and none of
	 * its required keys is missed, unless it is required itself.
	 */
	const char *preset;
	int64_t least, most;      /* bounds for INT, MS, BYTES; items for LIST and ITEMS */
	const char *const *words; /* ENUM: NULL-terminated */
	const struct conf_key *sub;
	size_t sub_size;  /* SECTION, ITEMS: bytes of the nested struct */
	bool reload;      /* may change while running */
	bool if_given;    /* SECTION: shown only where it stood in the file; it and the struct
			     around it have a mark */
	const char *help; /* one line for sample, manual and `config show` */
};

/* One fault of a file. text is a sentence: FILE:LINE:COLUMN: key: found, expected. */
VEC(conf_faults, char *);

/*
 * Reads file (at most 1 MiB) into *into (zeroed by the caller), following keys. Unknown keys,
 * duplicates, wrong types and values out of bounds are all gathered into *faults.
 * 0 only without a fault; -ERR_CONFIG with *err holding the first, and how many there are;
 * -ERR_NOMEM. After a fault *into is zeroed. faults may be NULL; of a file 100 are kept.
 */
int conf_read(const char *file, const struct conf_key *keys, void *into,
	      struct conf_faults *faults, struct err *err) MUST_USE;
/* The same from memory; name stands for the file in faults. */
int conf_read_text(const char *name, struct str text, const struct conf_key *keys, void *into,
		   struct conf_faults *faults, struct err *err) MUST_USE;

/*
 * Adds a fault found later (a filter that does not parse) under the mark of its struct.
 * -ERR_CONFIG when it was added, -ERR_NOMEM.
 */
int conf_fault(struct conf_faults *faults, const struct conf_mark *mark, const char *key,
	       const char *format, ...) PRINTF(4, 5);

/* Whether the section was left out: it has the mark of the struct around it. */
static inline bool conf_left_out(const struct conf_mark *section,
				 const struct conf_mark *around)
{
	return section->line == around->line && section->column == around->column;
}

/* Prints *from as YAML under the same keys, defaults included (secrets are names). */
int conf_show(const struct conf_key *keys, const void *from, struct buf *into, struct err *err)
	MUST_USE;

/* Frees all that conf_read put into *into, and zeroes it. */
void conf_free(const struct conf_key *keys, void *into);
void conf_faults_free(struct conf_faults *faults);

/* Calls fn for each key with its dotted name ("limits.leavers.day"), for lint and completion.
 */
void conf_walk(const struct conf_key *keys,
	       void (*fn)(void *ctx, const char *dotted, const struct conf_key *key),
	       void *ctx);

#endif
