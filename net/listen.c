#include "net/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/str.h"

#define BACKLOG 1024

/* "host:port" or "[v6]:port" into two C strings. */
static int split_address(const char *where, char host[256], char port[8], struct err *err)
{
	struct str s = str_of(where), h, p = { 0 };
	int64_t number;
	size_t colon = s.len;

	while (colon && s.p[colon - 1] != ':')
		colon--;
	h = str_n(s.p, colon ? colon - 1 : 0);
	p = str_n(s.p + colon, s.len - colon);
	if (h.len >= 2 && h.p[0] == '[' && h.p[h.len - 1] == ']')
		h = str_n(h.p + 1, h.len - 2);
	if (!colon || !h.len || h.len >= 256 || !str_int64(p, &number) || number < 0 ||
	    number > 65535)
		return err_set(err, ERR_CONFIG,
			       "\"%s\" is no address to listen on: expected HOST:PORT, "
			       "[IPv6]:PORT or unix:PATH",
			       where);
	memcpy(host, h.p, h.len);
	host[h.len] = '\0';
	snprintf(port, 8, "%u", (unsigned)number);
	return 0;
}

static unsigned bound_port(int fd)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return 0;
	if (sa.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&sa)->sin6_port);
	return ntohs(((struct sockaddr_in *)&sa)->sin_port);
}

/* A listening socket on one address, or -1 with errno. */
static int listen_on(const struct addrinfo *ai)
{
	CLEANUP(fd_close_at) int fd = -1;
	int one = 1;

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return -1;
	one = fd;
	fd = -1;
	return one;
}

static int open_tcp(struct listen_at *ret, const char *where, struct err *err)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	char host[256], port[8];
	int r, fd = -1, why = 0;

	r = split_address(where, host, port, err);
	if (r < 0)
		return r;
	r = getaddrinfo(host, port, &hints, &list);
	if (r)
		return err_set(err, ERR_NETWORK, "listen on %s: %s", where, gai_strerror(r));
	for (const struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next) {
		fd = listen_on(ai);
		if (fd < 0)
			why = errno;
	}
	freeaddrinfo(list);
	if (fd < 0)
		return err_errno(err, ERR_NETWORK, why, "listen on %s", where);
	*ret = (struct listen_at){ .fd = fd, .port = bound_port(fd) };
	return 0;
}

/* Makes way: removes a socket file that nobody answers on. */
static int take_over(const struct sockaddr_un *sa, struct err *err)
{
	CLEANUP(fd_close_at) int fd = -1;
	struct stat st;

	if (lstat(sa->sun_path, &st) < 0)
		return errno == ENOENT ? 0
				       : err_errno(err, ERR_NETWORK, errno, "listen on unix:%s",
						   sa->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_NETWORK,
			       "listen on unix:%s: a file that is no socket is in the way",
			       sa->sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, ERR_NETWORK, errno, "listen on unix:%s", sa->sun_path);
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0)
		return err_set(err, ERR_NETWORK,
			       "listen on unix:%s: another process is listening there",
			       sa->sun_path);
	if (errno != ECONNREFUSED)
		return err_errno(err, ERR_NETWORK, errno, "listen on unix:%s", sa->sun_path);
	if (unlink(sa->sun_path) < 0)
		return err_errno(err, ERR_NETWORK, errno, "remove the old unix:%s",
				 sa->sun_path);
	return 0;
}

static int open_unix(struct listen_at *ret, const char *path, mode_t mode, struct err *err)
{
	CLEANUP(fd_close_at) int fd = -1;
	CLEANUP(free_at) char *copy = NULL;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int r;

	if (!len || len >= sizeof(sa.sun_path))
		return err_set(err, ERR_CONFIG,
			       "unix:%s: a socket's path has 1 to %zu bytes, this one %zu",
			       path, sizeof(sa.sun_path) - 1, len);
	memcpy(sa.sun_path, path, len + 1);
	copy = strdup(path);
	if (!copy)
		return err_nomem(err);
	r = take_over(&sa, err);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, ERR_NETWORK, errno, "listen on unix:%s", path);
	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return err_errno(err, ERR_NETWORK, errno, "listen on unix:%s", path);
	/* Nobody can connect before listen(), so the mode comes in time. */
	if (chmod(path, mode ? mode : 0600) < 0 || listen(fd, BACKLOG) < 0) {
		r = err_errno(err, ERR_NETWORK, errno, "listen on unix:%s", path);
		unlink(path);
		return r;
	}
	*ret = (struct listen_at){ .fd = fd, .unix_path = TAKE(copy) };
	fd = -1;
	return 0;
}

int listen_open(struct listen_at *ret, const char *where, mode_t unix_mode, struct err *err)
{
	if (!where)
		return err_set(err, ERR_CONFIG, "no address to listen on");
	if (str_starts(str_of(where), STR("unix:")))
		return open_unix(ret, where + 5, unix_mode, err);
	return open_tcp(ret, where, err);
}

void listen_close(struct listen_at *at)
{
	if (at->unix_path)
		unlink(at->unix_path);
	free(TAKE(at->unix_path));
	fd_close_at(&at->fd);
}
