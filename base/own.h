/*
 * Ownership, written where a variable is born.
 *
 * CLEANUP(f) runs f(&variable) when the variable's scope ends. OWNED(type, f) makes the f_at()
 * that it needs out of an ordinary f(), so that every free is written once. TAKE(p) yields p
 * and leaves NULL behind: the one way to give something away.
 */
#ifndef BASE_OWN_H
#define BASE_OWN_H

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(f) __attribute__((cleanup(f)))
#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define UNUSED __attribute__((unused))

#define TAKE(p)                                                                                \
	({                                                                                     \
		__typeof__(p) take_ = (p);                                                     \
		(p) = NULL;                                                                    \
		take_;                                                                         \
	})

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

#define OWNED(type, f)                                                                         \
	static inline UNUSED void f##_at(type **p)                                             \
	{                                                                                      \
		if (*p)                                                                        \
			f(*p);                                                                 \
		*p = NULL;                                                                     \
	}

/* For plain heap memory: CLEANUP(free_at) char *text = NULL; */
static inline UNUSED void free_at(void *p)
{
	void **at = p;

	free(*at);
	*at = NULL;
}

/* For file descriptors: CLEANUP(fd_close_at) int fd = -1; */
static inline UNUSED void fd_close_at(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

#endif
