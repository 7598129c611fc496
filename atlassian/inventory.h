/*
 * What accounts own on one site, found early so that somebody can look at it: open issues,
 * filters, dashboards, projects and components that they lead, automation rules, spaces.
 *
 * Projects, components, rules and spaces have no list by owner: they are read whole, once for
 * all accounts of one inventory. Private dashboards of others are not shown by any API, and are
 * not in here. Never changes anything. Used by one thread.
 */
#ifndef ATLASSIAN_INVENTORY_H
#define ATLASSIAN_INVENTORY_H

#include "atlassian/site.h"
#include "model/owned.h"

/* Texts are borrowed and live for the callback. */
struct atl_owned {
	enum owned_kind kind;
	struct str id;      /* by which it is given: issue id, filter id, ... */
	struct str label;   /* "OPS-12"; empty where the id is all */
	struct str title;   /* PERSONAL: summary, name */
	struct str project; /* key; empty where it is in none */
	struct str lead;    /* account id of that project's lead; empty if none */
};
typedef int (*atl_owned_fn)(void *ctx, const struct atl_owned *row, struct err *err);

struct atl_inventory;
int atl_inventory_new(struct atl_inventory **ret, struct atl_site *site, struct err *err)
	MUST_USE;
void atl_inventory_free(struct atl_inventory *v);
OWNED(struct atl_inventory, atl_inventory_free)

struct atl_inventory_result {
	bool whole;
	char why[ERR_TEXT_BYTES]; /* the first thing that was not read; "" when whole */
	uint64_t rows;
};
/* Everything of one account, within the settings' time and number. 0: *ret says how whole.
 * Fault: of fn, CANCELLED, NOMEM, UNAUTHORIZED. */
int atl_inventory_read(struct atl_inventory *v, struct str account, atl_owned_fn fn, void *ctx,
		       struct atl_inventory_result *ret, struct err *err) MUST_USE;

/* Whether an account id is one that can stand in JQL between quotes. */
bool atl_jql_account(struct str account);

#endif
