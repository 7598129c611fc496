/*
 * What reading one account told, into the store: its row and all of its memberships, seats and
 * roles at once, however many there are. What a short look does not tell stays as the last
 * collection told it, also groups and products that no collection has brought yet.
 */
#ifndef BRIDGE_HANDS_SEEN_H
#define BRIDGE_HANDS_SEEN_H

#include "atlassian/collect.h"
#include "bridge/config.h"
#include "store/db.h"

/* On the writer. Nothing where no collection has that account. */
int hands_seen(struct db *db, const struct config_org *conf, const struct atl_reading *reading,
	       int64_t now_ms, struct err *err) MUST_USE;

#endif
