#include "atlassian/site.h"

#include <stdio.h>

#include "base/stamp.h"

#define PATH_BYTES 65536
#define LIST_PAGES_MOST 100000

struct atl_site {
	const struct atl_site_options *o;
	struct atl_options api_options[ATL_API_COUNT]; /* the organisation's, with another
							  address; texts are borrowed */
	char *url[ATL_API_COUNT];
	char *name; /* "site acme.atlassian.net" */
	struct atl_client *client[ATL_API_COUNT];
};

/* Where each API is; NULL: the site has none. */
static int url_make(const struct atl_site_options *o, enum atl_api api, char **ret,
		    struct err *err)
{
	CLEANUP(buf_done) struct buf url;
	const char *told = api == ATL_API_JIRA         ? o->jira_url
			   : api == ATL_API_CONFLUENCE ? o->confluence_url
						       : o->automation_url;
	bool has = api == ATL_API_CONFLUENCE ? o->confluence : o->jira;

	buf_init(&url, 1024);
	*ret = NULL;
	if (!has || (api == ATL_API_AUTOMATION && !o->cloud_id && !told))
		return 0;
	if (told)
		buf_add_text(&url, told);
	else if (api == ATL_API_AUTOMATION)
		buf_addf(&url, "https://api.atlassian.com/automation/public/jira/%s",
			 o->cloud_id);
	else
		buf_addf(&url, "https://%s", o->host);
	if (buf_fault(&url, err, "a site's address") < 0)
		return -err->code;
	*ret = buf_take(&url, NULL);
	return *ret ? 0 : err_nomem(err);
}

static int api_new(struct atl_site *s, enum atl_api api, const struct atl_options *org,
		   const struct secret *token, const struct secret *proxy_login,
		   struct httpc *http, struct err *err)
{
	struct atl_options *o = &s->api_options[api];
	int r = url_make(s->o, api, &s->url[api], err);

	if (r < 0 || !s->url[api])
		return r;
	*o = *org;
	o->name = s->name;
	o->base_url = s->url[api];
	o->per_second = s->o->per_second;
	r = atl_client_new(&s->client[api], o, token, proxy_login, http, err);
	if (r == 0 && s->o->login)
		r = atl_client_login(s->client[api], str_of(s->o->login), err);
	return r;
}

int atl_site_new(struct atl_site **ret, const struct atl_site_options *options,
		 const struct atl_options *org, const struct secret *token,
		 const struct secret *proxy_login, struct httpc *http, struct err *err)
{
	CLEANUP(atl_site_free_at) struct atl_site *s = calloc(1, sizeof(*s));
	CLEANUP(buf_done) struct buf name;
	int r = 0;

	buf_init(&name, 512);
	if (!s)
		return err_nomem(err);
	s->o = options;
	buf_addf(&name, "site %s", options->host);
	if (buf_fault(&name, err, "a site's name") < 0)
		return -err->code;
	s->name = buf_take(&name, NULL);
	if (!s->name)
		return err_nomem(err);
	for (int api = 0; r == 0 && api < ATL_API_COUNT; api++)
		r = api_new(s, (enum atl_api)api, org, token, proxy_login, http, err);
	if (r < 0)
		return err_context(err, r, "site %s", options->host);
	*ret = TAKE(s);
	return 0;
}

void atl_site_free(struct atl_site *s)
{
	if (!s)
		return;
	for (int api = 0; api < ATL_API_COUNT; api++) {
		atl_client_free(s->client[api]);
		free(s->url[api]);
	}
	free(s->name);
	free(s);
}

void atl_site_writes(struct atl_site *s, bool allowed)
{
	for (int api = 0; api < ATL_API_COUNT; api++)
		if (s->client[api])
			atl_client_writes(s->client[api], allowed);
}

bool atl_site_may_write(const struct atl_site *s)
{
	for (int api = 0; api < ATL_API_COUNT; api++)
		if (s->client[api] && atl_client_may_write(s->client[api]))
			return true;
	return false;
}

const struct atl_site_options *atl_site_options(const struct atl_site *s)
{
	return s->o;
}

bool atl_site_has(const struct atl_site *s, enum atl_api api)
{
	return s->client[api] != NULL;
}

uint64_t atl_site_calls(const struct atl_site *s)
{
	uint64_t n = 0;

	for (int api = 0; api < ATL_API_COUNT; api++)
		if (s->client[api])
			n += atl_client_calls(s->client[api]);
	return n;
}

struct str atl_user_id(const json_t *j, const char *key)
{
	if (key)
		j = json_object_get(j, key);
	return str_of(jx_get_text(j, "accountId"));
}

/* A refused credential is the site's, not the organisation's key. */
static int site_fault(const struct atl_site *s, int r, struct err *err)
{
	if (r != -ERR_UNAUTHORIZED)
		return r < 0 ? err_context(err, r, "%s", s->name) : 0;
	return err_set(
		err, ERR_UNAUTHORIZED,
		"%s: Atlassian answers 401: the API token (secret %s) is refused, or has "
		"expired: make one at id.atlassian.com and put it into the vault with "
		"`leaverd secret set %s`",
		s->name, s->o->token ? s->o->token : "", s->o->token ? s->o->token : "");
}

/* --- asking ------------------------------------------------------------------------------- */

/* more: a further query, "" if none. */
static int ask_path(struct atl_site *s, const struct atl_ask *ask, const char *path,
		    json_t **ret, struct atl_problem *problem, const json_t *body,
		    struct err *err)
{
	struct atl_request q = { .method = ask->method,
				 .path = path,
				 .family = ask->write ? ATL_ORG_WRITE : ATL_ORG_READ,
				 .write = ask->write,
				 .once = ask->once };
	CLEANUP(buf_done) struct buf text;
	int r = 0;

	buf_init(&text, 4u << 20);
	if (body)
		r = jx_text(body, &text, err);
	if (r == 0 && body)
		r = buf_fault(&text, err, "the body of a request");
	q.body = buf_str(&text);
	return r < 0 ? r : atl_call(s->client[ask->api], &q, ret, problem, err);
}

int atl_site_ask(struct atl_site *s, const struct atl_ask *ask, json_t **ret,
		 struct atl_problem *problem, struct err *err)
{
	CLEANUP(buf_done) struct buf path;
	int r;

	buf_init(&path, PATH_BYTES);
	if (problem)
		*problem = (struct atl_problem){ 0 };
	if (!s->client[ask->api])
		return err_set(err, ERR_INTERNAL, "%s has no such API", s->name);
	r = atl_path(&path, ask->path, ask->args, ask->arg_count, err);
	if (r == 0)
		r = ask_path(s, ask, path.p, ret, problem, ask->body, err);
	return site_fault(s, r, err);
}

/* --- lists -------------------------------------------------------------------------------- */

/* A list on its way. */
struct walk {
	struct atl_site *s;
	enum atl_site_list list;
	const struct atl_ask *ask;
	struct buf first; /* path and query of the first page */
	struct buf path;  /* of the page to come */
	json_t *body;     /* of a POST; owned */
	unsigned page;
	uint64_t at; /* rows before the page to come */
	bool over;
};

static const struct {
	const char *rows, *start, *limit;
} lists[] = {
	[ATL_LIST_VALUES] = { "values", "startAt", "maxResults" },
	[ATL_LIST_DESK] = { "values", "start", "limit" },
	[ATL_LIST_RESULTS] = { "results", "start", "limit" },
	[ATL_LIST_TOKEN] = { "issues", NULL, NULL },
	[ATL_LIST_LINK] = { NULL, NULL, "limit" },
};

static void walk_done(struct walk *w)
{
	buf_done(&w->first);
	buf_done(&w->path);
	json_decref(w->body);
}

/* Path and query of the page to come. */
static int page_path(struct walk *w, struct err *err)
{
	bool query = str_find(buf_str(&w->first), '?') < w->first.len;

	if (w->list == ATL_LIST_LINK && w->at)
		return 0; /* page_link() made it */
	buf_clear(&w->path);
	buf_add_str(&w->path, buf_str(&w->first));
	if (lists[w->list].start)
		buf_addf(&w->path, "%c%s=%llu", query ? '&' : '?', lists[w->list].start,
			 (unsigned long long)w->at);
	if (lists[w->list].limit)
		buf_addf(&w->path, "%c%s=%u", query || lists[w->list].start ? '&' : '?',
			 lists[w->list].limit, w->page);
	return buf_fault(&w->path, err, "the path of a page");
}

/* Where a link goes: a query of the same list, or a path, or a URL below the API's address,
 * which atl_call() checks. */
static int page_link(struct walk *w, const char *next, struct err *err)
{
	struct str to = str_of(next), first = buf_str(&w->first);
	CLEANUP(buf_done) struct buf path;
	int r;

	buf_init(&path, PATH_BYTES);
	if (to.len && to.p[0] == '?') {
		first.len = str_find(first, '?');
		buf_add_str(&path, first);
	}
	buf_add_str(&path, to);
	r = buf_fault(&path, err, "the path of a page");
	if (r < 0)
		return r;
	if (str_eq(buf_str(&path), buf_str(&w->path)))
		return err_set(err, ERR_PROTOCOL, "a list leads to the same page twice");
	buf_clear(&w->path);
	buf_add_str(&w->path, buf_str(&path));
	return buf_fault(&w->path, err, "the path of a page");
}

/* Whether another page follows; makes ready for it. */
static int page_next(struct walk *w, const json_t *page, size_t rows, struct err *err)
{
	const json_t *last =
		json_object_get(page, w->list == ATL_LIST_DESK ? "isLastPage" : "isLast");
	const json_t *links = json_object_get(page, "_links");
	const char *next;

	switch (w->list) {
	case ATL_LIST_VALUES:
	case ATL_LIST_DESK:
		w->over = json_is_boolean(last) ? json_is_true(last) : rows < w->page;
		break;
	case ATL_LIST_RESULTS:
		w->over = !jx_get_text(links, "next");
		break;
	case ATL_LIST_TOKEN:
		next = jx_get_text(page, "nextPageToken");
		w->over = !next;
		if (next &&
		    strcmp(next, json_string_value(json_object_get(w->body, "nextPageToken"))
					 ?: "") == 0)
			return err_set(err, ERR_PROTOCOL,
				       "a search leads to the same page twice");
		return next ? jx_set(w->body, "nextPageToken", json_string(next), err) : 0;
	case ATL_LIST_LINK:
		next = jx_get_text(links ? links : json_object_get(page, "links"), "next");
		w->over = !next;
		return next ? page_link(w, next, err) : 0;
	}
	/* an empty page that is not the last would go on for ever */
	if (!w->over && rows == 0)
		return err_set(err, ERR_PROTOCOL, "a list has an empty page before its end");
	return 0;
}

static bool is_bound(struct atl_bound *b)
{
	if (!b || (b->rows && (!b->until_ms || stamp_mono_ms() < b->until_ms)))
		return false;
	b->cut = true;
	return true;
}

static int page_rows(struct walk *w, const json_t *page, size_t *count, struct atl_bound *bound,
		     atl_site_row_fn fn, void *ctx, struct err *err)
{
	const json_t *rows, *row;
	size_t i;
	int r = 0;

	rows = lists[w->list].rows ? json_object_get(page, lists[w->list].rows)
				   : json_object_get(page, "results");
	if (!rows && w->list == ATL_LIST_LINK)
		rows = json_object_get(page, "data");
	if (!json_is_array(rows))
		return err_set(err, ERR_PROTOCOL, "a page has no rows");
	*count = json_array_size(rows);
	json_array_foreach (rows, i, row) {
		if (r < 0 || is_bound(bound))
			break;
		r = json_is_object(row) ? fn(ctx, row, err)
					: err_set(err, ERR_PROTOCOL, "a row is no object");
		if (bound)
			bound->rows--;
	}
	return r < 0 ? r : 0;
}

static int page_read(struct walk *w, struct atl_bound *bound, atl_site_row_fn fn, void *ctx,
		     struct err *err)
{
	CLEANUP(json_decref_at) json_t *page = NULL;
	size_t rows = 0;
	int r = page_path(w, err);

	if (r == 0)
		r = ask_path(w->s, w->ask, w->path.p, &page, NULL, w->body, err);
	if (r == 0)
		r = page_rows(w, page, &rows, bound, fn, ctx, err);
	if (r < 0)
		return r;
	w->at += rows ? rows : 1;
	return bound && bound->cut ? 0 : page_next(w, page, rows, err);
}

int atl_site_each(struct atl_site *s, enum atl_site_list list, const struct atl_ask *ask,
		  unsigned page, struct atl_bound *bound, atl_site_row_fn fn, void *ctx,
		  struct err *err)
{
	CLEANUP(walk_done) struct walk w = { .s = s, .list = list, .ask = ask, .page = page };
	int r;

	buf_init(&w.first, PATH_BYTES);
	buf_init(&w.path, PATH_BYTES);
	if (!s->client[ask->api])
		return err_set(err, ERR_INTERNAL, "%s has no such API", s->name);
	r = atl_path(&w.first, ask->path, ask->args, ask->arg_count, err);
	if (r == 0 && ask->body) {
		w.body = json_deep_copy(ask->body);
		r = w.body ? 0 : err_nomem(err);
	}
	if (r == 0 && list == ATL_LIST_TOKEN)
		r = jx_set(w.body, "maxResults", json_integer(page), err);
	for (unsigned n = 1; r == 0 && !w.over && !is_bound(bound); n++) {
		if (n > LIST_PAGES_MOST)
			r = err_set(err, ERR_PROTOCOL, "a list has no end");
		else
			r = page_read(&w, bound, fn, ctx, err);
	}
	return site_fault(s, r, err);
}
