/*
 * Borrowed text: a pointer and a length, no NUL needed. Nothing here owns what it points to.
 * All functions are pure and safe on every thread.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

struct str {
	const char *p; /* may be NULL when len is 0 */
	size_t len;    /* bytes */
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).len, (s).p ? (s).p : ""

static inline struct str str_of(const char *text) /* NULL is the empty text */
{
	return (struct str){ text, text ? strlen(text) : 0 };
}

static inline struct str str_n(const char *p, size_t len)
{
	return (struct str){ p, len };
}

bool str_eq(struct str a, struct str b);
bool str_ieq(struct str a, struct str b); /* equal but for the case of ASCII letters */
int str_cmp(struct str a, struct str b);  /* bytes, then length: a total order */
bool str_starts(struct str s, struct str with);
bool str_istarts(struct str s, struct str with);
bool str_ends(struct str s, struct str with);
struct str str_trim(struct str s); /* without blanks, tabs, CR, LF at both ends */

/* Where c (or any byte of set) first stands, or s.len. */
size_t str_find(struct str s, char c);
size_t str_find_any(struct str s, const char *set);

/* Cuts s at the first c: *head before it, *rest after. False (all in head) without a c. */
bool str_cut(struct str s, char c, struct str *head, struct str *rest);

/* A decimal integer and nothing else. False on anything else or overflow. */
bool str_int64(struct str s, int64_t *ret);
bool str_uint64(struct str s, uint64_t *ret);
/* A duration such as 90d, 24h, 10min, 30s, 500ms, 2w; a bare 0 too. Result in ms, never
 * negative. */
bool str_duration_ms(struct str s, int64_t *ret);

/* A NUL-terminated copy, the caller's to free(); NULL when memory is lost. */
char *str_dup(struct str s);

/* True when s is well-formed UTF-8 without NUL. On false *at (may be NULL) is the offending
 * offset. */
bool str_utf8(struct str s, size_t *at);

/*
 * The form in which two texts that a person calls the same are byte-equal: NFKC and full case
 * folding (for user names, mail addresses, display names: RFC 8265 in spirit). *ret is new and
 * the caller's to free(), *ret_len its bytes without the final NUL. Fault: INVALID_VALUE when s
 * is not UTF-8, NOMEM.
 */
int str_fold(struct str s, char **ret, size_t *ret_len, struct err *err) MUST_USE;

/*
 * The form in which two user names are the same name: UsernameCaseMapped of RFC 8265 section
 * 3.3 (width mapping, lower case, NFC); finer than str_fold(),
 * which also finds "strasse" for "straße". What that profile would refuse is kept, so that no
 * client's name becomes impossible. Ownership and faults as of str_fold().
 */
int str_user_name(struct str s, char **ret, size_t *ret_len, struct err *err) MUST_USE;

/* True when s has nothing but white space as Unicode knows it, or nothing at all. */
bool str_is_blank(struct str s);
/* The same text in NFC, case kept. Ownership as above. */
int str_nfc(struct str s, char **ret, size_t *ret_len, struct err *err) MUST_USE;

#endif
