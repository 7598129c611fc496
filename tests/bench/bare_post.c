/*
 * The least a durable POST /Users can do on libmicrohttpd, jansson and SQLite: parse the body,
 * give it an id, park the connection, write the rows that leaverd writes, with its indices, in
 * group commits (WAL, synchronous=FULL), send what was stored. No token, no schema, no filter,
 * no check of anything; digests are bytes of the right length.
 *
 * usage: bare_post THREADS DATABASE
 *   DATABASE   a new instance's file, made by leaverd: its tables are used as they are
 *
 * Prints "port N" and serves until SIGTERM; then "rows N commits N".
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MOST 65536
#define BATCH_MOST 256
#define NOW_MS 1790000000000
#define SOURCE 1

struct request {
	struct MHD_Connection *conn;
	struct request *next;
	json_t *doc;
	char *text;
	char id[40];
	bool stored;
	size_t len;
	char body[];
};

static struct {
	sqlite3 *db;
	sqlite3_stmt *record, *address, *source, *audit, *change;
	pthread_mutex_t lock;
	pthread_cond_t some;
	struct request *first, **last;
	bool ending;
	uint64_t ids;
	int64_t rows, commits;
} s = { .lock = PTHREAD_MUTEX_INITIALIZER, .some = PTHREAD_COND_INITIALIZER };

static void fail(const char *what)
{
	fprintf(stderr, "bare_post: %s: %s\n", what, s.db ? sqlite3_errmsg(s.db) : "");
	exit(1);
}

static void run(const char *sql)
{
	if (sqlite3_exec(s.db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail(sql);
}

static sqlite3_stmt *prepare(const char *sql)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v3(s.db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL))
		fail(sql);
	return stmt;
}

static void database_open(const char *path)
{
	if (sqlite3_open(path, &s.db) != SQLITE_OK)
		fail(path);
	run("PRAGMA journal_mode=WAL");
	run("PRAGMA synchronous=FULL");
	run("PRAGMA cache_size=-65536");
	s.record = prepare("INSERT INTO record (source, key, external_id, user_name, user_fold,"
			   " display, active, version, created_ms, modified_ms, first_seen_ms,"
			   " change, hash, unknown, doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 2, 1,"
			   " ?7, ?7, ?7, ?8, ?9, '', ?10)");
	s.address =
		prepare("INSERT OR IGNORE INTO record_address (record, fold) VALUES (?1, ?2)");
	s.source = prepare(
		"UPDATE source SET users = users + 1, active = active + 1 WHERE id = ?1");
	s.audit =
		prepare("INSERT INTO audit (ms, who, what, target, person, digest, link, salt,"
			" body) VALUES (?1, 'token:bench', 'record.create', ?2, 0, ?3, ?3, ?4,"
			" ?5)");
	s.change = prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('change', ?1)");
}

static void step(sqlite3_stmt *stmt)
{
	if (sqlite3_step(stmt) != SQLITE_DONE)
		fail("a statement");
	sqlite3_reset(stmt);
}

static void text_at(sqlite3_stmt *stmt, int at, const char *text)
{
	sqlite3_bind_text(stmt, at, text ? text : "", -1, SQLITE_STATIC);
}

static const char *member(const json_t *doc, const char *name)
{
	return json_string_value(json_object_get(doc, name));
}

static void lower(char *into, size_t room, const char *text)
{
	size_t i;

	for (i = 0; text && text[i] && i + 1 < room; i++)
		into[i] = text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i];
	into[i] = '\0';
}

static void address_store(sqlite3_int64 record, const char *text)
{
	char fold[512];

	lower(fold, sizeof(fold), text);
	sqlite3_bind_int64(s.address, 1, record);
	text_at(s.address, 2, fold);
	step(s.address);
}

static void audit_store(const struct request *q)
{
	char target[64], body[128];

	snprintf(target, sizeof(target), "idp/%s", q->id);
	snprintf(body, sizeof(body),
		 "{\"peer\":\"127.0.0.1\",\"request\":\"%016llx\",\"version\":1}",
		 (unsigned long long)s.rows);
	sqlite3_bind_int64(s.audit, 1, NOW_MS);
	text_at(s.audit, 2, target);
	sqlite3_bind_zeroblob(s.audit, 3, 32);
	sqlite3_bind_zeroblob(s.audit, 4, 16);
	text_at(s.audit, 5, body);
	step(s.audit);
}

static void store(struct request *q)
{
	static const unsigned char hash[16];
	const json_t *mails = json_object_get(q->doc, "emails"), *mail;
	const char *user = member(q->doc, "userName");
	sqlite3_int64 id;
	char fold[512];
	size_t i;

	lower(fold, sizeof(fold), user);
	sqlite3_bind_int64(s.record, 1, SOURCE);
	text_at(s.record, 2, q->id);
	text_at(s.record, 3, member(q->doc, "externalId"));
	text_at(s.record, 4, user);
	text_at(s.record, 5, fold);
	text_at(s.record, 6, member(q->doc, "displayName"));
	sqlite3_bind_int64(s.record, 7, NOW_MS);
	sqlite3_bind_int64(s.record, 8, ++s.rows);
	sqlite3_bind_blob(s.record, 9, hash, sizeof(hash), SQLITE_STATIC);
	text_at(s.record, 10, q->text);
	step(s.record);
	id = sqlite3_last_insert_rowid(s.db);
	json_array_foreach (mails, i, mail)
		address_store(id, member(mail, "value"));
	address_store(id, user);
	sqlite3_bind_int64(s.source, 1, SOURCE);
	step(s.source);
	audit_store(q);
}

static void *writer(void *arg)
{
	struct request *batch, *q, *next;
	int n;

	(void)arg;
	for (;;) {
		pthread_mutex_lock(&s.lock);
		while (!s.first && !s.ending)
			pthread_cond_wait(&s.some, &s.lock);
		batch = s.first;
		s.first = NULL;
		s.last = &s.first;
		pthread_mutex_unlock(&s.lock);
		if (!batch)
			return NULL;
		while (batch) {
			run("BEGIN IMMEDIATE");
			for (n = 0, q = batch; q && n < BATCH_MOST; n++, q = q->next)
				store(q);
			sqlite3_bind_int64(s.change, 1, s.rows);
			step(s.change);
			run("COMMIT");
			s.commits++;
			for (; batch != q; batch = next) {
				next = batch->next;
				batch->stored = true;
				MHD_resume_connection(batch->conn);
			}
		}
	}
}

/* --- http ------------------------------------------------------------------------------------
 */

static void park(struct request *q)
{
	json_error_t error;
	json_t *whole;
	uint64_t n, x;

	q->doc = json_loadb(q->body, q->len, JSON_REJECT_DUPLICATES, &error);
	if (!q->doc)
		fail(error.text);
	pthread_mutex_lock(&s.lock);
	n = ++s.ids;
	pthread_mutex_unlock(&s.lock);
	/* ids that look random, as real ones do: neighbours lie apart in the index */
	x = n * 0x9e3779b97f4a7c15u;
	snprintf(q->id, sizeof(q->id), "%08x-%04x-4%03x-9%03x-%012llx", (unsigned)(x >> 32),
		 (unsigned)(x >> 16) & 0xffff, (unsigned)x & 0xfff, (unsigned)(n & 0xfff),
		 (unsigned long long)n);
	whole = json_object();
	json_object_set(whole, "schemas", json_object_get(q->doc, "schemas"));
	json_object_set_new(whole, "id", json_string(q->id));
	json_object_update(whole, q->doc);
	q->text = json_dumps(whole, JSON_COMPACT);
	json_decref(whole);
	MHD_suspend_connection(q->conn);
	pthread_mutex_lock(&s.lock);
	*s.last = q;
	s.last = &q->next;
	pthread_cond_signal(&s.some);
	pthread_mutex_unlock(&s.lock);
}

static enum MHD_Result reply(struct request *q)
{
	size_t len = strlen(q->text), room = len + 512;
	struct MHD_Response *resp;
	char *text = malloc(room), location[128];
	enum MHD_Result r;

	snprintf(location, sizeof(location), "http://127.0.0.1/scim/v2/idp/Users/%s", q->id);
	len = (size_t)snprintf(
		text, room,
		"%.*s,\"meta\":{\"resourceType\":\"User\",\"created\":\"2026-09-21T14:13:20."
		"000Z\","
		"\"lastModified\":\"2026-09-21T14:13:20.000Z\",\"location\":\"%s\","
		"\"version\":\"W/\\\"1\\\"\"}}",
		(int)len - 1, q->text, location);
	resp = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	MHD_add_response_header(resp, "Content-Type", "application/scim+json");
	MHD_add_response_header(resp, "Location", location);
	MHD_add_response_header(resp, "ETag", "W/\"1\"");
	r = MHD_queue_response(q->conn, MHD_HTTP_CREATED, resp);
	MHD_destroy_response(resp);
	return r;
}

static enum MHD_Result serve(void *cls, struct MHD_Connection *conn, const char *url,
			     const char *method, const char *version, const char *data,
			     size_t *data_len, void **state)
{
	struct request *q = *state;

	(void)cls, (void)url, (void)method, (void)version;
	if (!q) {
		q = *state = calloc(1, sizeof(*q) + BODY_MOST);
		if (!q)
			return MHD_NO;
		q->conn = conn;
		return MHD_YES;
	}
	if (*data_len) {
		if (q->len + *data_len > BODY_MOST)
			return MHD_NO;
		memcpy(q->body + q->len, data, *data_len);
		q->len += *data_len;
		*data_len = 0;
		return MHD_YES;
	}
	if (q->stored)
		return reply(q);
	park(q);
	return MHD_YES;
}

static void completed(void *cls, struct MHD_Connection *conn, void **state,
		      enum MHD_RequestTerminationCode how)
{
	struct request *q = *state;

	(void)cls, (void)conn, (void)how;
	if (!q)
		return;
	json_decref(q->doc);
	free(q->text);
	free(q);
	*state = NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct MHD_Daemon *daemon;
	unsigned threads;
	pthread_t thread;
	sigset_t end;
	int got;

	if (argc != 3)
		fail("usage: bare_post THREADS DATABASE");
	threads = (unsigned)strtoul(argv[1], NULL, 10);
	database_open(argv[2]);
	s.last = &s.first;
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigprocmask(SIG_BLOCK, &end, NULL);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (pthread_create(&thread, NULL, writer, NULL))
		fail("no thread");
	daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0,
				  NULL, NULL, serve, NULL, MHD_OPTION_SOCK_ADDR, &at,
				  MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0,
				  MHD_OPTION_CONNECTION_LIMIT, 1024,
				  MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_END);
	if (!daemon)
		fail("the server did not start");
	printf("port %u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
	fflush(stdout);
	sigwait(&end, &got);
	pthread_mutex_lock(&s.lock);
	s.ending = true;
	pthread_cond_signal(&s.some);
	pthread_mutex_unlock(&s.lock);
	pthread_join(thread, NULL);
	MHD_stop_daemon(daemon);
	printf("rows %lld commits %lld\n", (long long)s.rows, (long long)s.commits);
	sqlite3_close_v2(s.db);
	return 0;
}
