/*
 * Who may come in to a push source, beside what the store knows of tokens: JSON Web Tokens of
 * its issuer, the certificate that it wants beside the token, the rights that it has at all.
 *
 * Checks wait for nothing; keys of issuers come on a thread of their own (scim/jwks.h). Any
 * thread.
 */
#ifndef BRIDGE_DOOR_H
#define BRIDGE_DOOR_H

#include "bridge/app.h"
#include "scim/backend.h"
#include "scim/jwks.h"

struct door;

/* app must outlive it. Starts to fetch keys where a source names an issuer. */
int door_new(struct door **ret, struct app *app, struct err *err) MUST_USE;
/* Tells all who wait for keys; nobody has to wait after that. NULL is fine. */
void door_stop(struct door *d);
void door_free(struct door *d);
OWNED(struct door, door_free)
/* Reads the keys of all issuers again, soon. NULL is fine. */
void door_reread(struct door *d);

/* The source that the asker's URL names, if its tokens may be JWTs and this looks like one. */
const struct config_source *door_jwt_source(const struct door *d,
					    const struct scim_asker *asker);
/* Checks it, and fills all of *ret but the rights. 0, SCIM_ABSENT, SCIM_LATER; faults as
 * scim_backend.client has them. */
int door_jwt(struct door *d, const struct config_source *source, const struct scim_asker *asker,
	     struct scim_client *ret, struct err *err) MUST_USE;

/* Rights of whom the token let in, once the certificate is what the source wants. Fault:
 * FORBIDDEN. */
int door_admit(const struct door *d, const struct scim_asker *asker, struct scim_client *client,
	       struct err *err) MUST_USE;

/* True for the first of many requests that would all note the use of a token: once an hour. */
bool door_first_use(struct door *d, int64_t token, int64_t now_ms);

/* Where a source's keys are; only for one whose scim.jwt.issuer is set. Texts are borrowed. */
struct jwks_from door_keys_from(const struct config_source *source);

#endif
