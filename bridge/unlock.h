/*
 * How the vault's master key is come by: a key file, a systemd credential, or a passphrase from
 * a terminal or a file descriptor. Main thread only.
 */
#ifndef BRIDGE_UNLOCK_H
#define BRIDGE_UNLOCK_H

#include "bridge/config.h"
#include "store/vault.h"

/* What store/vault.h wants to know, with the passphrase it points to. */
struct unlock {
	struct vault_source source;
	struct secret passphrase;
};

/* Where a passphrase is read from: an open descriptor, or -1 to ask on the terminal. */
void unlock_passphrase_from(int fd);

/*
 * Fills *ret (for unlock_done() in any case) as c says; texts are borrowed from c and the
 * environment. confirm: a new passphrase is asked for twice. Fault: SECRET with the way out.
 */
int unlock_prepare(const struct config *c, bool confirm, struct unlock *ret, struct err *err)
	MUST_USE;
void unlock_done(struct unlock *u);

#endif
