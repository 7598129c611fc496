#include "hr/feed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/stamp.h"
#include "hr/ldif.h"
#include "hr/text.h"

#define PIECE_BYTES 65536
#define SEP_BYTES 6 /* "sep=;" and a line break, which some programs write first */

/* One row, by which those of one person are found. */
struct seen {
	unsigned char who[16]; /* digest of the key */
	int32_t end_day, start_day;
	uint64_t line;
	uint32_t column, row;
};
VEC(seens, struct seen);

struct hr_feed {
	const struct hr_options *o;
	const struct hr_drop *drop;
	struct hr_mapping *mapping;
	struct seens seen;
	unsigned char *left_out; /* a bit a row: another row of the person counts */
	size_t left_out_rows;    /* a file that changes may have more when it is read again */
	char delimiter;
	/* one reading */
	bool header; /* of CSV: it has come */
	uint32_t row;
	struct hr_csv *csv;
	struct hr_ldif *ldif;
	struct hr_text text;
	struct buf head; /* what came before the delimiter was known */
	bool begun;
	struct digest_run run;
	char digest[DIGEST_HEX_BYTES]; /* of the scan */
	char last;                     /* character of the file */
	const atomic_bool *cancel;
	struct hr_verdict *verdict; /* of a scan, else NULL */
	hr_person_fn person;
	hr_sample_fn sample;
	void *ctx;
	struct str cooked[HR_COLUMNS_MAX];
};

static void reading_done(struct hr_feed *f)
{
	hr_csv_free(TAKE(f->csv));
	hr_ldif_free(TAKE(f->ldif));
	buf_done(&f->head);
}

void hr_feed_free(struct hr_feed *f)
{
	if (!f)
		return;
	reading_done(f);
	hr_mapping_free(f->mapping);
	seens_done(&f->seen);
	free(f->left_out);
	free(f);
}

int hr_feed_new(const struct hr_options *o, const struct hr_drop *drop, struct hr_feed **ret,
		struct err *err)
{
	CLEANUP(hr_feed_free_at) struct hr_feed *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return err_nomem(err);
	f->o = o;
	f->drop = drop;
	f->delimiter = hr_delimiter_char(o->delimiter);
	r = hr_mapping_new(o, &f->mapping, err);
	if (r == 0)
		*ret = TAKE(f);
	return r;
}

static int text_keep(struct hr_texts *into, struct str s, struct err *err)
{
	char *copy = str_dup(s);

	if (!copy || hr_texts_add(into, copy) < 0) {
		free(copy);
		return err_nomem(err);
	}
	return 0;
}

/* --- rows ----------------------------------------------------------------------------------
 */

static int header(struct hr_feed *f, struct hr_cell *cells, size_t n, struct err *err)
{
	int r = hr_mapping_header(f->mapping, cells, n, err);

	f->header = true;
	for (size_t i = 0; r == 0 && f->verdict && i < n; i++)
		r = text_keep(&f->verdict->columns, str_trim(cells[i].text), err);
	return r;
}

static int see(struct hr_feed *f, const struct hr_person *p, struct err *err)
{
	struct hr_verdict *v = f->verdict;
	struct seen seen = { .end_day = (int32_t)p->end_day,
			     .start_day = (int32_t)p->start_day,
			     .line = p->line,
			     .column = (uint32_t)p->column,
			     .row = f->row };
	struct digest who;

	digest_of(&who, NULL, str_of(p->key));
	memcpy(seen.who, who.b, sizeof(seen.who));
	if (seens_add(&f->seen, seen) < 0)
		return err_nomem(err);
	if (!p->bad[0])
		return 0;
	if (!v->bad++)
		memcpy(v->first_bad, p->bad, sizeof(v->first_bad));
	if ((int64_t)v->bad > f->o->bad_rows)
		return err_set(err, ERR_INVALID_VALUE, "%s%s", v->first_bad,
			       f->o->bad_rows
				       ? "; there are more of such rows than bad_rows allows"
				       : "");
	return 0;
}

static bool is_left_out(const struct hr_feed *f)
{
	return f->row < f->left_out_rows && f->left_out[f->row / 8] >> f->row % 8 & 1;
}

static int row_of(struct hr_feed *f, struct hr_cell *cells, size_t n, struct hr_person *p,
		  struct err *err)
{
	int r = hr_mapping_apply(f->mapping, cells, n, p, err);

	if (r == 0 && f->verdict)
		r = see(f, p, err);
	else if (r == 0 && f->person && !is_left_out(f))
		r = f->person(f->ctx, p, err);
	else if (r == 0 && f->sample) {
		for (size_t i = 0; i < n; i++)
			f->cooked[i] = hr_mapping_cooked(f->mapping, i);
		r = f->sample(f->ctx, cells, f->cooked, n, p, err);
	}
	f->row++;
	return r;
}

/* Names of a row's cells are those of the header. */
static int on_cells(void *ctx, struct hr_cell *cells, size_t n, struct err *err)
{
	struct hr_feed *f = ctx;
	struct hr_person person = { .key = "" };
	int r;

	if (!f->ldif && !f->header)
		return header(f, cells, n, err);
	if ((int64_t)f->row >= f->o->max_rows)
		return err_set(
			err, ERR_LIMIT,
			"line %llu, column 1: the file has more than %lld rows (max_rows)",
			(unsigned long long)cells[0].line, (long long)f->o->max_rows);
	if (f->cancel && atomic_load(f->cancel))
		return err_set(err, ERR_CANCELLED, "the reading was interrupted");
	for (size_t i = 0; !f->ldif && i < n; i++)
		cells[i].name = hr_mapping_name(f->mapping, i);
	r = row_of(f, cells, n, &person, err);
	hr_person_done(&person);
	return r;
}

/* --- the delimiter -------------------------------------------------------------------------
 */

struct tried {
	const struct hr_mapping *mapping;
	size_t fits, n;
	bool all;
};

static int on_first_row(void *ctx, struct hr_cell *cells, size_t n, struct err *err)
{
	struct tried *t = ctx;

	(void)err;
	t->n = n;
	t->fits = hr_mapping_fits(t->mapping, cells, n, &t->all);
	return 0;
}

/* What the header is with one delimiter. One that makes no CSV of it fits nothing. */
static int try(struct hr_feed *f, struct str row, char delimiter, struct tried *ret,
	       struct err *err)
{
	CLEANUP(hr_csv_free_at) struct hr_csv *csv = NULL;
	struct err quiet;
	int r;

	*ret = (struct tried){ .mapping = f->mapping };
	r = hr_csv_new(delimiter, on_first_row, ret, &csv, err);
	if (r < 0)
		return r;
	r = hr_csv_add(csv, row, &quiet);
	if (r == 0)
		r = hr_csv_end(csv, &quiet);
	if (r == -ERR_NOMEM)
		return err_nomem(err);
	if (r < 0)
		*ret = (struct tried){ .mapping = f->mapping };
	return 0;
}

/* The one delimiter that splits the header into the columns that are named. When none does, the
 * best is taken to say what is missing; when several do, they are one and the same column. */
static int detect(struct hr_feed *f, struct str row, struct err *err)
{
	size_t best = 0, whole = 0;
	int found = HR_COMMA, r = 0;

	for (int d = HR_COMMA; r == 0 && hr_delimiter_words[d]; d++) {
		struct tried t;

		r = try(f, row, hr_delimiter_char(d), &t, err);
		whole += r == 0 && t.all && t.n > 1;
		if (r == 0 &&
		    (t.fits > best || (t.fits == best && t.fits && t.n > 1 && !whole))) {
			best = t.fits;
			found = d;
		}
	}
	if (r == 0 && !best)
		r = err_set(err, ERR_INVALID_VALUE,
			    "line 1, column 1: by no delimiter (comma, semicolon, tab, pipe) "
			    "is the "
			    "first row a header with the column \"%.100s\"",
			    f->o->key);
	if (r == 0 && whole > 1)
		r = err_set(err, ERR_INVALID_VALUE,
			    "line 1, column 1: several delimiters split the header into the "
			    "columns "
			    "named: declare one with delimiter:");
	f->delimiter = hr_delimiter_char(found);
	return r;
}

static const char *delimiter_word(char c)
{
	for (int d = HR_COMMA; hr_delimiter_words[d]; d++)
		if (hr_delimiter_char(d) == c)
			return hr_delimiter_words[d];
	return "declared by its first line";
}

/* "sep=;" in a line of its own is a statement about the file. */
static size_t sep_line(struct hr_feed *f, struct str text)
{
	size_t n = SEP_BYTES;

	if (text.len < SEP_BYTES || !str_istarts(text, STR("sep=")) ||
	    (text.p[5] != '\r' && text.p[5] != '\n'))
		return 0;
	if (text.p[5] == '\r' && text.len > 6 && text.p[6] == '\n')
		n++;
	if (!f->delimiter)
		f->delimiter = text.p[4];
	return n;
}

/* Enough of the file is there to know how it is written, or all of it. */
static int begin_csv(struct hr_feed *f, bool all, struct err *err)
{
	struct str text = buf_str(&f->head), rest;
	size_t sep = sep_line(f, text), blank = sep, row;
	int r = 0;

	while (blank < text.len && (text.p[blank] == '\r' || text.p[blank] == '\n'))
		blank++;
	rest = str_n(text.p + blank, text.len - blank);
	if (!hr_csv_first_row(rest, all, &row)) {
		if (text.len < HR_ROW_MAX_BYTES)
			return 0;
		return err_set(
			err, ERR_LIMIT,
			"line 1, column 1: the row that begins here is longer than 1 MiB");
	}
	if (!f->delimiter && rest.len)
		r = detect(f, str_n(rest.p, row), err);
	if (r == 0)
		r = hr_csv_new(f->delimiter ? f->delimiter : ',', on_cells, f, &f->csv, err);
	if (r < 0)
		return r;
	f->begun = true;
	if (sep)
		hr_csv_line(f->csv, 2);
	r = hr_csv_add(f->csv, str_n(text.p + sep, text.len - sep), err);
	buf_clear(&f->head);
	return r;
}

static int pass_on(struct hr_feed *f, struct str text, bool end, struct err *err)
{
	int r = 0;

	if (text.len)
		f->last = text.p[text.len - 1];
	if (f->ldif) {
		r = hr_ldif_add(f->ldif, text, err);
		return r == 0 && end ? hr_ldif_end(f->ldif, err) : r;
	}
	if (f->begun) {
		r = hr_csv_add(f->csv, text, err);
	} else {
		buf_add_str(&f->head, text);
		r = buf_fault(&f->head, err, "the first row");
		if (r == 0 && (end ? f->head.len > 0 : true))
			r = begin_csv(f, end, err);
	}
	return r == 0 && end && f->begun ? hr_csv_end(f->csv, err) : r;
}

/* --- one reading ---------------------------------------------------------------------------
 */

static int next_piece(struct hr_feed *f, int64_t at, char *into, size_t *n, struct err *err)
{
	ssize_t got;

	do
		got = pread(f->drop->fd, into, PIECE_BYTES, at);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_errno(err, ERR_IO, errno, "reading %s", f->drop->name);
	*n = (size_t)got;
	digest_add(&f->run, into, *n);
	if (at + got > f->o->max_bytes)
		return err_set(err, ERR_LIMIT, "the file is longer than %lld bytes (max_size)",
			       (long long)f->o->max_bytes);
	return 0;
}

static int pieces(struct hr_feed *f, char *piece, struct buf *utf8, int64_t *bytes,
		  struct err *err)
{
	size_t n = 1;
	int r = 0;

	for (*bytes = 0; r == 0 && n; *bytes += (int64_t)n) {
		if (f->cancel && atomic_load(f->cancel))
			return err_set(err, ERR_CANCELLED, "the reading was interrupted");
		r = next_piece(f, *bytes, piece, &n, err);
		if (r == 0 && *bytes == 0)
			r = hr_text_begin(&f->text, f->o->encoding,
					  str_n(piece, n < 4096 ? n : 4096), err);
		buf_clear(utf8);
		if (r == 0)
			r = hr_text_add(&f->text, str_n(piece, n), n == 0, utf8, err);
		/* what came before a bad byte has its own faults, which come first */
		if (r == 0 || (r == -ERR_INVALID_VALUE && utf8->len && !utf8->fault)) {
			struct err first;
			int passed = pass_on(f, buf_str(utf8), r == 0 && n == 0, &first);

			if (passed != 0 && err)
				*err = first;
			r = passed != 0 ? passed : r;
		}
	}
	return r;
}

static int whole_file(struct hr_feed *f, int64_t *bytes, char digest[DIGEST_HEX_BYTES],
		      struct err *err)
{
	CLEANUP(free_at) char *piece = malloc(PIECE_BYTES);
	CLEANUP(buf_done) struct buf utf8;
	struct digest d;
	int r = 0;

	buf_init(&utf8, 4 * PIECE_BYTES);
	reading_done(f);
	buf_init(&f->head, HR_ROW_MAX_BYTES + 4 * PIECE_BYTES);
	f->header = f->begun = false;
	f->row = 0;
	f->last = '\n';
	f->delimiter = hr_delimiter_char(f->o->delimiter);
	digest_begin(&f->run, NULL);
	if (!piece)
		return err_nomem(err);
	if (f->o->format == HR_LDIF)
		r = hr_ldif_new(on_cells, f, &f->ldif, err);
	if (r == 0)
		r = pieces(f, piece, &utf8, bytes, err);
	digest_end(&f->run, &d);
	digest_hex(&d, digest);
	return r;
}

/* --- several rows of a person --------------------------------------------------------------
 */

static int by_person(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;
	int r = memcmp(x->who, y->who, sizeof(x->who));

	return r ? r : (x->row > y->row) - (x->row < y->row);
}

/* Whether a counts more than b, which stands before it. */
static bool outranks(int several, const struct seen *a, const struct seen *b)
{
	if (several == HR_ENGAGED && a->end_day != b->end_day)
		return a->end_day > b->end_day;
	if (several != HR_LAST_ROW && a->start_day != b->start_day)
		return a->start_day > b->start_day;
	return true;
}

static void leave_out(struct hr_feed *f, uint32_t row)
{
	f->left_out[row / 8] |= (unsigned char)(1u << row % 8);
}

static int resolve(struct hr_feed *f, struct hr_verdict *v, struct err *err)
{
	struct seen *s = f->seen.v;
	const struct seen *first = NULL, *again = NULL; /* the earliest that is a second one */
	size_t keeps = 0;

	free(f->left_out);
	f->left_out_rows = 0;
	f->left_out = calloc(f->seen.n / 8 + 1, 1);
	if (!f->left_out)
		return err_nomem(err);
	f->left_out_rows = f->seen.n;
	if (f->seen.n)
		qsort(s, f->seen.n, sizeof(*s), by_person);
	for (size_t i = 1; i < f->seen.n; i++) {
		if (memcmp(s[i].who, s[keeps].who, sizeof(s[i].who)) != 0) {
			keeps = i;
			continue;
		}
		v->doubled++;
		if (f->o->several == HR_REFUSE) {
			if (!again || s[i].line < again->line) {
				again = &s[i];
				first = &s[keeps];
			}
			continue;
		}
		if (outranks(f->o->several, &s[i], &s[keeps])) {
			leave_out(f, s[keeps].row);
			keeps = i;
		} else {
			leave_out(f, s[i].row);
		}
	}
	v->people = f->seen.n - v->doubled;
	if (again)
		return err_set(
			err, ERR_UNIQUENESS,
			"line %llu, column %llu: the same %.100s stands in line %llu already: "
			"say with several: which of a person's rows counts",
			(unsigned long long)again->line, (unsigned long long)again->column,
			f->o->key, (unsigned long long)first->line);
	return 0;
}

static int look_for_canaries(struct hr_feed *f, struct hr_verdict *v, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->o->canaries.n; i++) {
		struct seen want = { .row = 0 };
		struct digest who;
		size_t low = 0, high = f->seen.n;

		digest_of(&who, NULL, str_of(f->o->canaries.v[i]));
		memcpy(want.who, who.b, sizeof(want.who));
		while (low < high) {
			size_t mid = low + (high - low) / 2;

			if (memcmp(f->seen.v[mid].who, want.who, sizeof(want.who)) < 0)
				low = mid + 1;
			else
				high = mid;
		}
		if (low == f->seen.n || memcmp(f->seen.v[low].who, want.who, sizeof(want.who)))
			r = text_keep(&v->canaries, str_of(f->o->canaries.v[i]), err);
	}
	return r;
}

/* --- the two readings ----------------------------------------------------------------------
 */

static int scan_end(struct hr_feed *f, struct hr_verdict *v, struct err *err)
{
	struct digest d;
	int r;

	if (f->o->format == HR_CSV && !f->header)
		return err_set(
			err, ERR_INVALID_SYNTAX,
			"line 1, column 1: the file is empty: not even a header is there");
	r = resolve(f, v, err);
	if (r == 0)
		r = look_for_canaries(f, v, err);
	if (r == 0 && !hr_drop_same(f->drop))
		r = err_set(err, ERR_INCOMPLETE, "the file was changed while it was read");
	if (r == 0 && strcmp(f->drop->seal, "nothing") != 0 &&
	    (!digest_unhex(str_of(v->digest), &d) || !digest_equal(&d, &f->drop->digest)))
		r = err_set(err, ERR_INCOMPLETE,
			    "the file was changed after its %s was verified", f->drop->seal);
	return r;
}

static bool ours(int r)
{
	return r == -ERR_NOMEM || r == -ERR_CANCELLED || r == -ERR_CONFIG || r == -ERR_INTERNAL;
}

/* Names are shown on terminals. */
static bool plain_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7F)
			return false;
	return str_utf8(name, NULL);
}

static void ask_text(struct digest_run *run, const char *text)
{
	struct str s = str_of(text);

	digest_add(run, &s.len, sizeof(s.len));
	digest_add(run, s.p ? s.p : "", s.len);
}

static void ask_pairs(struct digest_run *run, const struct conf_pairs *pairs)
{
	digest_add(run, &pairs->n, sizeof(pairs->n));
	for (size_t i = 0; i < pairs->n; i++) {
		ask_text(run, pairs->v[i].key);
		ask_text(run, pairs->v[i].value);
	}
}

/* All of the settings that decides what the bytes of a file come to. */
static void question_of(const struct hr_options *o, char ret[DIGEST_HEX_BYTES])
{
	const int words[] = { o->kind, o->format, o->encoding, o->delimiter, o->several };
	const struct conf_list *lists[] = { &o->empty, &o->optional };
	struct digest_run run;
	struct digest d;

	digest_begin(&run, NULL);
	digest_add(&run, words, sizeof(words));
	ask_text(&run, o->key);
	ask_text(&run, o->zone);
	ask_text(&run, o->time_zone);
	ask_pairs(&run, &o->map);
	ask_pairs(&run, &o->dates);
	ask_pairs(&run, &o->expect);
	for (size_t k = 0; k < COUNT_OF(lists); k++) {
		digest_add(&run, &lists[k]->n, sizeof(lists[k]->n));
		for (size_t i = 0; i < lists[k]->n; i++)
			ask_text(&run, lists[k]->v[i]);
	}
	digest_end(&run, &d);
	digest_hex(&d, ret);
}

int hr_feed_scan(struct hr_feed *f, int64_t now_ms, const atomic_bool *cancel,
		 struct hr_verdict *ret, struct err *err)
{
	int64_t began = stamp_mono_ms(), bytes = 0;
	struct err why;
	int r;

	f->cancel = cancel;
	f->verdict = ret;
	f->person = NULL;
	f->sample = NULL;
	f->seen.n = 0;
	ret->started_ms = now_ms;
	ret->date_ms = f->drop->date_ms;
	ret->behind = f->drop->behind;
	ret->name = str_dup(plain_name(str_of(f->drop->name)) ? str_of(f->drop->name)
							      : STR("(an odd name)"));
	snprintf(ret->seal, sizeof(ret->seal), "%s", f->drop->seal);
	question_of(f->o, ret->question);
	r = ret->name ? whole_file(f, &bytes, ret->digest, &why) : err_nomem(&why);
	ret->rows = f->row;
	if (r == 0)
		r = scan_end(f, ret, &why);
	f->verdict = NULL;
	seens_done(&f->seen);
	memcpy(f->digest, ret->digest, sizeof(f->digest));
	ret->bytes = (uint64_t)bytes;
	ret->final_newline = f->last == '\n' || f->last == '\r';
	ret->duration_ms = stamp_mono_ms() - began;
	snprintf(ret->encoding, sizeof(ret->encoding), "%s",
		 hr_encoding_words[f->text.encoding]);
	snprintf(ret->how, sizeof(ret->how), "%s", f->text.how ? f->text.how : "");
	if (f->o->format == HR_CSV && f->delimiter)
		snprintf(ret->delimiter, sizeof(ret->delimiter), "%s",
			 delimiter_word(f->delimiter));
	if (ours(r))
		return err_set(err, -r, "%s", why.text);
	ret->complete = r == 0;
	ret->code = -r;
	if (r < 0)
		memcpy(ret->why, why.text, sizeof(ret->why));
	return 0;
}

int hr_feed_read(struct hr_feed *f, const atomic_bool *cancel, hr_person_fn fn, void *ctx,
		 struct err *err)
{
	char digest[DIGEST_HEX_BYTES];
	int64_t bytes = 0;
	int r;

	f->cancel = cancel;
	f->person = fn;
	f->sample = NULL;
	f->ctx = ctx;
	r = whole_file(f, &bytes, digest, err);
	if (r == 0 && strcmp(digest, f->digest) != 0)
		r = err_set(err, ERR_INCOMPLETE, "the file was changed while it was read");
	return r;
}

int hr_feed_sample(struct hr_feed *f, const atomic_bool *cancel, hr_sample_fn fn, void *ctx,
		   struct err *err)
{
	char digest[DIGEST_HEX_BYTES];
	int64_t bytes = 0;
	int r;

	f->cancel = cancel;
	f->person = NULL;
	f->sample = fn;
	f->ctx = ctx;
	r = whole_file(f, &bytes, digest, err);
	return r > 0 ? 0 : r;
}

/* --- verdicts as JSON ----------------------------------------------------------------------
 */

static void texts_free(struct hr_texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i]);
	hr_texts_done(t);
}

void hr_verdict_done(struct hr_verdict *v)
{
	if (!v)
		return;
	free(v->name);
	free(v->drop);
	texts_free(&v->columns);
	texts_free(&v->canaries);
	*v = (struct hr_verdict){ 0 };
}

static json_t *texts_json(const struct hr_texts *t)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < t->n; i++)
		if (json_array_append_new(list, json_string(t->v[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

int hr_verdict_json(const struct hr_verdict *v, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *out = json_object();
	const struct {
		const char *name;
		json_t *value;
	} members[] = {
		{ "file", json_string(v->name ? v->name : "") },
		{ "date_ms", json_integer(v->date_ms) },
		{ "digest", json_string(v->digest) },
		{ "question", json_string(v->question) },
		{ "encoding", json_string(v->encoding) },
		{ "delimiter", json_string(v->delimiter) },
		{ "rows", json_integer((json_int_t)v->rows) },
		{ "people", json_integer((json_int_t)v->people) },
		{ "final_newline", json_boolean(v->final_newline) },
		{ "columns", texts_json(&v->columns) },
		{ "drop", v->drop ? json_string(v->drop) : json_null() },
		{ "drop_ms", json_integer(v->drop_ms) },
	};
	int r = out ? 0 : err_nomem(err);

	for (size_t i = 0; i < COUNT_OF(members); i++) {
		int set = jx_set(out, members[i].name, members[i].value, err);

		r = r < 0 ? r : set;
	}
	if (r == 0)
		*ret = TAKE(out);
	return r;
}

/* Older versions kept none: then it is the file itself, unless that came on stdin. */
static int drop_from_json(const json_t *j, struct hr_verdict *ret, struct err *err)
{
	const char *drop = jx_get_text(j, "drop");

	ret->drop_ms = json_integer_value(json_object_get(j, "drop_ms"));
	if (!json_object_get(j, "drop") && ret->date_ms) {
		drop = ret->name;
		ret->drop_ms = ret->date_ms;
	}
	if (!drop)
		return 0;
	ret->drop = str_dup(str_of(drop));
	return ret->drop ? 0 : err_nomem(err);
}

int hr_verdict_from_json(const json_t *j, struct hr_verdict *ret, struct err *err)
{
	const char *digest = jx_get_text(j, "digest"), *name = jx_get_text(j, "file");
	const json_t *columns = json_object_get(j, "columns");
	const char *question = jx_get_text(j, "question"); /* older versions kept none */
	int r = 0;

	if (!digest || strlen(digest) >= sizeof(ret->digest) || !json_is_array(columns))
		return err_set(err, ERR_PROTOCOL, "no verdict of an export");
	ret->complete = true;
	memcpy(ret->digest, digest, strlen(digest) + 1);
	snprintf(ret->question, sizeof(ret->question), "%s", question ? question : "");
	ret->name = str_dup(str_of(name));
	ret->date_ms = json_integer_value(json_object_get(j, "date_ms"));
	ret->rows = (uint64_t)json_integer_value(json_object_get(j, "rows"));
	ret->people = (uint64_t)json_integer_value(json_object_get(j, "people"));
	ret->final_newline = json_is_true(json_object_get(j, "final_newline"));
	r = drop_from_json(j, ret, err);
	for (size_t i = 0; r == 0 && i < json_array_size(columns); i++)
		r = text_keep(&ret->columns,
			      str_of(json_string_value(json_array_get(columns, i))), err);
	return ret->name ? r : err_nomem(err);
}
