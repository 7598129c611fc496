/*
 * Reading both sides: sources of people (sync) and organisations (collect). Each reads through
 * its room, stages through the writer, and lets the result take effect in one transaction with
 * its verdict. One read of a source or an organisation at a time; a second answers BUSY.
 *
 * Blocking, minutes long, on the caller's thread; ended by *cancel. The answers are JSON for
 * people and programs.
 */
#ifndef BRIDGE_ROUNDS_H
#define BRIDGE_ROUNDS_H

#include <stdatomic.h>

#include "base/jx.h"
#include "bridge/app.h"

/* Declares the sources and organisations of the config in the store, with canaries. Before the
 * first read; in daemon and commands alike. */
int rounds_declare(struct app *app, struct err *err) MUST_USE;

/*
 * Reads one pulled source to its end, judges the read, counts who is absent, and looks up by id
 * who has been absent long enough (law 1). With dry_run nothing is stored. 0 whenever there is
 * a verdict: out holds source, read, complete, plausible, accepted, why, entries, fresh,
 * changed, unchanged, missing, disabled, gone, not_gone, doubts[], ms. Below zero only for us.
 */
int rounds_sync(struct app *app, const struct config_source *source, bool dry_run,
		const atomic_bool *cancel, json_t *out, struct err *err) MUST_USE;

/* Adds to out, as "shown", one entry of a directory and what the map makes of it
 * (ldap/show.h). */
int rounds_show(struct app *app, const struct config_source *source, const char *dn,
		const atomic_bool *cancel, json_t *out, struct err *err) MUST_USE;

/*
 * Reads what changed in a directory since the last read, and a full read (rounds_sync) where a
 * delta cannot tell: the cookie is refused, somebody is missing, a canary is hidden, the last
 * read was not accepted. out as rounds_sync(), and "delta": strategy, why, named, read, swept,
 * fresh, changed, full (why one followed, or null), ms. The cursor is kept in the transaction
 * of what it brought.
 */
enum { ROUNDS_FULL = 1, ROUNDS_REFUSED = 2 };
int rounds_delta(struct app *app, const struct config_source *source, const atomic_bool *cancel,
		 json_t *out, struct err *err) MUST_USE;

/* Before a full read: where a delta starts that follows it. *ret is new, or NULL where there
 * are none (that is logged). ROUNDS_REFUSED with *err: the password is, so do not try it again
 * (servers count). rounds_mark_keep() in the transaction that accepts the read. */
struct secret;
struct db;
int rounds_mark(struct app *app, const struct config_source *source,
		const struct secret *password, const atomic_bool *cancel, char **ret,
		struct err *err) MUST_USE;
int rounds_mark_keep(struct db *db, const struct config_source *source, const char *cursor,
		     struct err *err) MUST_USE;

/* What is remembered of a source of the configuration. */
struct remembered *rounds_remembered(struct app *app, const struct config_source *source);

/*
 * Reads the groups of a directory whose people were just read, and sets what differs. While
 * they are not known (store/membership.h) no rule that asks for groups fires. Adds "groups" to
 * out; nothing where the settings name no groups.
 */
int rounds_groups(struct app *app, const struct config_source *source, int64_t source_id,
		  bool dry_run, const struct secret *password, const atomic_bool *cancel,
		  json_t *out, struct err *err) MUST_USE;

/*
 * Reads one organisation. out: org, generation, complete, why, accounts, accounts_changed,
 * groups, seats, seats_changed, requests, resumed (pages that a read had brought which was
 * stopped), ms.
 */
int rounds_collect(struct app *app, const struct config_org *org, const atomic_bool *cancel,
		   json_t *out, struct err *err) MUST_USE;

/* Removes the pages of reads that were stopped: somebody is forgotten. The next read begins at
 * the beginning. */
int rounds_forget_kept(struct app *app, struct err *err) MUST_USE;

/*
 * Asks each site of the organisation's `sites:` itself, after the organisation was read: seats,
 * licences, groups, members, customers; keeps them, and where they differ from what the
 * organisation says (store/sites.h). A site that cannot be read ends nothing. Adds "sites" to
 * out: [{site, whole, why, products: [...], findings: [...], requests}]; nothing where none is
 * configured. Below zero only for us.
 */
int rounds_sites(struct app *app, const struct config_org *org, const atomic_bool *cancel,
		 json_t *out, struct err *err) MUST_USE;

/*
 * Reads an organisation's provisioning directory, where it has one; a part of rounds_collect().
 * What could not be read is no fault: out's "provisioning" then says complete: false and why,
 * and nothing is planned that goes through it.
 */
int rounds_provision(struct app *app, const struct config_org *org, const atomic_bool *cancel,
		     json_t *out, struct err *err) MUST_USE;

/*
 * Reads the organisation's audit events from where the last reading stopped (store/events.h);
 * a part of rounds_collect(). What could not be read ends nothing. Adds "events" to out: read,
 * kept, foreign (new), end (all there are), why; nothing where the settings leave them out.
 * Below zero only for us, and CANCELLED.
 */
int rounds_events(struct app *app, const struct config_org *org, const atomic_bool *cancel,
		  json_t *out, struct err *err) MUST_USE;

/*
 * Reads what these accounts (ledger numbers) own on the organisation's sites, and keeps it; so
 * many and for so long as one round may. *ret is how many were read. A site that cannot be read
 * makes the inventory less than whole and ends nothing. Below zero only for us.
 */
int rounds_inventory(struct app *app, const struct config_org *org, const uint64_t *accounts,
		     size_t count, size_t *ret, struct err *err) MUST_USE;

/*
 * A person accepts the newest read of an organisation, complete and judged implausible: the
 * next read that is as large takes effect, with what it lacks removed. Audited. *ret_accounts
 * is how many accounts were seen. Fault: NOT_FOUND where there is none to accept: nobody
 * overrides an incomplete read or another organisation.
 */
int rounds_collect_accept(struct app *app, const struct config_org *org, const char *who,
			  const char *why, int64_t *ret_accounts, struct err *err) MUST_USE;

/* Opens the sealed secret of that name. Fault: SECRET or NOT_FOUND naming it and the command
 * that sets it. *ret must be empty. */
int rounds_secret(struct app *app, const char *name, struct secret *ret, struct err *err)
	MUST_USE;

/* Before a directory is asked: its bind password, empty where none is needed, and the key of
 * our certificate, which ldap/tls.h keeps. */
struct dir_options;
int rounds_directory_secrets(struct app *app, const struct dir_options *o,
			     struct secret *ret_password, struct err *err) MUST_USE;

#endif
