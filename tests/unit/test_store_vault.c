#include "tests/lib/store_world.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "store/cursors.h"
#include "store/tokens.h"

static void secret_of(struct secret *s, const char *text)
{
	struct err err = { 0 };

	assert_ok(secret_set(s, text, strlen(text), &err), &err);
}

static void set(struct world *w, const char *name, const char *text)
{
	CLEANUP(secret_done) struct secret s = { 0 };
	struct err err = { 0 };

	secret_of(&s, text);
	WRITE(w, vault_set(w->vault, db, name, &s, "ada", 0, "uid:ada", NOW, &err));
}

static void has(struct world *w, const char *name, const char *text)
{
	CLEANUP(secret_done) struct secret s = { 0 };
	struct err err = { 0 };

	assert_ok(vault_fetch(w->vault, name, &s, &err), &err);
	assert_string_equal(secret_text(&s), text);
}

static void test_a_secret_comes_back_after_a_restart(void **state)
{
	struct world w = { 0 };
	struct secret s = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	set(&w, "ldap-bind", "correct horse");
	has(&w, "ldap-bind", "correct horse");
	assert_int_equal(vault_fetch(w.vault, "other", &s, &err), STORE_NOT_FOUND);
	world_shut(&w);
	world_again(&w);
	has(&w, "ldap-bind", "correct horse");
	world_close(&w);
}

static int on_entry(void *ctx, const struct vault_entry *row, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, STR_FMT " " STR_FMT " %lld;", STR_ARG(row->name), STR_ARG(row->owner),
		 (long long)row->version);
	return 0;
}

static void test_a_list_shows_names_versions_and_owners_and_not_ours(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	struct buf b;

	(void)state;
	world_open(&w);
	set(&w, "b", "1");
	set(&w, "a", "2");
	set(&w, "b", "3");
	buf_init(&b, 1000);
	READ(&w, vault_list(db, on_entry, &b, &err));
	assert_string_equal(b.p, "a ada 1;b ada 2;");
	buf_done(&b);
	WRITE(&w, vault_remove(w.vault, db, "b", "uid:ada", NOW, &err));
	assert_int_equal(TRY_WRITE(&w, vault_remove(w.vault, db, "b", "uid:ada", NOW, &err)),
			 STORE_NOT_FOUND);
	assert_int_equal(TRY_WRITE(&w, vault_remove(w.vault, db, ".audit-key", "x", NOW, &err)),
			 STORE_NOT_FOUND);
	world_verify(&w);
	world_close(&w);
}

static void test_names_and_values_have_bounds(void **state)
{
	static const char *const bad[] = {
		"",
		".own",
		"a b",
		"a/b",
		"\xc3\xa4",
		"0123456789012345678901234567890123456789012345678901"
		"2345678901234"
	};
	CLEANUP(secret_done) struct secret s = { 0 }, none = { 0 };
	struct world w = { 0 };
	struct err err = { 0 };
	size_t i;

	(void)state;
	world_open(&w);
	secret_of(&s, "x");
	for (i = 0; i < COUNT_OF(bad); i++)
		assert_fault(TRY_WRITE(&w, vault_set(w.vault, db, bad[i], &s, "", 0, "u", NOW,
						     &err)),
			     ERR_INVALID_VALUE, &err, "name has 1 to 64");
	assert_fault(TRY_WRITE(&w, vault_set(w.vault, db, "n", &none, "", 0, "u", NOW, &err)),
		     ERR_INVALID_VALUE, &err, "would be empty");
	assert_fault(TRY_WRITE(&w, vault_set(w.vault, db, "n", &s, "", NOW, "u", NOW, &err)),
		     ERR_INVALID_VALUE, &err, "expired at once");
	world_close(&w);
}

static bool file_holds(const char *path, const char *text)
{
	size_t len = strlen(text), got = 0, i;
	char *all = malloc(8 << 20);
	int fd = open(path, O_RDONLY);
	ssize_t n;
	bool found = false;

	assert_non_null(all);
	while (fd >= 0 && (n = read(fd, all + got, (8 << 20) - got)) > 0)
		got += (size_t)n;
	for (i = 0; got >= len && i <= got - len && !found; i++)
		found = memcmp(all + i, text, len) == 0;
	if (fd >= 0)
		close(fd);
	free(all);
	return found;
}

static void test_no_file_holds_a_secret_in_clear(void **state)
{
	struct world w = { 0 };
	char wal[160], head[160];

	(void)state;
	world_open(&w);
	set(&w, "ldap-bind", "needle-in-no-haystack");
	(void)snprintf(wal, sizeof(wal), "%s-wal", w.path);
	(void)snprintf(head, sizeof(head), "%s/audit.head", w.dir);
	assert_true(file_holds(wal, "ldap-bind")); /* it looks where the bytes are */
	assert_false(file_holds(wal, "needle-in-no-haystack"));
	world_shut(&w);
	assert_true(file_holds(w.path, "ldap-bind"));
	assert_false(file_holds(w.path, "needle-in-no-haystack"));
	assert_false(file_holds(head, "needle"));
	world_close(&w);
}

static void test_a_wrong_key_is_refused_with_the_way_out(void **state)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	struct vault_source source = { .kind = VAULT_KEY, .key = &key };
	struct world w = { 0 };
	struct vault *vault = NULL;
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	secret_of(&key, "wrongwrongwrongwrongwrongwrong!!");
	assert_fault(vault_open(w.store, &source, false, &vault, &err), ERR_SECRET, &err,
		     "does not open the vault");
	assert_fault(vault_open(w.store, &source, true, &vault, &err), ERR_SECRET, &err,
		     "last rekeyed");
	world_close(&w);
}

static void test_a_store_without_a_vault_says_so(void **state)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	struct vault_source source = { .kind = VAULT_KEY, .key = &key };
	struct store_options o = { .write = true, .create = true };
	unsigned char salt[SECRET_SALT_BYTES];
	struct world w = { 0 };
	struct err err = { 0 };
	bool exists = true;

	(void)state;
	world_dir(&w);
	o.path = w.path;
	assert_ok(store_open(&o, &w.store, &err), &err);
	secret_of(&key, "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk");
	assert_fault(vault_open(w.store, &source, false, &w.vault, &err), ERR_NOT_FOUND, &err,
		     "leaverd init");
	assert_ok(vault_salt(w.store, salt, &exists, &err), &err);
	assert_false(exists);
	world_close(&w);
}

/* Opens the store at w with a key file or credential. */
static int with(struct world *w, const struct vault_source *source, bool create,
		struct err *err)
{
	struct store_options o = { .path = w->path, .write = true, .create = true };
	int r = 0;

	if (!w->store)
		r = store_open(&o, &w->store, err);
	return r < 0 ? r : vault_open(w->store, source, create, &w->vault, err);
}

static void test_a_key_file_is_made_and_its_mode_checked(void **state)
{
	struct world w = { 0 };
	struct vault_source source = { .kind = VAULT_FILE };
	struct err err = { 0 };
	struct stat st;
	char path[160];

	(void)state;
	world_dir(&w);
	(void)snprintf(path, sizeof(path), "%s/master.key", w.dir);
	source.path = path;
	assert_fault(with(&w, &source, true, &err), ERR_SECRET, &err, "master.key");
	assert_ok(vault_make_key_file(path, &err), &err);
	assert_fault(vault_make_key_file(path, &err), ERR_CONFLICT, &err, "master.key");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_ok(with(&w, &source, true, &err), &err);
	set(&w, "n", "v");
	world_shut(&w);
	assert_int_equal(chmod(path, 0644), 0);
	assert_fault(with(&w, &source, false, &err), ERR_SECRET, &err, "0644");
	assert_int_equal(chmod(path, 0600), 0);
	assert_ok(with(&w, &source, false, &err), &err);
	has(&w, "n", "v");
	world_close(&w);
}

static void test_a_key_file_that_holds_no_key_is_refused(void **state)
{
	struct world w = { 0 };
	struct vault_source source = { .kind = VAULT_FILE };
	struct err err = { 0 };
	char path[160];
	int fd;

	(void)state;
	world_dir(&w);
	(void)snprintf(path, sizeof(path), "%s/master.key", w.dir);
	source.path = path;
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "password\n", 9), 9);
	close(fd);
	assert_fault(with(&w, &source, true, &err), ERR_SECRET, &err, "64 hex digits");
	world_close(&w);
}

static void test_a_systemd_credential_opens_the_vault(void **state)
{
	struct world w = { 0 };
	struct vault_source source = { .kind = VAULT_CREDENTIAL, .path = "leaverd-master" };
	struct err err = { 0 };
	char path[160];

	(void)state;
	world_dir(&w);
	assert_fault(with(&w, &source, true, &err), ERR_SECRET, &err,
		     "LoadCredential=leaverd-master");
	(void)snprintf(path, sizeof(path), "%s/leaverd-master", w.dir);
	assert_ok(vault_make_key_file(path, &err), &err);
	source.directory = w.dir;
	assert_ok(with(&w, &source, true, &err), &err);
	world_shut(&w);
	assert_ok(with(&w, &source, false, &err), &err);
	world_close(&w);
}

static void test_a_passphrase_opens_the_vault_and_another_does_not(void **state)
{
	CLEANUP(secret_done) struct secret right = { 0 }, wrong = { 0 };
	struct vault_source source = { .kind = VAULT_PASSPHRASE, .passphrase = &right };
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_dir(&w);
	secret_of(&right, "correct horse battery");
	secret_of(&wrong, "correct horse batterz");
	assert_ok(with(&w, &source, true, &err), &err);
	set(&w, "n", "v");
	world_shut(&w);
	assert_ok(with(&w, &source, false, &err), &err);
	has(&w, "n", "v");
	vault_close(TAKE(w.vault));
	source.passphrase = &wrong;
	assert_fault(with(&w, &source, false, &err), ERR_SECRET, &err, "a passphrase");
	world_close(&w);
}

static void test_a_sealed_value_cannot_take_another_ones_place(void **state)
{
	CLEANUP(secret_done) struct secret s = { 0 };
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	set(&w, "a", "of a");
	set(&w, "b", "of b");
	world_meddle(&w, "UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE name ="
			 " 'a') WHERE name = 'b'");
	assert_fault(vault_fetch(w.vault, "b", &s, &err), ERR_SECRET, &err, "the secret b");
	/* nor an older version the newer one's */
	world_meddle(&w, "UPDATE secret SET version = 2 WHERE name = 'a'");
	assert_fault(vault_fetch(w.vault, "a", &s, &err), ERR_SECRET, &err, "the secret a");
	world_close(&w);
}

static int rekey(struct world *w, const char *key, struct err *err)
{
	CLEANUP(secret_done) struct secret master = { 0 };
	struct vault_source source = { .kind = VAULT_KEY, .key = &master };
	struct db *db = world_begin(w, true);
	int r;

	secret_of(&master, key);
	r = vault_rekey(w->vault, db, &source, "uid:ada", NOW, err);
	r = store_write_end(db, r, err);
	vault_rekey_done(w->vault, r == 0);
	return r;
}

static void test_a_rekey_keeps_all_readable_under_the_new_master_key(void **state)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	struct vault_source source = { .kind = VAULT_KEY, .key = &key };
	struct world w = { 0 };
	struct err err = { 0 };
	char name[16];
	int i;

	(void)state;
	world_open(&w);
	for (i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		set(&w, name, name);
	}
	assert_ok(rekey(&w, "NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN", &err), &err);
	for (i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		has(&w, name, name);
	}
	set(&w, "later", "too");
	world_shut(&w);
	assert_fault(world_try(&w, &err), ERR_SECRET, &err, "does not open");
	world_shut(&w);
	secret_of(&key, "NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN");
	assert_ok(with(&w, &source, false, &err), &err);
	has(&w, "n7", "n7");
	has(&w, "later", "too");
	world_verify(&w); /* the audit keys went along */
	world_close(&w);
}

static void test_a_rekey_that_fails_anywhere_changes_nothing(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int nth = 0, r;
	bool fired;

	(void)state;
	world_open(&w);
	set(&w, "a", "of a");
	set(&w, "b", "of b");
	do {
		driver_sqlite_fault_at(++nth);
		{
			CLEANUP(secret_done) struct secret master = { 0 };
			struct vault_source source = { .kind = VAULT_KEY, .key = &master };
			struct db *db = NULL;

			secret_of(&master, "NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN");
			r = store_write_begin(w.store, &db, &err);
			if (r == 0) {
				r = vault_rekey(w.vault, db, &source, "uid:ada", NOW, &err);
				r = store_write_end(db, r, &err);
				vault_rekey_done(w.vault, r == 0);
			}
		}
		fired = driver_sqlite_fault_fired();
		has(&w, "a", "of a");
		has(&w, "b", "of b");
	} while (fired);
	assert_int_equal(r, 0);
	assert_true(nth > 10);
	world_verify(&w);
	world_close(&w);
}

static void test_a_reader_in_the_middle_of_a_rekey_succeeds(void **state)
{
	CLEANUP(secret_done) struct secret master = { 0 }, s = { 0 }, t = { 0 };
	struct vault_source source = { .kind = VAULT_KEY, .key = &master };
	struct world w = { 0 };
	struct db *db = NULL;
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	set(&w, "a", "of a");
	secret_of(&master, "NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN");
	assert_ok(store_write_begin(w.store, &db, &err), &err);
	assert_ok(vault_rekey(w.vault, db, &source, "u", NOW, &err), &err);
	assert_ok(vault_fetch(w.vault, "a", &s, &err), &err); /* before the commit */
	assert_ok(store_write_end(db, 0, &err), &err);
	assert_ok(vault_fetch(w.vault, "a", &t, &err), &err); /* after it */
	assert_true(secret_equal(&s, &t));
	vault_rekey_done(w.vault, true);
	has(&w, "a", "of a");
	world_close(&w);
}

/* --- tokens ---------------------------------------------------------------------------------
 */

static int token(struct world *w, const char *name, enum token_scope scope, const char *of,
		 struct secret *ret, struct err *err)
{
	struct db *db = world_begin(w, true);

	return store_write_end(
		db, tokens_new(db, name, scope, of, NOW + 1000, "uid:ada", NOW, ret, err), err);
}

static int look_up(struct world *w, const char *text, int64_t now, struct token_found *ret)
{
	struct err err = { 0 };

	return TRY_READ(w, tokens_find(db, str_of(text), now, ret, &err));
}

static void test_a_token_speaks_for_its_source_until_it_expires(void **state)
{
	CLEANUP(secret_done) struct secret t = { 0 };
	struct token_found found;
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	assert_ok(token(&w, "okta-1", TOKEN_SOURCE, "okta", &t, &err), &err);
	assert_int_equal(t.len, 47);
	assert_int_equal(strncmp(secret_text(&t), "lvd_", 4), 0);
	assert_int_equal(look_up(&w, secret_text(&t), NOW, &found), 0);
	assert_string_equal(found.of, "okta");
	assert_string_equal(found.name, "okta-1");
	assert_int_equal(found.scope, TOKEN_SOURCE);
	assert_int_equal(look_up(&w, secret_text(&t), NOW + 1000, &found), STORE_NOT_FOUND);
	world_shut(&w);
	world_again(&w);
	assert_int_equal(look_up(&w, secret_text(&t), NOW, &found), 0);
	world_close(&w);
}

static void test_no_other_text_is_a_token(void **state)
{
	CLEANUP(secret_done) struct secret t = { 0 };
	struct token_found found;
	struct world w = { 0 };
	struct err err = { 0 };
	char text[64];

	(void)state;
	world_open(&w);
	assert_ok(token(&w, "a", TOKEN_ROLE, "admin", &t, &err), &err);
	(void)snprintf(text, sizeof(text), "%s", secret_text(&t));
	assert_int_equal(look_up(&w, "", NOW, &found), STORE_NOT_FOUND);
	assert_int_equal(look_up(&w, "lvd_", NOW, &found), STORE_NOT_FOUND);
	text[20] = (char)(text[20] == 'A' ? 'B' : 'A');
	assert_int_equal(look_up(&w, text, NOW, &found), STORE_NOT_FOUND);
	assert_int_equal(file_holds(w.path, secret_text(&t)), false);
	world_close(&w);
}

static void test_two_tokens_of_a_source_may_be_alive(void **state)
{
	CLEANUP(secret_done) struct secret a = { 0 }, b = { 0 }, c = { 0 };
	struct token_found found;
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	assert_ok(token(&w, "one", TOKEN_SOURCE, "okta", &a, &err), &err);
	assert_fault(token(&w, "one", TOKEN_SOURCE, "okta", &b, &err), ERR_CONFLICT, &err,
		     "another name");
	assert_ok(token(&w, "two", TOKEN_SOURCE, "okta", &b, &err), &err);
	assert_fault(token(&w, "three", TOKEN_SOURCE, "okta", &c, &err), ERR_LIMIT, &err,
		     "revoke one first");
	WRITE(&w, tokens_revoke(db, "one", "uid:ada", "rotated", NOW, &err));
	assert_int_equal(TRY_WRITE(&w, tokens_revoke(db, "one", "u", NULL, NOW, &err)),
			 STORE_NOT_FOUND);
	assert_ok(token(&w, "three", TOKEN_SOURCE, "okta", &c, &err), &err);
	assert_int_equal(look_up(&w, secret_text(&a), NOW, &found), STORE_NOT_FOUND);
	assert_int_equal(look_up(&w, secret_text(&b), NOW, &found), 0);
	world_verify(&w);
	world_close(&w);
}

static void test_the_last_use_is_kept_by_the_hour(void **state)
{
	CLEANUP(secret_done) struct secret t = { 0 };
	struct token_found found;
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	assert_ok(token(&w, "a", TOKEN_SOURCE, "s", &t, &err), &err);
	assert_int_equal(look_up(&w, secret_text(&t), NOW, &found), 0);
	assert_true(found.touch);
	WRITE(&w, tokens_used(db, found.id, NOW, &err));
	assert_int_equal(TRY_WRITE(&w, tokens_used(db, found.id, NOW + 10, &err)),
			 STORE_UNCHANGED);
	assert_int_equal(look_up(&w, secret_text(&t), NOW + 10, &found), 0);
	assert_false(found.touch);
	world_close(&w);
}

/* --- cursors --------------------------------------------------------------------------------
 */

static void test_a_cursor_is_kept_replaced_and_removed(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	char *text = NULL;
	int64_t ms = 0;

	(void)state;
	world_open(&w);
	WRITE(&w, cursors_set(db, "corp", "cookie", "1", NOW, &err));
	assert_int_equal(TRY_WRITE(&w, cursors_set(db, "corp", "cookie", "1", NOW + 1, &err)),
			 STORE_UNCHANGED);
	WRITE(&w, cursors_set(db, "corp", "cookie", "2", NOW + 2, &err));
	READ(&w, cursors_get(db, "corp", "cookie", &text, &ms, &err));
	assert_string_equal(text, "2");
	assert_int_equal(ms, NOW + 2);
	free(text);
	WRITE(&w, cursors_set(db, "corp", "cookie", NULL, NOW, &err));
	assert_int_equal(TRY_READ(&w, cursors_get(db, "corp", "cookie", &text, &ms, &err)),
			 STORE_NOT_FOUND);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_secret_comes_back_after_a_restart),
		cmocka_unit_test(test_a_list_shows_names_versions_and_owners_and_not_ours),
		cmocka_unit_test(test_names_and_values_have_bounds),
		cmocka_unit_test(test_no_file_holds_a_secret_in_clear),
		cmocka_unit_test(test_a_wrong_key_is_refused_with_the_way_out),
		cmocka_unit_test(test_a_store_without_a_vault_says_so),
		cmocka_unit_test(test_a_key_file_is_made_and_its_mode_checked),
		cmocka_unit_test(test_a_key_file_that_holds_no_key_is_refused),
		cmocka_unit_test(test_a_systemd_credential_opens_the_vault),
		cmocka_unit_test(test_a_passphrase_opens_the_vault_and_another_does_not),
		cmocka_unit_test(test_a_sealed_value_cannot_take_another_ones_place),
		cmocka_unit_test(test_a_rekey_keeps_all_readable_under_the_new_master_key),
		cmocka_unit_test(test_a_rekey_that_fails_anywhere_changes_nothing),
		cmocka_unit_test(test_a_reader_in_the_middle_of_a_rekey_succeeds),
		cmocka_unit_test(test_a_token_speaks_for_its_source_until_it_expires),
		cmocka_unit_test(test_no_other_text_is_a_token),
		cmocka_unit_test(test_two_tokens_of_a_source_may_be_alive),
		cmocka_unit_test(test_the_last_use_is_kept_by_the_hour),
		cmocka_unit_test(test_a_cursor_is_kept_replaced_and_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
