#include "scim/params.h"

#define VALUE_MAX_BYTES (32 * 1024) /* the header block has no more */

static bool holds(struct str s, const char *what)
{
	return s.len > 0 && memmem(s.p, s.len, what, strlen(what));
}

int params_get(struct str query, const char *name, struct buf *into, struct err *err)
{
	bool plus_is_blank = !holds(query, "%20");
	struct str pair, key, value, rest = query;
	bool more = query.len > 0;

	while (more) {
		CLEANUP(buf_done) struct buf decoded;

		more = str_cut(rest, '&', &pair, &rest);
		str_cut(pair, '=', &key, &value);
		bool is_text;

		buf_init(&decoded, VALUE_MAX_BYTES);
		is_text = enc_unpercent(&decoded, key, plus_is_blank);
		if (decoded.fault) /* never as if the parameter were not there */
			return buf_fault(&decoded, err, "a query parameter");
		if (!is_text || !str_ieq(buf_str(&decoded), str_of(name)))
			continue;
		is_text = enc_unpercent(into, value, plus_is_blank);
		if (into->fault)
			return buf_fault(into, err, "a query parameter");
		if (!is_text)
			return err_set(err, ERR_INVALID_SYNTAX,
				       "query parameter %s: a broken escape", name);
		if (!str_utf8(buf_str(into), NULL))
			return err_set(err, ERR_INVALID_SYNTAX,
				       "query parameter %s is not UTF-8", name);
		return 1;
	}
	return 0;
}

int params_projection(struct str query, enum path_dialect dialect, struct codec_projection *ret,
		      struct err *err)
{
	CLEANUP(buf_done) struct buf only, without;
	int r;

	buf_init(&only, VALUE_MAX_BYTES);
	buf_init(&without, VALUE_MAX_BYTES);
	r = params_get(query, "attributes", &only, err);
	if (r >= 0)
		r = params_get(query, "excludedAttributes", &without, err);
	if (r < 0)
		return r;
	if (only.len > 0 && without.len > 0)
		return err_set(err, ERR_INVALID_VALUE,
			       "attributes and excludedAttributes exclude each other");
	ret->given = only.len > 0 || without.len > 0;
	ret->only = only.len > 0;
	if (!ret->given)
		return 0;
	return codec_projection_add(ret, ret->only ? buf_str(&only) : buf_str(&without),
				    dialect, err);
}
