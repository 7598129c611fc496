/*
 * Power loss under a load of POSTs, through the HTTP server: clients create users over sockets
 * while the power fails before each write or sync in turn; the disk keeps what was synced, and
 * of the rest nothing or any of its sectors. After every cut the server is started again, and
 * each user for whom a client saw a 201 is asked for: as many are there as were answered.
 */
#include "tests/lib/store_world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/log.h"
#include "bridge/app.h"
#include "bridge/keeper.h"
#include "bridge/rounds.h"
#include "scim/service.h"
#include "store/tokens.h"
#include "store/writer.h"
#include "tests/lib/vfs_loss.h"

#define CLIENTS 4
#define EACH 6   /* requests of a client in one life */
#define LIVES 60 /* cut points */
#define ANSWER_BYTES 16384
#define SEEN_MOST (LIVES * CLIENTS * EACH)

static const char config_text[] =
	"instance:\n  name: power\n  zone: UTC\n  state_dir: state\n"
	"master_key:\n  file: master.key\n"
	"scim:\n  listen: 127.0.0.1:0\n  public_url: http://127.0.0.1\n"
	"sources:\n  - name: idp\n    kind: scim\n    role: idp\n"
	"organisations:\n  - name: acme\n    cloud:\n"
	"      org_id: 00000000-0000-4000-8000-000000000000\n      key: acme-key\n";

static struct {
	struct world w;
	struct app app;
	char config_file[160], token[128];
	struct keeper *keeper;
	struct scim_service *scim;
	struct httpd *httpd;
	struct http_route routes[SCIM_ROUTES_MAX + 1];
	char seen[SEEN_MOST][ENC_UUID_CHARS + 1]; /* ids of all that was answered with 201 */
	int seen_n, asked;
	pthread_mutex_t lock;
} t = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* --- one life of the machine ----------------------------------------------------------------
 */

static void on_fault(void *ctx, struct http_req *req, struct http_reply *reply,
		     const struct err *err)
{
	(void)ctx;
	if (!scim_service_fault(req, reply, err))
		reply->status = err_class(err->code)->http_status;
}

static void serve(void)
{
	const struct scim_options options = { .public_url = "http://127.0.0.1" };
	struct httpd_options http = { .name = "scim",
				      .listen = "127.0.0.1:0",
				      .threads = 2,
				      .fault = on_fault,
				      .routes = t.routes };
	struct err err = { 0 };
	size_t n;

	t.app.store = t.w.store;
	assert_ok(writer_start(t.w.store, &t.app.writer, &err), &err);
	assert_ok(rounds_declare(&t.app, &err), &err);
	assert_ok(keeper_new(&t.keeper, &t.app, &err), &err);
	assert_ok(scim_service_new(&t.scim, keeper_backend(t.keeper), &options, &err), &err);
	n = scim_service_routes(t.scim, t.routes, SCIM_ROUTES_MAX);
	t.routes[n] = (struct http_route){ 0 };
	assert_ok(httpd_start(&t.httpd, &http, &err), &err);
}

static void end_serving(void)
{
	httpd_quiesce(t.httpd);
	writer_stop(t.app.writer); /* answers all that wait */
	httpd_stop(t.httpd);
	scim_service_free(t.scim);
	keeper_free(t.keeper);
	t.app.writer = NULL;
}

/* --- clients --------------------------------------------------------------------------------
 */

/* The whole answer as text; an empty one where the server said nothing. */
static void talk(const char *request, char room[ANSWER_BYTES])
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)httpd_port(t.httpd)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t have = 0, len = strlen(request);
	ssize_t n;

	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    send(fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
		abort();
	while ((n = recv(fd, room + have, ANSWER_BYTES - 1 - have, 0)) > 0)
		have += (size_t)n;
	room[have] = '\0';
	close(fd);
}

static int status_of(const char *answer)
{
	int status = 0;

	return sscanf(answer, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

/* Creates one user; false when that was not answered with 201. */
static bool post(int number)
{
	static const char place[] = "Location: http://127.0.0.1/scim/v2/idp/Users/";
	char request[1024], body[256], answer[ANSWER_BYTES];
	const char *at;

	(void)snprintf(body, sizeof(body),
		       "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],"
		       "\"userName\":\"user%d@example.test\"}",
		       number);
	(void)snprintf(request, sizeof(request),
		       "POST /scim/v2/idp/Users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
		       "Authorization: Bearer %s\r\nContent-Type: application/scim+json\r\n"
		       "Content-Length: %zu\r\n\r\n%s",
		       t.token, strlen(body), body);
	talk(request, answer);
	if (status_of(answer) != 201)
		return false;
	at = strstr(answer, place);
	if (!at)
		abort();
	pthread_mutex_lock(&t.lock);
	memcpy(t.seen[t.seen_n++], at + sizeof(place) - 1, ENC_UUID_CHARS);
	pthread_mutex_unlock(&t.lock);
	return true;
}

static void *client(void *arg)
{
	int number;
	bool served = true;

	(void)arg;
	for (int i = 0; served && i < EACH; i++) {
		pthread_mutex_lock(&t.lock);
		number = t.asked++;
		pthread_mutex_unlock(&t.lock);
		served = post(number);
	}
	return NULL;
}

static void load(void)
{
	pthread_t threads[CLIENTS];

	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, client, NULL), 0);
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(threads[i], NULL);
}

/* How many of those seen from `from` on the server has. */
static int there(int from)
{
	char request[512], answer[ANSWER_BYTES];
	int n = 0;

	for (int i = from; i < t.seen_n; i++) {
		(void)snprintf(request, sizeof(request),
			       "GET /scim/v2/idp/Users/%s HTTP/1.1\r\nHost: x\r\n"
			       "Connection: close\r\nAuthorization: Bearer %s\r\n\r\n",
			       t.seen[i], t.token);
		talk(request, answer);
		n += status_of(answer) == 200;
	}
	return n;
}

/* --- the test -------------------------------------------------------------------------------
 */

static void make_instance(void)
{
	CLEANUP(secret_done) struct secret text = { 0 };
	struct err err = { 0 };
	int fd;

	vfs_loss_register();
	vfs_loss_forget();
	t.w.vfs = VFS_LOSS;
	t.seen_n = t.asked = 0;
	world_open(&t.w);
	(void)snprintf(t.config_file, sizeof(t.config_file), "%s/leaverd.yaml", t.w.dir);
	fd = open(t.config_file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, config_text, sizeof(config_text) - 1),
			 sizeof(config_text) - 1);
	close(fd);
	assert_ok(config_read(t.config_file, &t.app.config, NULL, &err), &err);
	app_act(&t.app);
	WRITE(&t.w, tokens_new(db, "t", TOKEN_SOURCE, "idp", stamp_now_ms() + STAMP_DAY_MS,
			       "test", stamp_now_ms(), &text, &err));
	(void)snprintf(t.token, sizeof(t.token), "%.*s", (int)text.len, (const char *)text.p);
	world_shut(&t.w);
}

static void end_instance(void)
{
	unlink(t.config_file);
	config_free(&t.app.config);
	world_close(&t.w);
	vfs_loss_forget();
}

static void cut_everywhere(uint64_t seed)
{
	int quiet = open("/dev/null", O_WRONLY), cuts = 0, before;
	struct err err = { 0 };

	log_setup(LOG_LEVEL_ERROR, LOG_FORM_LOGFMT, quiet); /* each cut is told */
	make_instance();
	for (int life = 0; life < LIVES; life++) {
		uint64_t chance = seed ? seed * 977 + (uint64_t)life : 0;

		before = t.seen_n;
		world_again(&t.w);
		serve();
		vfs_loss_arm(1 + 5 * life, chance);
		load();
		end_serving();
		world_shut(&t.w);
		if (vfs_loss_fired())
			cuts++;
		else
			vfs_loss_cut(chance);
		vfs_loss_power_on();

		if (world_try(&t.w, &err) < 0)
			fail_msg("life %d: %s", life, err.text);
		serve();
		if (there(before) != t.seen_n - before)
			fail_msg("life %d: %d users were answered with 201, %d are there", life,
				 t.seen_n - before, there(before));
		end_serving();
		world_shut(&t.w);
	}
	world_again(&t.w);
	serve();
	assert_int_equal(there(0), t.seen_n); /* nor did a later cut take any */
	end_serving();
	assert_true(cuts > LIVES / 2);
	assert_true(t.seen_n > LIVES);   /* some were answered before the power failed */
	assert_true(t.seen_n < t.asked); /* and some were not */
	world_shut(&t.w);
	end_instance();
	log_setup(LOG_LEVEL_INFO, LOG_FORM_LOGFMT, 2);
	close(quiet);
}

static void test_each_201_outlives_a_disk_that_keeps_what_was_synced(void **state)
{
	(void)state;
	cut_everywhere(0);
}

static void test_each_201_outlives_a_disk_that_wrote_some_sectors(void **state)
{
	(void)state;
	cut_everywhere(7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_201_outlives_a_disk_that_keeps_what_was_synced),
		cmocka_unit_test(test_each_201_outlives_a_disk_that_wrote_some_sectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
