/* Encodings: hex, base64url, percent, UUID text. Pure. */
#ifndef BASE_ENC_H
#define BASE_ENC_H

#include "base/buf.h"

#define ENC_UUID_CHARS 36 /* lower-case with hyphens; arrays are ENC_UUID_CHARS + 1 */

void enc_hex(const void *p, size_t len, char *ret /* 2 * len + 1 */);
/* False unless s is exactly 2 * len hex digits. */
bool enc_unhex(struct str s, void *ret, size_t len);

void enc_base64url(struct buf *into, const void *p, size_t len); /* no padding */
void enc_base64(struct buf *into, const void *p, size_t len); /* RFC 4648 section 4, padded */
/* Reads either alphabet, padding optional; false on anything else. */
bool enc_unbase64(struct buf *into, struct str s);

/* Everything but RFC 3986 unreserved characters becomes %XX. */
void enc_percent(struct buf *into, struct str s);
/* Decodes %XX once; '+' becomes a blank only if plus_is_blank. False on a broken escape or %00.
 */
bool enc_unpercent(struct buf *into, struct str s, bool plus_is_blank);

/* 16 bytes to text, bytes in order (RFC 4122). */
void enc_uuid(const unsigned char raw[16], char ret[ENC_UUID_CHARS + 1]);
/* The same for Microsoft GUIDs: the first three groups are little-endian. */
void enc_guid(const unsigned char raw[16], char ret[ENC_UUID_CHARS + 1]);
bool enc_unguid(struct str s, unsigned char ret[16]);
/* A random version 4 UUID. */
void enc_uuid_new(char ret[ENC_UUID_CHARS + 1]);

#endif
