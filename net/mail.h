/*
 * Mail over SMTP (libcurl): one letter to one person, as text and HTML.
 *
 * mail_compose() makes the bytes of a letter (RFC 5322, 2045 to 2047, 6532) and is pure. Names
 * and subjects come from directories: control characters of them become blanks, other than
 * ASCII is encoded, an address that is none is refused, so that nothing of them can begin a
 * header.
 *
 * struct mail is one connection, kept between letters, for one thread at a time. TLS is
 * verified always; without TLS only loopback is spoken to.
 */
#ifndef NET_MAIL_H
#define NET_MAIL_H

#include "base/buf.h"
#include "base/secret.h"

#define MAIL_ADDRESS_MAX 254 /* bytes (RFC 5321 4.5.3.1.3, less the brackets) */
#define MAIL_LETTER_MAX (1024 * 1024)

enum mail_tls {
	MAIL_STARTTLS, /* refused where the server does not offer it */
	MAIL_TLS,      /* from the first byte (port 465) */
	MAIL_PLAIN,    /* loopback only */
};

struct mail_options {
	const char *server; /* "smtp.example.com:587"; the port may be left out */
	enum mail_tls tls;
	const char *ca_file; /* a private CA beside the system's; NULL: none */
	const char *login;   /* NULL: none */
	int64_t timeout_ms;  /* for one letter; 0: 60 s */
	/* Asked while a letter is on its way; true ends it, unless its body has begun. NULL:
	 * never
	 */
	bool (*stop)(void *ctx);
	void *stop_ctx;
};

/* Texts are UTF-8. NULL where there is none. */
struct mail_letter {
	const char *from, *from_name, *reply_to;
	const char *to, *to_name;
	const char *subject;
	const char *id; /* of Message-ID, without brackets: stable over tries */
	const char *language;
	int64_t date_ms; /* wall */
	struct str text, html;
};

/* Whether s can be somebody's address: one @, nothing that breaks a line or a command. */
bool mail_address_ok(struct str s);

/* Adds the letter's bytes with CRLF. Fault: INVALID_VALUE naming the field; LIMIT, NOMEM. */
int mail_compose(const struct mail_letter *letter, struct buf *into, struct err *err) MUST_USE;

struct mail;

/* Copies options' texts and the password (may be NULL). Nothing is sent. */
int mail_new(struct mail **ret, const struct mail_options *options,
	     const struct secret *password, struct err *err) MUST_USE;
void mail_free(struct mail *m);
OWNED(struct mail, mail_free)

/* What became of a letter; above zero, with a sentence in *err. */
enum mail_answer {
	MAIL_AWAY =
		1,  /* the server was not reached, or refuses us: no letter would fare better */
	MAIL_LATER, /* this one was put off (4yz): try it again later */
	MAIL_REFUSED, /* this one was refused (5yz), for good */
	MAIL_MAYBE,   /* it was given over, and the answer did not come: nobody knows */
};

/*
 * Sends one letter. before_body (may be NULL) is called once all but the body was accepted and
 * before its first byte: if it returns false nothing of it is sent (MAIL_LATER). 0: the server
 * took it. Answers: enum mail_answer. Below zero: the letter cannot be composed, or memory.
 */
int mail_send(struct mail *m, const struct mail_letter *letter, bool (*before_body)(void *ctx),
	      void *ctx, struct err *err) MUST_USE;

#endif
