#include "scim/resource.h"

#include <stdio.h>

#include "base/jx.h"
#include "model/validate.h"
#include "scim/codec.h"
#include "scim/list.h"
#include "scim/members.h"
#include "scim/params.h"
#include "scim/patch.h"

#define NOT_MODIFIED 1 /* answer of conditions_check() */

/* --- entity-tags ----------------------------------------------------------------------------
 */

/* Takes one tag from the front of s: W/"..." or "...". False if there is none. */
static bool tag_take(struct str *s, struct str *tag)
{
	struct str rest = *s;
	size_t end;

	if (str_starts(rest, STR("W/")))
		rest = str_n(rest.p + 2, rest.len - 2);
	if (!str_starts(rest, STR("\"")))
		return false;
	rest = str_n(rest.p + 1, rest.len - 1);
	end = str_find(rest, '"');
	if (end == rest.len)
		return false;
	*tag = str_n(rest.p, end);
	*s = str_trim(str_n(rest.p + end + 1, rest.len - end - 1));
	return true;
}

/* Whether it is the tag: what codec_etag() says between the quotes. */
static bool tag_is(struct str said, struct codec_tag tag, bool own)
{
	char text[SCIM_ETAG_BYTES];
	struct str ours;

	if (own) {
		said = str_n(said.p, str_find(said, '.'));
		tag.groups = 0;
	}
	codec_etag(tag, text);
	ours = str_of(text + 3);
	return str_eq(said, str_n(ours.p, ours.len - 1));
}

int resource_tag_matches(const char *header, struct codec_tag own, bool versions,
			 struct err *err)
{
	struct str rest = str_trim(str_of(header)), tag;
	int found = 0, tags = 0;

	if (str_eq(rest, STR("*")))
		return 1;
	for (;;) {
		while (str_starts(rest, STR(",")))
			rest = str_trim(str_n(rest.p + 1, rest.len - 1));
		if (rest.len == 0 && tags > 0)
			return found;
		if (!tag_take(&rest, &tag))
			return err_set(err, ERR_INVALID_SYNTAX,
				       "an entity-tag such as W/\"3\", or *, was expected in "
				       "If-Match or If-None-Match");
		tags++;
		found |= tag_is(tag, own, versions);
		if (rest.len > 0 && rest.p[0] != ',')
			return err_set(err, ERR_INVALID_SYNTAX,
				       "entity-tags must be separated by commas");
	}
}

/*
 * RFC 9110 section 13.2.2: If-Match first, then If-None-Match. 0: go on. NOT_MODIFIED: a
 * read of what the client has. Fault: PRECONDITION, INVALID_SYNTAX.
 */
static int conditions_check(const struct scim_request *req, enum scim_type type,
			    struct codec_tag tag, struct err *err)
{
	bool reads = req->method == HTTP_GET || req->method == HTTP_HEAD;
	const char *name = codec_schema(type)->name;
	int r = req->if_match ? resource_tag_matches(req->if_match, tag, true, err) : 1;

	if (r == 0)
		return err_set(err, ERR_PRECONDITION,
			       "the %s has changed: its version is W/\"%llu\" now", name,
			       (unsigned long long)tag.version);
	if (r > 0 && req->if_none_match)
		r = resource_tag_matches(req->if_none_match, tag, !reads, err);
	else if (r > 0)
		return 0;
	if (r <= 0 || reads)
		return r < 0 ? r : r * NOT_MODIFIED;
	return err_set(err, ERR_PRECONDITION,
		       "the %s is there, of version W/\"%llu\", which If-None-Match excludes",
		       name, (unsigned long long)tag.version);
}

int resource_read_tag(struct scim_call *call, enum scim_type type, struct codec_tag tag,
		      bool *answered, struct err *err)
{
	int r;

	codec_etag(tag, call->res->etag);
	r = conditions_check(call->req, type, tag, err);
	*answered = r == NOT_MODIFIED;
	if (*answered)
		call_answer(call, 304, false);
	return r < 0 ? r : 0;
}

/* --- sending --------------------------------------------------------------------------------
 */

/* Whether members or groups go with it, which want a read of their own. */
static bool row_wants(const struct scim_row *row, const struct codec_projection *projection)
{
	return !row->alone &&
	       codec_wants(projection, row->type == SCIM_GROUP ? "members" : "groups");
}

/* The resource with what goes with it and, at creation, its Location. */
static int row_answer(struct scim_call *call, const struct scim_row *row, struct str linked,
		      const struct codec_projection *projection, int status, struct err *err)
{
	CLEANUP(buf_done) struct buf location;
	int r;

	buf_init(&location, sizeof(call->res->location) - 1);
	r = codec_send(call->res->body, row, call->base, linked, projection, err);
	if (r == 0)
		r = buf_fault(call->res->body, err, "the response");
	if (r == 0 && status == 201) {
		codec_location(&location, call->base, row->type, row->id);
		r = buf_fault(&location, err, "the Location header");
		if (r == 0)
			memcpy(call->res->location, location.p, location.len + 1);
	}
	if (r < 0)
		return r;
	call_answer(call, status, true);
	return HTTP_DONE;
}

static int not_found(enum scim_type type, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "there is no such %s", codec_schema(type)->name);
}

/* A read row, kept until the read is over; what needs no other read is answered inside it. */
struct reading {
	struct scim_call *call;
	const struct codec_projection *projection;
	bool answered;
	struct scim_row row;
	struct buf bytes;
};

static int row_take(void *arg, const struct scim_row *row, struct err *err)
{
	struct reading *into = arg;
	struct scim_call *call = into->call;
	/* a group's members count in its version: no need to read 100,000 for a 304 */
	bool marked = row->type == SCIM_USER && row_wants(row, into->projection);
	int r = 0;

	call->fresh = row->fresh;
	call->fresh.groups = !row->alone;
	call->tag = (struct codec_tag){ row->version, 0 };
	if (!marked)
		r = resource_read_tag(call, row->type, call->tag, &into->answered, err);
	if (r < 0 || into->answered)
		return r;
	if (row->alone) {
		into->answered = true;
		return row_answer(call, row, STR(""), into->projection, 200, err);
	}
	into->row = *row;
	buf_add_str(&into->bytes, row->bytes);
	into->row.bytes = buf_str(&into->bytes);
	return buf_fault(&into->bytes, err, "a resource");
}

static void reading_done(struct reading *r)
{
	buf_done(&r->bytes);
}

/* What wants a read of members or groups beside its own. */
static int reading_answer(struct reading *got, struct err *err)
{
	struct scim_call *call = got->call;
	const struct scim_row *row = &got->row;
	CLEANUP(buf_done) struct buf linked;
	int r = 0;

	buf_init(&linked, call->res->body->max);
	if (row_wants(row, got->projection)) {
		r = list_linked(call, row->type, row->id, &linked, err);
		if (r == 0 && row->type == SCIM_USER) {
			call->tag = codec_tag_of(row, buf_str(&linked));
			r = resource_read_tag(call, row->type, call->tag, &got->answered, err);
		}
	}
	if (r < 0 || got->answered)
		return r < 0 ? r : HTTP_DONE;
	return row_answer(call, row, buf_str(&linked), got->projection, 200, err);
}

int resource_get(struct scim_call *call, enum scim_type type, struct str id, struct err *err)
{
	const struct scim_backend *b = call->backend;
	CLEANUP(codec_projection_done) struct codec_projection projection = { 0 };
	CLEANUP(reading_done) struct reading got = { .call = call, .projection = &projection };
	int r = params_projection(call->req->query, codec_dialect(type), &projection, err);

	buf_init(&got.bytes, call->res->body->max);
	if (r == 0)
		r = b->get(b->ctx, &call->client, type, id, row_take, &got, err);
	if (r != 0)
		return r < 0 ? r : not_found(type, err);
	if (got.answered)
		return HTTP_DONE;
	got.row.id = id;
	return reading_answer(&got, err);
}

/* --- a write on its way ---------------------------------------------------------------------
 */

struct job {
	struct scim_write write; /* first: the backend hands it back */
	struct scim_call call;
	struct codec_projection projection;
	int status; /* of the response, if it goes well */

	json_t *body;        /* as it came */
	json_t *doc;         /* POST, PUT: what it says; later: what is kept */
	struct patch *patch; /* PATCH */
	struct coercions coercions;

	struct membership members;
	struct buf bytes; /* what is kept, and sent */
	char *name;       /* folded */
};

static void job_free(struct job *job)
{
	codec_projection_done(&job->projection);
	json_decref(job->body);
	json_decref(job->doc);
	patch_free(job->patch);
	membership_done(&job->members);
	buf_done(&job->bytes);
	free(job->name);
	free(job);
}
OWNED(struct job, job_free)

static struct str job_id(const struct job *job)
{
	return str_of(job->write.id);
}

/* "*" of what does not exist: the condition has failed (RFC 9110 section 13.1.1). */
static bool any_version(const char *if_match)
{
	return if_match && str_eq(str_trim(str_of(if_match)), STR("*"));
}

/* The resource as the write left it. */
static int job_answer(struct job *job, const struct scim_after *after, struct err *err)
{
	struct scim_call *call = &job->call;
	CLEANUP(buf_done) struct buf linked;
	struct scim_row row = { .type = job->write.type,
				.id = job_id(job),
				.bytes = buf_str(&job->bytes),
				.version = after->version,
				.created_ms = after->created_ms,
				.modified_ms = after->modified_ms };
	/* a new user is in no group */
	bool none = job->status == 204 || (job->status == 201 && row.type == SCIM_USER);
	int r = 0;

	buf_init(&linked, call->res->body->max);
	if (!none && row_wants(&row, &job->projection))
		r = list_linked(call, row.type, row.id, &linked, err);
	if (r < 0)
		return r;
	codec_etag(codec_tag_of(&row, buf_str(&linked)), call->res->etag);
	if (job->status == 204) {
		call_answer(call, 204, false);
		return HTTP_DONE;
	}
	return row_answer(call, &row, buf_str(&linked), &job->projection, job->status, err);
}

static void job_done(struct scim_write *w, int r, const struct scim_after *after,
		     const struct err *fault)
{
	struct job *job = (struct job *)w;
	struct scim_call *call = &job->call;
	struct scim_response *res = call->res;
	struct err err;

	call_count(&job->coercions);
	if (r < 0) {
		err = *fault;
		if (any_version(call->req->if_match) && err.code == ERR_NOT_FOUND)
			err_set(&err, ERR_PRECONDITION, "%s", fault->text);
		call_fault(call, &err);
	} else if (w->kind == SCIM_DELETE) {
		call_answer(call, 204, false);
	} else if (job_answer(job, after, &err) < 0) {
		call_fault(call, &err);
	}
	job_free(job);
	res->resume(res);
}

static int match_check(const struct job *job, const struct scim_before *before, struct err *err)
{
	struct codec_tag tag = { before->row->version, 0 };

	return conditions_check(job->call.req, job->write.type, tag, err);
}

/* What the job made, for the backend. doc NULL: the document stays. */
static int change_fill(struct job *job, const json_t *doc, struct scim_change *ret,
		       struct err *err)
{
	struct scim_change change = { .doc_changed = doc != NULL };
	size_t len;
	int r = membership_lists(&job->members, &change.members, err);

	if (r < 0)
		return r;
	if (doc) {
		free(TAKE(job->name));
		r = codec_name(doc, job->write.type, &job->name, &len, err);
		if (r < 0)
			return r;
		change.bytes = buf_str(&job->bytes);
		change.doc = doc;
		change.name_folded = str_n(job->name, len);
		change.unique = job->write.type == SCIM_USER ||
				(job->write.client.profile & SCIM_UNIQUE_GROUPS);
	}
	*ret = change;
	return 0;
}

/*
 * Brings doc into its kept form and says whether that differs from what stands there. Takes
 * over the job's doc and bytes.
 */
static int job_settle(struct job *job, const json_t *doc, const json_t *old,
		      const struct scim_before *before, struct scim_change *ret,
		      struct err *err)
{
	const struct schema *schema = codec_schema(job->write.type);
	json_t *kept = NULL;
	bool changed;
	int r = validate_whole(doc, schema, err);

	if (r == 0)
		r = validate_order(doc, schema, &kept, err);
	if (r < 0)
		return r;
	changed = !old || !json_equal(kept, old);
	json_decref(job->doc);
	job->doc = kept;
	buf_done(&job->bytes);
	if (changed) {
		r = codec_keep(&job->bytes, kept, err);
	} else {
		buf_init(&job->bytes, before->row->bytes.len);
		buf_add_str(&job->bytes, before->row->bytes);
		r = buf_fault(&job->bytes, err, "a resource");
	}
	if (r < 0)
		return r;
	return change_fill(job, changed ? kept : NULL, ret, err);
}

static int old_read(const struct scim_before *before, json_t **ret, struct err *err)
{
	struct err why;
	int r = jx_parse(before->row->bytes, JX_LENIENT, ret, &why);

	if (r == -ERR_NOMEM)
		return err_nomem(err);
	if (r < 0)
		return err_set(err, ERR_DAMAGED,
			       "resource " STR_FMT ": what is kept is not JSON: %s",
			       STR_ARG(before->row->id), why.text);
	return 0;
}

static unsigned tolerance(const struct scim_client *client)
{
	return (client->profile & SCIM_JSON_TEXT ? VALIDATE_JSON_TEXT : 0) |
	       (client->profile & SCIM_OLD_URNS ? VALIDATE_OLD_URNS : 0);
}

static int job_new(struct job **ret, struct scim_call *call, enum scim_write_kind kind,
		   enum scim_type type, struct str id, struct err *err)
{
	const struct codec_tag none = { 0 };
	struct job *job;

	if (id.len > ENC_UUID_CHARS || memchr(id.p ? id.p : "", '\0', id.len))
		return not_found(type, err); /* none of our ids is like that */
	if ((call->req->if_match &&
	     resource_tag_matches(call->req->if_match, none, true, err) < 0) ||
	    (call->req->if_none_match &&
	     resource_tag_matches(call->req->if_none_match, none, true, err) < 0))
		return -ERR_INVALID_SYNTAX;
	job = calloc(1, sizeof(*job));
	if (!job)
		return err_nomem(err);
	job->call = *call;
	job->status = 200;
	job->write = (struct scim_write){ .kind = kind,
					  .type = type,
					  .client = call->client,
					  .request = call->req->id,
					  .peer = call->req->peer,
					  .done = job_done };
	memcpy(job->write.id, id.p, id.len);
	*ret = job;
	return params_projection(call->req->query, codec_dialect(type), &job->projection, err);
}

/* Gives the job away; the response is no longer ours to touch. */
static int job_submit(struct job **job, struct err *err)
{
	const struct scim_backend *b = (*job)->call.backend;
	int r = b->submit(b->ctx, &(*job)->write, err);

	if (r < 0)
		return r;
	TAKE(*job);
	return HTTP_PARKED;
}

/* --- POST and PUT ---------------------------------------------------------------------------
 */

/*
 * The body as a clean document with the job's id; its members, if it speaks of them, as
 * wishes.
 */
static int body_read(struct job *job, struct err *err)
{
	const struct schema *schema = codec_schema(job->write.type);
	int r = call_json(&job->call, &job->body, err);

	if (r == 0)
		r = validate_document(job->body, schema, tolerance(&job->write.client),
				      &job->doc, &job->coercions, err);
	if (r == 0)
		r = jx_set(job->doc, "id", json_string(job->write.id), err);
	if (r < 0 || job->write.type != SCIM_GROUP || !jx_get_i(job->body, STR("members")))
		return r;
	membership_clear(&job->members);
	r = membership_take(&job->members, json_object_get(job->doc, "members"), true,
			    job_id(job), err);
	json_object_del(job->doc, "members");
	return r;
}

static int create_apply(struct scim_write *w, const struct scim_before *before,
			struct scim_change *ret, struct err *err)
{
	struct job *job = (struct job *)w;

	(void)before;
	return change_fill(job, job->doc, ret, err);
}

int resource_create(struct scim_call *call, enum scim_type type, struct err *err)
{
	CLEANUP(job_free_at) struct job *job = NULL;
	char id[ENC_UUID_CHARS + 1];
	struct scim_change unused;
	int r;

	enc_uuid_new(id);
	r = job_new(&job, call, SCIM_CREATE, type, str_of(id), err);
	if (r == 0)
		r = body_read(job, err);
	if (r == 0 && type == SCIM_USER && !json_object_get(job->doc, "active"))
		r = jx_set(job->doc, "active", json_true(), err);
	if (r == 0) /* a new group starts empty: all others are none */
		r = job_settle(job, job->doc, NULL, NULL, &unused, err);
	if (r < 0)
		return r;
	job->members.all = false;
	job->status = 201;
	job->write.apply = create_apply;
	return job_submit(&job, err);
}

/* A readWrite attribute that PUT leaves out is cleared (RFC 7644 section 3.5.1), but these. */
static int left_out_keep(struct job *job, const json_t *old, json_t *doc, struct err *err)
{
	json_t *active = json_object_get(old, "active");
	int r = 0;

	if (active && !jx_get_i(job->body, STR("active")))
		r = jx_set(doc, "active", json_incref(active), err);
	if (!(job->write.client.profile & SCIM_KEEP_EXTENSIONS))
		return r;
	for (size_t i = 0; r == 0 && schema_all[i]; i++) {
		struct str urn = str_of(schema_all[i]->urn);
		json_t *container = json_object_get(old, urn.p);

		if (schema_all[i]->extension && container && !jx_get_i(job->body, urn))
			r = jx_set(doc, urn.p, json_incref(container), err);
	}
	return r;
}

static int replace_apply(struct scim_write *w, const struct scim_before *before,
			 struct scim_change *ret, struct err *err)
{
	struct job *job = (struct job *)w;
	CLEANUP(json_decref_at) json_t *old = NULL;
	int r = match_check(job, before, err);

	if (r == 0)
		r = old_read(before, &old, err);
	if (r == 0)
		r = left_out_keep(job, old, job->doc, err);
	if (r < 0)
		return r;
	return job_settle(job, job->doc, old, before, ret, err);
}

int resource_replace(struct scim_call *call, enum scim_type type, struct str id,
		     struct err *err)
{
	CLEANUP(job_free_at) struct job *job = NULL;
	int r = job_new(&job, call, SCIM_UPDATE, type, id, err);

	if (r == 0)
		r = body_read(job, err);
	if (r < 0)
		return r;
	if (type == SCIM_GROUP && !(call->client.profile & SCIM_KEEP_MEMBERS) &&
	    !jx_get_i(job->body, STR("members")))
		membership_clear(&job->members); /* left out: cleared, as all that is */
	job->write.apply = replace_apply;
	return job_submit(&job, err);
}

/* --- PATCH and DELETE -----------------------------------------------------------------------
 */

static int patch_write(struct scim_write *w, const struct scim_before *before,
		       struct scim_change *ret, struct err *err)
{
	struct job *job = (struct job *)w;
	CLEANUP(json_decref_at) json_t *old = NULL, *doc = NULL;
	int r = match_check(job, before, err);

	if (r == 0)
		r = old_read(before, &old, err);
	if (r < 0)
		return r;
	doc = json_deep_copy(old);
	if (!doc)
		return err_nomem(err);
	r = patch_apply(job->patch, doc, &job->members, before, &job->coercions, err);
	if (r < 0)
		return r;
	return job_settle(job, doc, old, before, ret, err);
}

int resource_patch(struct scim_call *call, enum scim_type type, struct str id, struct err *err)
{
	const struct patch_options options = { type, call->client.profile,
					       call->options->max_operations, call->base };
	CLEANUP(job_free_at) struct job *job = NULL;
	int r = job_new(&job, call, SCIM_UPDATE, type, id, err);

	if (r == 0)
		r = call_json(call, &job->body, err);
	if (r == 0)
		r = patch_parse(job->body, &options, &job->patch, &job->coercions, err);
	if (r < 0)
		return r;
	/* a whole member list back would be poison for who sent one name */
	if (type == SCIM_GROUP && !job->projection.given)
		job->status = 204;
	job->write.apply = patch_write;
	return job_submit(&job, err);
}

static int delete_apply(struct scim_write *w, const struct scim_before *before,
			struct scim_change *ret, struct err *err)
{
	int r = match_check((struct job *)w, before, err);

	if (r == 0)
		*ret = (struct scim_change){ 0 };
	return r;
}

int resource_delete(struct scim_call *call, enum scim_type type, struct str id, struct err *err)
{
	CLEANUP(job_free_at) struct job *job = NULL;
	int r = job_new(&job, call, SCIM_DELETE, type, id, err);

	if (r < 0)
		return r;
	job->write.apply = delete_apply;
	return job_submit(&job, err);
}
