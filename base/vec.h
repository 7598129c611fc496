/*
 * Typed growing arrays. VEC(name, type) declares struct name { type *v; size_t n, room; } and
 *   int  name_add(struct name *, type)          0 or -ERR_NOMEM
 *   int  name_reserve(struct name *, size_t n)  room for n in all
 *   void name_done(struct name *)               frees the array, not what its elements point to
 * A zeroed struct is an empty one. One thread at a time.
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"

#define VEC(name, type)                                                                        \
	struct name {                                                                          \
		type *v;                                                                       \
		size_t n, room;                                                                \
	};                                                                                     \
	static inline UNUSED int name##_reserve(struct name *a, size_t n)                      \
	{                                                                                      \
		size_t room = a->room ? a->room : 8;                                           \
		type *v;                                                                       \
                                                                                               \
		if (n <= a->room)                                                              \
			return 0;                                                              \
		while (room < n)                                                               \
			room = room > SIZE_MAX / 2 ? n : room * 2;                             \
		v = reallocarray(a->v, room, sizeof(type));                                    \
		if (!v)                                                                        \
			return -ERR_NOMEM;                                                     \
		a->v = v;                                                                      \
		a->room = room;                                                                \
		return 0;                                                                      \
	}                                                                                      \
	static inline UNUSED MUST_USE int name##_add(struct name *a, type item)                \
	{                                                                                      \
		int r = name##_reserve(a, a->n + 1);                                           \
                                                                                               \
		if (r < 0)                                                                     \
			return r;                                                              \
		a->v[a->n++] = item;                                                           \
		return 0;                                                                      \
	}                                                                                      \
	static inline UNUSED void name##_done(struct name *a)                                  \
	{                                                                                      \
		free(a->v);                                                                    \
		*a = (struct name){ 0 };                                                       \
	}                                                                                      \
	struct name

#endif
