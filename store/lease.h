/*
 * The lease: who may write. An OFD lock on DBFILE.lock, which the system gives back when the
 * process ends however it ends, plus the epoch: a number in the database that goes up each time
 * the lease is taken. Whoever writes the journal names the epoch it believes in, so that a
 * process which lost its lease (a network disk, a clone of the machine) writes nothing.
 */
#ifndef STORE_LEASE_H
#define STORE_LEASE_H

#include "store/db.h"

struct lease;

/* Fault: LEASE naming the process that has it. The file is made with mode 0600 and stays. */
int lease_take(const char *db_path, struct lease **ret, struct err *err) MUST_USE;
void lease_free(struct lease *lease); /* gives it back; NULL is fine */
OWNED(struct lease, lease_free)
/* True while nobody has replaced or removed the lock file under us. */
bool lease_held(const struct lease *lease);

/* Inside a write transaction: starts a new epoch. */
int lease_new_epoch(struct db *db, int64_t *ret, struct err *err) MUST_USE;
/* Fault: LEASE when the database is in another epoch. */
int lease_check_epoch(struct db *db, int64_t epoch, struct err *err) MUST_USE;

#endif
