/*
 * Hash maps over uthash, with a keyed hash so that nobody outside can choose collisions, and
 * with lost memory as an answer instead of uthash's exit().
 *
 * An element embeds `UT_hash_handle hh`. After HASH_ADD_KEYPTR(...) test MAP_ADDED(el): false
 * means memory was lost and the element is not in the map.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>

/* SipHash-2-4 (libsodium) under a key drawn once per process by map_seed(). */
unsigned map_hash(const void *key, size_t len);

/* Draws the key. Called once at start, before any thread and any map. Tests may skip it. */
void map_seed(void);

#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = map_hash((keyptr), (keylen)))

#include <uthash.h>

#define MAP_ADDED(el) ((el)->hh.tbl != NULL)

#endif
