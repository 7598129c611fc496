/*
 * One client per organisation, shared by collecting and applying, so that both keep to the same
 * budgets. Made when first asked for, made anew when its key in the vault changed; an old one
 * lives until the end, since calls may still be under way on it.
 */
#ifndef BRIDGE_CLIENTS_H
#define BRIDGE_CLIENTS_H

#include "atlassian/client.h"
#include "atlassian/site.h"
#include "bridge/app.h"

struct clients;

int clients_new(struct clients **ret, struct err *err) MUST_USE;
void clients_free(struct clients *c); /* no call may be under way; before httpc_free() */
OWNED(struct clients, clients_free)

/* Borrowed until clients_free(). Any thread. Fault: SECRET naming the secret and its command.
 */
int clients_get(struct app *app, const struct config_org *org, struct atl_client **ret,
		struct err *err) MUST_USE;

/* The same for one of its sites. */
int clients_site(struct app *app, const struct config_org *org,
		 const struct atl_site_options *site, struct atl_site **ret, struct err *err)
	MUST_USE;

/* The client of its provisioning directory, made with that directory's key alone. Fault: CONFIG
 * where there is none. */
int clients_get_provision(struct app *app, const struct config_org *org,
			  struct atl_client **ret, struct err *err) MUST_USE;

#endif
