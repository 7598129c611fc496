/*
 * Lost memory on demand. Unit tests are linked with --wrap for malloc and its kin; jansson gets
 * the same through fault_install(). fault_at(n) makes the n-th allocation from now fail (once);
 * fault_fired() says whether it came to that, and disarms. Per thread.
 */
#ifndef TESTS_LIB_FAULT_H
#define TESTS_LIB_FAULT_H

#include <stdbool.h>

void fault_at(int nth);
bool fault_fired(void);
/* Routes jansson's allocations here too. Idempotent. */
void fault_install(void);

#endif
