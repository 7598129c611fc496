#include "bridge/limits.h"

#include <sys/resource.h>

/* The store's readers, directories, the HTTP client, the control socket, the log, and what
 * libraries open for themselves. */
#define FILES_OF_OURS 256
#define FILES_EACH_SOURCE 16 /* a directory's connections; a key set's */

static int64_t as_int(rlim_t n)
{
	return n == RLIM_INFINITY || n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

void limits_files(const struct config *c, struct limits_files *ret)
{
	struct rlimit limit = { 0, 0 };

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	*ret = (struct limits_files){
		.need = FILES_OF_OURS + (int64_t)c->sources.n * FILES_EACH_SOURCE +
			(c->scim.listen ? c->scim.connections + c->scim.connections / 16 : 0),
		.soft = as_int(limit.rlim_cur),
		.hard = as_int(limit.rlim_max),
	};
}

void limits_raise(const struct config *c, struct limits_files *ret)
{
	struct rlimit limit;

	limits_files(c, ret);
	if (ret->soft >= ret->need || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = (rlim_t)(ret->need < ret->hard ? ret->need : ret->hard);
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	limits_files(c, ret);
}
