/*
 * What the entries of one directory came to when they were last read: a digest of each entry's
 * bytes, and no value of it. An entry that shows the same bytes in answer to the same question
 * means the same, so that it need not become a document to be found unchanged.
 *
 * It is also what tells, within one read, an entry that comes twice. One memory belongs to one
 * directory and whoever reads it, one read at a time. It is a shortcut and never a source: who
 * keeps it clears it whenever what it led to may not stand (a read that was not accepted, a
 * store that somebody else wrote).
 */
#ifndef LDAP_MEMORY_H
#define LDAP_MEMORY_H

#include "ldap/entry.h"
#include "ldap/verdict.h"

struct dir_memory;

int dir_memory_new(struct dir_memory **ret, struct err *err) MUST_USE;
void dir_memory_free(struct dir_memory *m);
OWNED(struct dir_memory, dir_memory_free)

/* Forgets everything. */
void dir_memory_clear(struct dir_memory *m);

/*
 * A read begins that asks context (its question, and what it holds for hidden). Entries of the
 * last read are known in this one if it had the same context and was not followed by another
 * begin without an end, as when an attempt broke off.
 */
void dir_memory_begin(struct dir_memory *m, struct str context);
/* It reached its end. */
void dir_memory_end(struct dir_memory *m);

enum dir_memory_answer {
	DIR_MEMORY_NEW,   /* not seen yet in this read; perhaps in an earlier one, different */
	DIR_MEMORY_KNOWN, /* as in the last read, and marked then */
	DIR_MEMORY_TWICE, /* seen in this read, the same bytes */
	DIR_MEMORY_OTHER, /* seen in this read, with other bytes */
};

/* A place in the memory; until the next dir_memory_see(). */
struct dir_memory_row {
	unsigned char id[16], content[8];
	uint32_t mark;     /* of whoever reads; 0: none, the entry is looked at again */
	uint16_t branch;   /* number of the place in the tree */
	uint8_t state : 7; /* enum dir_state */
	uint8_t timed : 1; /* the same bytes mean something else later: never known */
	uint8_t turn;      /* of the read that saw it last; 0: an empty place */
};

/* Sees e, whose key is that. NEW and KNOWN count it as seen. An enum dir_memory_answer, with
 * *ret for NEW and KNOWN; -ERR_NOMEM. */
int dir_memory_see(struct dir_memory *m, struct str key, const struct dir_entry *e,
		   struct dir_memory_row **ret) MUST_USE;
/* Whether this read has seen that key. */
bool dir_memory_saw(const struct dir_memory *m, struct str key);
/* Whoever reads says what the entry of that key, seen in this read, came to. 0 forgets it. */
void dir_memory_mark(struct dir_memory *m, struct str key, uint32_t mark);

/* Counts one more entry below that parent (normal spelling) and sets row->branch. */
int dir_memory_branch(struct dir_memory *m, struct dir_memory_row *row, struct str parent,
		      struct err *err) MUST_USE;
/* The same for a known row. */
void dir_memory_branch_again(struct dir_memory *m, const struct dir_memory_row *row);
/* The places that held somebody in this read; none if there were more than DIR_BRANCHES_MAX. */
int dir_memory_branches(const struct dir_memory *m, struct dir_branches *into, struct err *err)
	MUST_USE;

#endif
