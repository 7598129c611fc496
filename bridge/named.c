#include "bridge/named.h"

#include "hr/csv.h"

struct reading {
	struct named_file *file;
	json_t *faults;
	bool begun;
	size_t email, id; /* columns; SIZE_MAX: none */
};

void named_file_done(struct named_file *f)
{
	struct named_one *one, *next;

	HASH_ITER (hh, f->all, one, next) {
		HASH_DEL(f->all, one);
		free(one->key);
		free(one->text);
		free(one);
	}
}

static bool is_word(struct str s, const char *const *words)
{
	for (; *words; words++)
		if (s.len == strlen(*words) && strncasecmp(s.p, *words, s.len) == 0)
			return true;
	return false;
}

/* Ids look like 5b10ac8d82e05b22cc7d4ef5 or 712020:aaf1..-..: no blanks, and a digit. */
static bool is_id(struct str s)
{
	bool digit = false;

	for (size_t i = 0; i < s.len; i++) {
		bool letter = (s.p[i] | 32) >= 'a' && (s.p[i] | 32) <= 'z';

		digit |= s.p[i] >= '0' && s.p[i] <= '9';
		if (!letter && !(s.p[i] >= '0' && s.p[i] <= '9') && s.p[i] != ':' &&
		    s.p[i] != '-' && s.p[i] != '_')
			return false;
	}
	return digit && s.len >= 8;
}

static bool is_mail(struct str s)
{
	const char *at = s.len ? memchr(s.p, '@', s.len) : NULL;

	return at && at > s.p && at < s.p + s.len - 1 && !memchr(s.p, ' ', s.len);
}

/* Whether the first row is a header. */
static bool header_of(struct reading *r, const struct hr_cell *cells, size_t n)
{
	static const char *const mails[] = { "email",         "e-mail",
					     "mail",          "emailaddress",
					     "email address", "username",
					     "user name",     NULL };
	static const char *const ids[] = { "account_id",   "accountid", "account id",
					   "atlassian id", "id",        NULL };

	for (size_t i = 0; i < n; i++) {
		struct str s = str_trim(cells[i].text);

		if (r->email == SIZE_MAX && is_word(s, mails))
			r->email = i;
		if (r->id == SIZE_MAX && is_word(s, ids))
			r->id = i;
	}
	return r->email != SIZE_MAX || r->id != SIZE_MAX;
}

/* No header: the column that names somebody. */
static bool column_of(struct reading *r, const struct hr_cell *cells, size_t n)
{
	for (size_t i = 0; i < n && r->email == SIZE_MAX; i++)
		if (is_mail(str_trim(cells[i].text)))
			r->email = i;
	for (size_t i = 0; i < n && r->email == SIZE_MAX && r->id == SIZE_MAX; i++)
		if (is_id(str_trim(cells[i].text)))
			r->id = i;
	return r->email != SIZE_MAX || r->id != SIZE_MAX;
}

static int fault_add(struct reading *r, int64_t line, const char *text, struct err *err)
{
	if (r->file->faults++ >= NAMED_FAULTS_MOST)
		return 0;
	return jx_add(r->faults, json_pack("{s:I,s:s}", "line", (json_int_t)line, "text", text),
		      err);
}

static int one_add(struct reading *r, struct str s, int64_t line, struct err *err)
{
	struct named_one *one = NULL;
	CLEANUP(free_at) char *key = NULL;
	char text[96];
	size_t len;
	int done = str_fold(s, &key, &len, err);

	if (done < 0)
		return done;
	HASH_FIND_STR(r->file->all, key, one);
	if (one) {
		snprintf(text, sizeof(text), "the same as line %lld", (long long)one->line);
		return fault_add(r, line, text, err);
	}
	one = calloc(1, sizeof(*one));
	if (!one)
		return err_nomem(err);
	one->key = TAKE(key);
	one->text = str_dup(s);
	one->line = line;
	if (one->text)
		HASH_ADD_KEYPTR(hh, r->file->all, one->key, strlen(one->key), one);
	if (!one->text || !MAP_ADDED(one)) {
		free(one->key);
		free(one->text);
		free(one);
		return err_nomem(err);
	}
	return 0;
}

static struct str cell_at(const struct hr_cell *cells, size_t n, size_t i)
{
	return i < n ? str_trim(cells[i].text) : STR("");
}

static int on_row(void *ctx, struct hr_cell *cells, size_t n, struct err *err)
{
	struct reading *r = ctx;
	int64_t line = n ? (int64_t)cells[0].line : 0;
	struct str mail, id;

	if (!r->begun) {
		r->begun = true;
		if (header_of(r, cells, n))
			return 0;
		if (!column_of(r, cells, n))
			return err_set(err, ERR_INVALID_VALUE,
				       "line %lld: no column email or account_id, and no mail "
				       "address or account id in the first row",
				       (long long)line);
	}
	mail = cell_at(cells, n, r->email);
	id = cell_at(cells, n, r->id);
	if (mail.len && !is_mail(mail) && !id.len)
		return fault_add(r, line, "that is no mail address", err);
	if (mail.len && is_mail(mail))
		return one_add(r, mail, line, err);
	if (id.len && is_id(id))
		return one_add(r, id, line, err);
	return fault_add(r, line, id.len ? "that is no account id" : "names nobody", err);
}

/* The delimiter that the first row has most of. */
static char delimiter_of(struct str text)
{
	static const char marks[] = { ',', ';', '\t', '|' };
	size_t counts[COUNT_OF(marks)] = { 0 }, best = 0, len = 0;
	bool quoted = false;

	(void)hr_csv_first_row(text, true, &len);
	for (size_t i = 0; i < len; i++) {
		quoted ^= text.p[i] == '"';
		for (size_t k = 0; k < COUNT_OF(marks) && !quoted; k++)
			counts[k] += text.p[i] == marks[k];
	}
	for (size_t k = 1; k < COUNT_OF(marks); k++)
		best = counts[k] > counts[best] ? k : best;
	return marks[best];
}

int named_file_read(struct str text, const char *name, struct named_file *ret, json_t *out,
		    struct err *err)
{
	CLEANUP(hr_csv_free_at) struct hr_csv *csv = NULL;
	struct reading r = { .file = ret, .email = SIZE_MAX, .id = SIZE_MAX };
	int done = jx_set(out, "faults", r.faults = json_array(), err);

	*ret = (struct named_file){ 0 };
	if (done == 0)
		done = hr_csv_new(delimiter_of(text), on_row, &r, &csv, err);
	if (done == 0)
		done = hr_csv_add(csv, text, err);
	if (done == 0)
		done = hr_csv_end(csv, err);
	if (done == 0 && !r.begun)
		done = err_set(err, ERR_INVALID_VALUE, "the file is empty");
	if (done == 0)
		done = jx_set(out, "faults_total", json_integer((json_int_t)ret->faults), err);
	return done < 0 ? err_context(err, done, "%s", name) : 0;
}

int named_file_find(const struct named_file *f, const char *text, struct named_one **ret,
		    struct err *err)
{
	CLEANUP(free_at) char *key = NULL;
	size_t len;
	int r;

	*ret = NULL;
	if (!text || !*text)
		return 0;
	r = str_fold(str_of(text), &key, &len, err);
	if (r == 0)
		HASH_FIND_STR(f->all, key, *ret);
	return r;
}
