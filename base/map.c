#include "base/map.h"

#include <stdint.h>
#include <string.h>

#include <sodium.h>

static unsigned char map_key[crypto_shorthash_KEYBYTES];

unsigned map_hash(const void *key, size_t len)
{
	unsigned char sum[crypto_shorthash_BYTES];
	unsigned hash;

	crypto_shorthash(sum, key, len, map_key);
	memcpy(&hash, sum, sizeof(hash));
	return hash;
}

void map_seed(void)
{
	randombytes_buf(map_key, sizeof(map_key));
}
