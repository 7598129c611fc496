/*
 * Signed statements on both sides of the control socket: the daemon's, which makes one to be
 * signed and takes it back signed, and the approver's, who reads it, signs and sends it.
 *
 * A verb that may be signed knows two members of its request: "statement": true wants the text
 * to be signed instead of the deed; "signature" is that text, signed.
 */
#ifndef BRIDGE_SIGNING_H
#define BRIDGE_SIGNING_H

#include "bridge/app.h"
#include "bridge/cli.h"
#include "model/statement.h"
#include "store/approvers.h"

/* --- the daemon's side --- */

/* What is to be signed. Empty texts are left out. */
struct signing_offer {
	const char *about, *decision, *target;
	const char *org;
	const struct digest *digest; /* NULL: none */
	struct str actions, guards, detail;
	const char *reason;
	int64_t until_ms; /* no later than this; 0: STATEMENT_FRESH_MS from now */
};
/* out.statement: the text. */
int signing_offer(struct app *app, const struct signing_offer *offer, json_t *out,
		  struct err *err) MUST_USE;

/* The request's signed statement. *given false where it brings none. *ret borrows from in. */
int signing_given(const json_t *in, struct statement *ret, bool *given, struct err *err)
	MUST_USE;

/* For approvers_take(). Borrows all. */
void signing_want(struct app *app, const struct who *who, const char *about,
		  const char *decision, const char *target, struct statement_want *ret);

/* --- the approver's side: for rows of bridge/commands.c --- */

/*
 * Prepares a request that may be signed: with --sign KEYFILE asks for the statement, shows it,
 * signs it, and puts it in place of everything else; with --signature FILE reads it from there.
 */
int prepare_signature(struct cli *cli, json_t *request, struct err *err);
/* The same, of what needs a reason: one is given, or stands in the statement that is brought.
 */
int prepare_reasoned(struct cli *cli, json_t *request, struct err *err);
/* The same, and --key FILE.pub as "public". */
int prepare_enrol(struct cli *cli, json_t *request, struct err *err);
int local_key_new(struct cli *cli, const json_t *request, struct err *err);
int local_sign(struct cli *cli, const json_t *request, struct err *err);
/* Prints the statement where that was asked for, else as other decisions. */
int render_signing(struct cli *cli, const json_t *out);
int render_approvers(struct cli *cli, const json_t *out);
/* Adds the people of --file, one a line, to those who are named. */
int prepare_expect(struct cli *cli, json_t *request, struct err *err);
int render_lists(struct cli *cli, const json_t *out);
int render_configs(struct cli *cli, const json_t *out);

#endif
