#include "base/rewrite.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/*
 * What one match may cost. A pattern that runs into a limit is refused for this value with a
 * fault, which is not "no match": nobody is taken for somebody else because a pattern gave up.
 */
#define PATTERN_MAX_BYTES 4096
#define SUBJECT_MAX_BYTES 65536
#define RESULT_MAX_BYTES 65536
#define MATCH_STEPS 200000
#define MATCH_DEPTH 2000
#define MATCH_HEAP_KIB 4096

struct rewrite {
	pcre2_general_context *general;
	pcre2_match_context *limits;
	pcre2_code *code;
	char *with; /* NULL: a matcher only */
};

/* Through our own malloc(), so that tests can lose memory here too. */
static void *memory_get(size_t bytes, void *ctx)
{
	(void)ctx;
	return malloc(bytes);
}

static void memory_put(void *p, void *ctx)
{
	(void)ctx;
	free(p);
}

void rewrite_free(struct rewrite *r)
{
	if (!r)
		return;
	pcre2_code_free(r->code);
	pcre2_match_context_free(r->limits);
	pcre2_general_context_free(r->general);
	free(r->with);
	free(r);
}

static void compile_context_free_at(pcre2_compile_context **c)
{
	pcre2_compile_context_free(*c);
}

static void match_data_free_at(pcre2_match_data **m)
{
	pcre2_match_data_free(*m);
}

static int pattern_compile(struct rewrite *r, const char *pattern, struct err *err)
{
	CLEANUP(compile_context_free_at)
	pcre2_compile_context *context = pcre2_compile_context_create(r->general);
	unsigned char words[128] = "";
	PCRE2_SIZE at = 0;
	int code = 0;

	if (!context)
		return err_nomem(err);
	pcre2_set_max_pattern_length(context, PATTERN_MAX_BYTES);
	r->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
				PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &at, context);
	if (r->code)
		return 0;
	if (code == PCRE2_ERROR_HEAP_FAILED)
		return err_nomem(err);
	pcre2_get_error_message(code, words, sizeof(words));
	return err_set(err, ERR_CONFIG, "pattern \"%.200s\" at byte %zu: %s", pattern, at,
		       (const char *)words);
}

/* The number of group name, a number or a name; -1 where the pattern has no such group. */
static int group_number(const struct rewrite *r, struct str name)
{
	char text[64];
	uint64_t number;
	uint32_t most = 0;
	int n;

	if (name.len == 0 || name.len >= sizeof(text))
		return -1;
	pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &most);
	if (str_uint64(name, &number))
		return number <= most ? (int)number : -1;
	memcpy(text, name.p, name.len);
	text[name.len] = '\0';
	n = pcre2_substring_number_from_name(r->code, (PCRE2_SPTR)text);
	return n > 0 || n == PCRE2_ERROR_NOUNIQUESUBSTRING ? 1 : -1;
}

static size_t name_length(struct str s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
				      "0123456789";
	size_t n = 0;

	while (n < s.len && s.p[n] && strchr(letters, s.p[n]))
		n++;
	return n;
}

/* What stands behind the '$' at s.p[at]: its bytes, or 0 where it is no group of ours. */
static size_t reference_length(const struct rewrite *r, struct str s)
{
	size_t n;

	if (s.len > 0 && s.p[0] == '$')
		return 1;
	if (s.len > 0 && s.p[0] == '{') {
		n = name_length(str_n(s.p + 1, s.len - 1));
		if (n + 1 >= s.len || s.p[n + 1] != '}' ||
		    group_number(r, str_n(s.p + 1, n)) < 0)
			return 0;
		return n + 2;
	}
	n = name_length(s);
	return group_number(r, str_n(s.p, n)) < 0 ? 0 : n;
}

/* Now, not at the first match: a config that names a group which is not there is wrong. */
static int with_check(const struct rewrite *r, struct err *err)
{
	struct str s = str_of(r->with);
	size_t bad;

	if (s.len > PATTERN_MAX_BYTES)
		return err_set(err, ERR_CONFIG, "a replacement may have at most %d bytes",
			       PATTERN_MAX_BYTES);
	if (!str_utf8(s, &bad))
		return err_set(err, ERR_CONFIG, "replacement at byte %zu: not UTF-8", bad);
	for (size_t i = 0; i < s.len; i++) {
		size_t n;

		if (s.p[i] != '$')
			continue;
		n = reference_length(r, str_n(s.p + i + 1, s.len - i - 1));
		if (n == 0)
			return err_set(err, ERR_CONFIG,
				       "replacement \"%.200s\" at byte %zu: the pattern has no "
				       "such group ($$ stands for a dollar)",
				       r->with, i);
		i += n;
	}
	return 0;
}

int rewrite_new(struct rewrite **ret, const char *pattern, const char *with, struct err *err)
{
	CLEANUP(rewrite_free_at) struct rewrite *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return err_nomem(err);
	r->general = pcre2_general_context_create(memory_get, memory_put, NULL);
	r->limits = r->general ? pcre2_match_context_create(r->general) : NULL;
	if (with)
		r->with = str_dup(str_of(with));
	if (!r->limits || (with && !r->with))
		return err_nomem(err);
	pcre2_set_match_limit(r->limits, MATCH_STEPS);
	pcre2_set_depth_limit(r->limits, MATCH_DEPTH);
	pcre2_set_heap_limit(r->limits, MATCH_HEAP_KIB);
	rc = pattern_compile(r, pattern, err);
	if (rc == 0 && with)
		rc = with_check(r, err);
	if (rc < 0)
		return rc;
	*ret = TAKE(r);
	return 0;
}

static int match_fault(int code, struct err *err)
{
	unsigned char words[128] = "";

	if (code == PCRE2_ERROR_NOMEMORY)
		return err_nomem(err);
	pcre2_get_error_message(code, words, sizeof(words));
	switch (code) {
	case PCRE2_ERROR_MATCHLIMIT:
	case PCRE2_ERROR_DEPTHLIMIT:
	case PCRE2_ERROR_HEAPLIMIT:
		return err_set(err, ERR_LIMIT,
			       "a pattern takes too long on a value (%s): make it simpler",
			       (const char *)words);
	default:
		return err_set(err, ERR_INVALID_VALUE, "a pattern cannot look at a value: %s",
			       (const char *)words);
	}
}

static int substitute(const struct rewrite *r, struct str s, pcre2_match_data *match,
		      char *into, PCRE2_SIZE *len)
{
	return pcre2_substitute(r->code, (PCRE2_SPTR)s.p, s.len, 0,
				PCRE2_SUBSTITUTE_OVERFLOW_LENGTH |
					PCRE2_SUBSTITUTE_UNSET_EMPTY | PCRE2_SUBSTITUTE_MATCHED,
				match, r->limits, (PCRE2_SPTR)r->with, PCRE2_ZERO_TERMINATED,
				(PCRE2_UCHAR *)into, len);
}

static int result_add(const struct rewrite *r, struct str s, pcre2_match_data *match,
		      struct buf *into, struct err *err)
{
	CLEANUP(free_at) char *large = NULL;
	char small[512];
	PCRE2_SIZE len = sizeof(small);
	int n = substitute(r, s, match, small, &len);

	if (n == PCRE2_ERROR_NOMEMORY && len != PCRE2_UNSET) { /* len says how much it needs */
		if (len > RESULT_MAX_BYTES)
			return err_set(err, ERR_LIMIT,
				       "a rewritten value would be longer than %d bytes",
				       RESULT_MAX_BYTES);
		large = malloc(len);
		if (!large)
			return err_nomem(err);
		n = substitute(r, s, match, large, &len);
	}
	if (n < 0)
		return match_fault(n, err);
	buf_add(into, large ? large : small, len);
	return buf_fault(into, err, "a rewritten value");
}

int rewrite_apply(const struct rewrite *r, struct str s, struct buf *into, struct err *err)
{
	CLEANUP(match_data_free_at) pcre2_match_data *match = NULL;
	int n;

	if (s.len > SUBJECT_MAX_BYTES)
		return err_set(err, ERR_LIMIT,
			       "a value of %zu bytes is too long for a pattern: at most %d",
			       s.len, SUBJECT_MAX_BYTES);
	if (!s.p)
		s.p = "";
	match = pcre2_match_data_create_from_pattern(r->code, r->general);
	if (!match)
		return err_nomem(err);
	n = pcre2_match(r->code, (PCRE2_SPTR)s.p, s.len, 0, 0, match, r->limits);
	if (n == PCRE2_ERROR_NOMATCH)
		return REWRITE_NO_MATCH;
	if (n < 0)
		return match_fault(n, err);
	return r->with ? result_add(r, s, match, into, err) : 0;
}
