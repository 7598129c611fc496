/* What every unit test begins with: cmocka in the order it wants, and our helpers. */
#ifndef TESTS_LIB_TEST_H
#define TESTS_LIB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "tests/lib/fault.h"

/* Fails with the sentence of the fault. */
#define assert_ok(r, err)                                                                      \
	do {                                                                                   \
		int r_ = (r);                                                                  \
		if (r_ != 0)                                                                   \
			fail_msg("%s = %d: %s", #r, r_, r_ < 0 ? (err)->text : "(an answer)"); \
	} while (0)

/* r is that fault, and its sentence says so. */
#define assert_fault(r, code_, err, says)                                                      \
	do {                                                                                   \
		int r_ = (r);                                                                  \
		const char *says_ = (says);                                                    \
		if (r_ != -(code_))                                                            \
			fail_msg("%s = %d, not -%s: %s", #r, r_, err_class(code_)->symbol,     \
				 r_ < 0 ? (err)->text : "");                                   \
		if (says_ && !strstr((err)->text, says_))                                      \
			fail_msg("\"%s\" does not say \"%s\"", (err)->text, says_);            \
	} while (0)

#endif
