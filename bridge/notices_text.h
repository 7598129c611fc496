/*
 * The words of notices: one template for each kind and language, leaverd's own in English and
 * German, and what a folder puts in their place or adds.
 *
 * A file of that folder is called KIND.LANGUAGE.txt: "Subject: ..." in its first line, an empty
 * line, then the text; KIND.LANGUAGE.html may stand beside it. Without one the HTML is made of
 * the text: paragraphs, and a line "[words](address)" is a button (in the text: the address).
 * Variables are base/template.h's. Everything is read with the configuration; faults of a file
 * are faults of the configuration, with its line and column.
 *
 * Immutable once made; any thread.
 */
#ifndef BRIDGE_NOTICES_TEXT_H
#define BRIDGE_NOTICES_TEXT_H

#include "base/buf.h"

enum notice_kind {
	NOTICE_WARN,    /* to a person: the seat goes */
	NOTICE_COPY,    /* the same to their manager or sponsor */
	NOTICE_TAKEN,   /* to a person: the seat went, and how to ask for it again */
	NOTICE_DIGEST,  /* to admins, daily */
	NOTICE_ALERT,   /* to admins: something waits for a person */
	NOTICE_TEST,    /* leaverd notices test */
	NOTICE_ACCOUNT, /* to a person: the account is not used, and what comes */
	NOTICE_KIND_COUNT
};
extern const char *const notice_kind_words[];

/* What a template may name. */
enum notice_value {
	SAY_FIRST_NAME, /* may be empty, as all of them */
	SAY_NAME,
	SAY_EMAIL,
	SAY_PRODUCT,
	SAY_SITE,
	SAY_ORGANISATION,
	SAY_INSTANCE,
	SAY_UNTIL, /* a date in words */
	SAY_DAYS,
	SAY_KEEP_LINK,
	SAY_AGAIN_LINK,
	SAY_CONTACT,
	SAY_RULE,
	SAY_PLAN,
	SAY_DATE,  /* today in words */
	SAY_COUNT, /* of items */
	SAY_ITEMS, /* lines */
	SAY_COUNT_ALL
};
extern const char *const notice_value_names[]; /* "first_name", ..., NULL */

struct notice_values {
	struct str v[SAY_COUNT_ALL];
};

struct notice_texts;

/*
 * folder (may be NULL): templates of one's own. fallback: the language of whoever has none of
 * ours. Each fault is told to fault() as "FILE:LINE:COLUMN: ..."; *ret is made all the same, of
 * what was in order. Below zero only for lost memory.
 */
int notice_texts_new(struct notice_texts **ret, const char *folder, const char *fallback,
		     void (*fault)(void *ctx, const char *text), void *ctx, struct err *err)
	MUST_USE;
void notice_texts_free(struct notice_texts *t);
OWNED(struct notice_texts, notice_texts_free)

/* Borrowed: the language that somebody with that tag ("de-AT", NULL) is written to in. */
const char *notice_language(const struct notice_texts *t, enum notice_kind kind,
			    const char *tag);
/* Whether there is a template of exactly that language, for any kind. */
bool notice_has_language(const struct notice_texts *t, const char *language);

#define NOTICE_TEXT_MAX (64 * 1024)

/* language is one that notice_language() gave. The buffers are the caller's, empty. A value is
 * one line (items: lines) and makes no link; only a template does. */
int notice_fill(const struct notice_texts *t, enum notice_kind kind, const char *language,
		const struct notice_values *values, struct buf *subject, struct buf *text,
		struct buf *html, struct err *err) MUST_USE;

/* A date as people of that language write it: "Monday, 7 December 2026". */
void notice_date(int64_t ms, int offset_s, const char *language, char ret[64]);

#endif
