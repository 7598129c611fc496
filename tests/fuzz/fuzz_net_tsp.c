/* Answers of time-stamping authorities: any bytes are refused, or are a stamp of what was asked
 * for; the same bytes come to the same. */
#include <assert.h>
#include <string.h>

#include "net/tsp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the seeds stamp. */
#define STAMPED "leaverd-anchor 1\nseed\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char nonce[TSP_NONCE_BYTES] = { 1 };
	struct str answer = { (const char *)data, size };
	const struct tsp_terms terms[] = {
		{ .data = STR(STAMPED) },
		{ .data = STR(STAMPED), .policy = "1.2.3.4.1" },
		{ .data = STR(STAMPED), .nonce = nonce },
		{ .data = STR("something else") },
	};
	struct tsp_stamp stamp = { 0 }, again;
	struct err err;
	int first = tsp_check(answer, &terms[0], &stamp, &err);

	if (first == 0) {
		assert(stamp.accuracy_ms >= -1);
		assert(memchr(stamp.policy, '\0', sizeof(stamp.policy)));
		assert(str_utf8(str_of(stamp.authority), NULL));
		assert(tsp_check(answer, &terms[0], &again, &err) == 0);
		assert(again.ms == stamp.ms && !strcmp(again.authority, stamp.authority));
	}
	/* stricter terms never take what the others refuse, and other data is never stamped */
	for (size_t i = 1; i < COUNT_OF(terms); i++)
		assert(tsp_check(answer, &terms[i], &again, &err) < 0 || (first == 0 && i < 3));
	return 0;
}
