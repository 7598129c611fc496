/*
 * What servers and operators write and the directory reader decodes: the first byte chooses the
 * decoder. Beyond not breaking: what has a normal form keeps it when it is read again, and what
 * is escaped cannot leave its place in a filter.
 */
#include <stdlib.h>

#include "base/stamp.h"
#include "ldap/cert.h"
#include "ldap/code.h"
#include "ldap/dn.h"
#include "ldap/entry.h"
#include "model/maptext.h"
#include "ldap/options.h"
#include "ldap/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void fuzz_dn(struct str s)
{
	struct buf once, twice;
	struct err err;

	buf_init(&once, 8 * DIR_DN_MAX_BYTES);
	buf_init(&twice, 8 * DIR_DN_MAX_BYTES);
	if (dir_dn_normal(s, &once, &err) < 0) {
		must(err.code == ERR_INVALID_VALUE || err.code == ERR_LIMIT);
	} else if (once.len <= DIR_DN_MAX_BYTES) {
		must(dir_dn_normal(buf_str(&once), &twice, &err) == 0);
		must(str_eq(buf_str(&once), buf_str(&twice)));
		must(dir_dn_under(buf_str(&once), dir_dn_parent(buf_str(&once))));
	}
	buf_done(&once);
	buf_done(&twice);
}

static void fuzz_ids(struct str s)
{
	for (int form = DIR_ID_UUID; form <= DIR_ID_TEXT; form++) {
		char text[DIR_ID_BYTES];
		struct buf filter;
		struct err err;

		if (!dir_id_text((enum dir_id_form)form, s, text))
			continue;
		buf_init(&filter, 4096);
		must(dir_id_filter((enum dir_id_form)form, "id", str_of(text), &filter));
		must(dir_filter_check(buf_str(&filter), &err) == 0);
		buf_done(&filter);
	}
}

static void fuzz_numbers(struct str s)
{
	char sid[DIR_SID_BYTES];
	uint32_t bits;
	int64_t at;
	bool flag;

	(void)dir_flag(s, &flag);
	(void)dir_bits(s, &bits);
	if (dir_shadow_day(s, &at))
		must(at > 0);
	if (stamp_parse_filetime(s, &at))
		must(at >= stamp_from_civil(1601, 1, 1, 0, 0, 0));
	(void)stamp_parse_generalized(s, &at);
	if (dir_sid_text(s, sid))
		must(strlen(sid) < sizeof(sid));
}

static void fuzz_filter(struct str s)
{
	struct buf filter;
	struct err err;

	if (dir_filter_check(s, &err) < 0)
		must(err.code == ERR_CONFIG);
	buf_init(&filter, 1 << 20);
	buf_add_text(&filter, "(a=");
	dir_filter_escape(s, &filter);
	buf_add_char(&filter, ')');
	if (filter.fault == 0 && filter.len <= DIR_VALUE_MAX_BYTES)
		must(dir_filter_check(buf_str(&filter), &err) == 0);
	buf_done(&filter);
}

static void fuzz_states(struct str s)
{
	struct dir_options none = { 0 };

	for (int kind = 0; kind < DIR_KIND_COUNT; kind++) {
		struct dir_status_table *t = NULL;
		struct dir_entry e = { 0 };
		struct dir_status status;

		must(dir_status_table_new((enum dir_kind)kind, &none, &t, NULL) == 0);
		for (const char *const *name = dir_status_names(t); *name; name++) {
			struct dir_attr a = { str_of(*name), { 0 }, 0, 1 };

			e.attrs.n = e.values.n = 0;
			must(dir_attrs_add(&e.attrs, a) == 0 &&
			     dir_values_add(&e.values, s) == 0);
			dir_status_read(t, &e, NULL, NULL, 1795338000000LL, &status);
			must(status.state >= 0 && status.state < DIR_STATE_COUNT);
			must(str_utf8(str_of(status.raw), NULL));
		}
		dir_entry_done(&e);
		dir_status_table_free(t);
	}
}

static void fuzz_texts(struct str s)
{
	struct str attr, value, has;
	struct maptext m;
	struct dir_cert cert;
	struct err err;

	if (maptext_parse("userName", s, dir_attr_name_ok, &m, &err) == 0)
		maptext_done(&m);
	else
		must(err.code == ERR_CONFIG);
	if (dir_canary_parse(s, &attr, &value, &has, &err) == 0)
		must(dir_attr_name_ok(attr) && value.len > 0);
	if (dir_cert_read(s, "ldap.example.test", &cert))
		must(strlen(cert.names) < sizeof(cert.names));
}

static void fuzz_words(struct str s)
{
	char *text = str_dup(s);
	struct err err;

	must(text != NULL);
	(void)!dir_code_fault(80, text, &err, "search");
	must(str_utf8(str_of(err.text), NULL));
	for (const char *p = err.text; *p; p++)
		must((unsigned char)*p >= ' ');
	free(text);
}

static void (*const decoders[])(struct str s) = { fuzz_dn,     fuzz_ids,    fuzz_numbers,
						  fuzz_filter, fuzz_states, fuzz_texts,
						  fuzz_words };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0)
		decoders[data[0] % COUNT_OF(decoders)](str_n((const char *)data + 1, size - 1));
	return 0;
}
