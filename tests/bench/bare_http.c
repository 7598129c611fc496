/*
 * The least an HTTP server on libmicrohttpd can do: whatever is asked, it sends the same bytes.
 * The limit beside which the SCIM reads are measured.
 *
 * usage: bare_http THREADS FILE
 *   FILE   "Name: value" lines, an empty line, the body: what leaverd answered once
 *
 * Prints "port N" and serves until SIGTERM. Each reply is a response of its own, as it must be
 * where replies differ; its bytes are not copied.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADERS_MOST 16

struct answer {
	char *name[HEADERS_MOST], *value[HEADERS_MOST];
	size_t headers;
	char *body;
	size_t body_len;
};

static void fail(const char *what)
{
	fprintf(stderr, "bare_http: %s\n", what);
	exit(1);
}

static char *read_all(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *text = malloc((1 << 20) + 1);

	if (!f || !text)
		fail(path);
	*len = fread(text, 1, 1 << 20, f);
	text[*len] = '\0';
	fclose(f);
	return text;
}

/* Points into text, which is cut to pieces. */
static void answer_take(struct answer *a, char *text, size_t len)
{
	char *line = text, *end, *colon;

	while ((end = strchr(line, '\n')) && end != line) {
		*end = '\0';
		colon = strstr(line, ": ");
		if (!colon || a->headers == HEADERS_MOST)
			fail("a header line was expected");
		*colon = '\0';
		a->name[a->headers] = line;
		a->value[a->headers++] = colon + 2;
		line = end + 1;
	}
	if (!end)
		fail("no empty line before the body");
	a->body = end + 1;
	a->body_len = len - (size_t)(a->body - text);
}

static enum MHD_Result serve(void *cls, struct MHD_Connection *conn, const char *url,
			     const char *method, const char *version, const char *data,
			     size_t *data_len, void **state)
{
	static int seen;
	const struct answer *a = cls;
	struct MHD_Response *resp;
	enum MHD_Result r;

	(void)url, (void)method, (void)version, (void)data, (void)data_len;
	if (!*state) {
		*state = &seen;
		return MHD_YES;
	}
	resp = MHD_create_response_from_buffer(a->body_len, a->body, MHD_RESPMEM_PERSISTENT);
	for (size_t i = 0; i < a->headers; i++)
		MHD_add_response_header(resp, a->name[i], a->value[i]);
	r = MHD_queue_response(conn, MHD_HTTP_OK, resp);
	MHD_destroy_response(resp);
	return r;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct answer answer = { 0 };
	struct MHD_Daemon *daemon;
	unsigned threads;
	sigset_t end;
	size_t len = 0;
	char *text;
	int got;

	if (argc != 3)
		fail("usage: bare_http THREADS FILE");
	threads = (unsigned)strtoul(argv[1], NULL, 10);
	text = read_all(argv[2], &len);
	answer_take(&answer, text, len);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigprocmask(SIG_BLOCK, &end, NULL);
	daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, serve, &answer,
				  MHD_OPTION_SOCK_ADDR, &at, MHD_OPTION_THREAD_POOL_SIZE,
				  threads > 1 ? threads : 0, MHD_OPTION_CONNECTION_LIMIT, 1024,
				  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)32768,
				  MHD_OPTION_END);
	if (!daemon)
		fail("the server did not start");
	printf("port %u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
	fflush(stdout);
	sigwait(&end, &got);
	MHD_stop_daemon(daemon);
	return 0;
}
