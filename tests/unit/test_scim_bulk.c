/* Bulk requests (RFC 7644 section 3.7) against the service over a backend in memory. */
#include "tests/lib/test.h"

#include <unistd.h>

#include "base/jx.h"
#include "scim/bulk_read.h"
#include "scim/bulk_refs.h"
#include "scim/codec.h"
#include "scim/service.h"
#include "tests/lib/scim/memory.h"

#include "tests/lib/scim/memory.c" /* see there why */

#define BODY_BYTES (4 << 20)

struct stage {
	struct memory *memory;
	struct scim_service *service;
	const char *token;
	json_t *answer;
	int status;
	bool deferred;
	int went_on;    /* how often it was parked */
	unsigned go_on; /* asked for and not yet done */
	struct spool *spool;
};

static void stage_begin(struct stage *s, const struct scim_options *options)
{
	struct scim_options plain = { .public_url = "https://leaverd.example.com" };
	struct err err;

	if (options) {
		plain = *options;
		plain.public_url = "https://leaverd.example.com";
	}
	*s = (struct stage){ .memory = memory_new(), .token = "Bearer good" };
	memory_token(s->memory, "good", "idp", SCIM_MAY_ALL, 0);
	memory_token(s->memory, "writer", "idp", SCIM_MAY_READ | SCIM_MAY_WRITE, 0);
	assert_ok(scim_service_new(&s->service, memory_backend(s->memory), &plain, &err), &err);
}

static void stage_end(struct stage *s)
{
	scim_service_free(s->service);
	memory_free(s->memory);
	json_decref(s->answer);
	spool_free(s->spool);
}

static void on_go_on(struct scim_response *res)
{
	struct stage *s = res->ctx;

	s->go_on++;
}

static void ask(struct stage *s, const char *path, const char *body)
{
	struct buf out;
	struct scim_request req = { .method = HTTP_POST,
				    .path = str_of(path),
				    .body = s->spool ? str_of("") : str_of(body),
				    .spool = s->spool,
				    .authorization = s->token,
				    .id = "r-1",
				    .peer = "192.0.2.1" };
	struct scim_response res = { .body = &out, .go_on = on_go_on, .ctx = s };
	int r;

	buf_init(&out, BODY_BYTES);
	r = scim_service_answer(s->service, &req, &res);
	while (r == HTTP_PARKED) {
		s->went_on++;
		memory_run(s->memory);
		assert_int_equal(s->go_on, 1); /* once, and not before all is done */
		s->go_on = 0;
		r = scim_service_go_on(&res);
	}
	assert_int_equal(r, HTTP_DONE);
	assert_null(res.bulk);
	json_decref(s->answer);
	s->answer = out.p ? json_loads(out.p, 0, NULL) : NULL;
	s->status = res.status;
	buf_done(&out);
}

/* ' stands for " in what tests send. */
static char *quotes(const char *text)
{
	char *p = strdup(text);

	assert_non_null(p);
	for (char *q = p; *q; q++)
		if (*q == '\'')
			*q = '"';
	return p;
}

static void bulk(struct stage *s, const char *head, const char *operations)
{
	CLEANUP(buf_done) struct buf body;
	CLEANUP(free_at) char *text = NULL;

	buf_init(&body, BODY_BYTES);
	buf_addf(&body, "{'schemas':['" BULK_URN "'],%s'Operations':[", head);
	buf_add_text(&body, operations);
	buf_add_text(&body, "]}");
	text = quotes(body.p);
	ask(s, "/v2/idp/Bulk", text);
}

static const json_t *operation(const struct stage *s, size_t i)
{
	return json_array_get(json_object_get(s->answer, "Operations"), i);
}

static const char *member(const struct stage *s, size_t i, const char *name)
{
	const char *text = jx_get_text(operation(s, i), name);

	return text ? text : "";
}

static const char *id_of(const struct stage *s, size_t i)
{
	const char *slash = strrchr(member(s, i, "location"), '/');

	return slash ? slash + 1 : "";
}

/* The statuses in a row: "201 400". */
static void must_status(const struct stage *s, const char *want)
{
	CLEANUP(buf_done) struct buf have;
	size_t n = json_array_size(json_object_get(s->answer, "Operations"));

	buf_init(&have, BODY_BYTES);
	if (s->status != 200)
		buf_addf(&have, "HTTP %d ", s->status);
	for (size_t i = 0; i < n; i++)
		buf_addf(&have, "%s%s", i ? " " : "", member(s, i, "status"));
	if (strcmp(have.p ? have.p : "", want) != 0)
		fail_msg("%s, not %s: %s", have.p, want, json_dumps(s->answer, JSON_COMPACT));
}

static void must_detail(const struct stage *s, size_t i, const char *scim_type,
			const char *says)
{
	const json_t *error = json_object_get(operation(s, i), "response");
	const char *type = jx_get_text(error, "scimType");

	assert_non_null(error);
	assert_string_equal(jx_get_text(error, "status"), member(s, i, "status"));
	assert_string_equal(type ? type : "", scim_type);
	if (!strstr(jx_get_text(error, "detail"), says))
		fail_msg("\"%s\" does not say \"%s\"", jx_get_text(error, "detail"), says);
}

/* A GET of what stands now. */
static json_t *get(struct stage *s, const char *path)
{
	struct buf out;
	struct scim_request req = {
		.method = HTTP_GET, .authorization = s->token, .id = "r-2", .peer = "192.0.2.1"
	};
	struct scim_response res = { .body = &out, .ctx = s };
	char full[200];
	json_t *j;

	snprintf(full, sizeof(full), "/v2/idp/%s", path);
	req.path = str_of(full);
	buf_init(&out, BODY_BYTES);
	assert_int_equal(scim_service_answer(s->service, &req, &res), HTTP_DONE);
	assert_int_equal(res.status, 200);
	j = json_loads(out.p, 0, NULL);
	assert_non_null(j);
	buf_done(&out);
	return j;
}

static void must_members(struct stage *s, const char *group, const char *a, const char *b)
{
	char path[100];
	json_t *g, *members;

	snprintf(path, sizeof(path), "Groups/%s", group);
	g = get(s, path);
	members = json_object_get(g, "members");
	assert_int_equal(json_array_size(members), (a != NULL) + (b != NULL));
	for (size_t i = 0; i < json_array_size(members); i++) {
		const char *id = jx_get_text(json_array_get(members, i), "value");

		assert_true((a && !strcmp(id, a)) || (b && !strcmp(id, b)));
	}
	json_decref(g);
}

#define USER(name)                                                                             \
	"{'method':'POST','path':'/Users','bulkId':'" name                                     \
	"','data':{'schemas':['" SCHEMA_USER "'],'userName':'" name "'}}"
#define GROUP(name, members)                                                                   \
	"{'method':'POST','path':'/Groups','bulkId':'" name                                    \
	"','data':{'schemas':['" SCHEMA_GROUP "'],'displayName':'" name                        \
	"','members':[" members "]}}"
#define MEMBER(name) "{'type':'User','value':'bulkId:" name "'}"
#define PATCH(path, ops)                                                                       \
	"{'method':'PATCH','path':'" path "','data':{'schemas':['urn:ietf:params:scim:api:"    \
	"messages:2.0:PatchOp'],'Operations':[" ops "]}}"

static void test_each_operation_has_its_answer_in_order(void **state)
{
	struct stage s;
	char ops[2000];

	(void)state;
	stage_begin(&s, NULL);
	bulk(&s, "", USER("ann") "," USER("bob"));
	must_status(&s, "201 201");
	assert_string_equal(member(&s, 0, "method"), "POST");
	assert_string_equal(member(&s, 0, "bulkId"), "ann");
	assert_string_equal(member(&s, 0, "version"), "W/\"1\"");
	assert_true(!strncmp(member(&s, 1, "location"),
			     "https://leaverd.example.com/scim/v2/idp/Users/", 46));
	assert_null(json_object_get(operation(&s, 0), "response"));
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(s.answer, "schemas"), 0)),
		"urn:ietf:params:scim:api:messages:2.0:BulkResponse");
	snprintf(ops, sizeof(ops),
		 "{'method':'PUT','path':'Users/%s','version':'W/\\'1\\'','bulkId':'x','data':"
		 "{'schemas':['" SCHEMA_USER "'],'userName':'anna'}},"
		 "{'method':'put','path':'/Users/%s','version':'W/\\'7\\'','data':"
		 "{'schemas':['" SCHEMA_USER "'],'userName':'bo'}},"
		 "{'method':'DELETE','path':'/Users/%s'},"
		 "{'method':'DELETE','path':'/Users/%s'}",
		 id_of(&s, 0), id_of(&s, 1), id_of(&s, 1), id_of(&s, 1));
	bulk(&s, "", ops);
	must_status(&s, "200 412 204 404");
	assert_string_equal(member(&s, 0, "version"), "W/\"2\"");
	assert_string_equal(member(&s, 0, "bulkId"), "x");
	must_detail(&s, 1, "", "W/\"1\"");
	assert_true(member(&s, 1, "location")[0] != '\0');
	assert_null(json_object_get(operation(&s, 2), "version"));
	assert_int_equal(memory_living(s.memory), 1);
	stage_end(&s);
}

/* clang-format off */
static const struct {
	const char *operation;
	const char *status, *scim_type, *says;
} wrong[] = {
	{ "{'method':'GET','path':'/Users'}", "400", "invalidValue", "POST, PUT, PATCH or DELETE" },
	{ "{'path':'/Users','data':{}}", "400", "invalidValue", "method" },
	{ "{'method':7,'path':'/Users','data':{}}", "400", "invalidValue", "method" },
	{ "{'method':'POST','bulkId':'b','data':{}}", "400", "invalidValue", "path" },
	{ "{'method':'POST','path':['/Users'],'bulkId':'b','data':{}}", "400", "invalidSyntax", "path must be a string" },
	{ "{'method':'POST','path':'/Users','data':{'userName':'x'}}", "400", "invalidValue", "bulkId" },
	{ "{'method':'POST','path':'/Users','bulkId':'b'}", "400", "invalidValue", "data must be an object" },
	{ "{'method':'POST','path':'/Users','bulkId':'b','data':[]}", "400", "invalidValue", "data must be an object" },
	{ "{'method':'POST','path':'/Bulk','bulkId':'b','data':{}}", "400", "invalidValue", "not possible inside" },
	{ "{'method':'POST','path':'/.search','bulkId':'b','data':{}}", "400", "invalidValue", "not possible inside" },
	{ "{'method':'POST','path':'/Users/.search','bulkId':'b','data':{}}", "400", "invalidValue", "not possible inside" },
	{ "{'method':'PATCH','path':'/Me','data':{}}", "400", "invalidValue", "not possible inside" },
	{ "{'method':'POST','path':'/Robots','bulkId':'b','data':{}}", "404", "", "nothing is at this address" },
	{ "{'method':'PUT','path':'/Users','data':{}}", "405", "", "this address allows" },
	{ "{'method':'PUT','path':'/Users/x','version':3,'data':{}}", "400", "invalidSyntax", "version must be a string" },
	{ "{'method':'PUT','path':'/Users/x','version':'three','data':{}}", "400", "invalidSyntax", "entity-tag" },
	{ "{'method':'POST','path':'/Users','bulkId':'b','data':{'schemas':['" SCHEMA_USER "']}}", "400", "invalidValue", "userName" },
	{ "{'method':'DELETE','path':'/Users/bulkId:nobody'}", "400", "invalidValue", "no POST has the bulkId nobody" },
	{ GROUP("g", MEMBER("nobody")), "400", "invalidValue", "no POST has the bulkId nobody" },
	{ GROUP("g", MEMBER("g")), "409", "", "cannot be filled in" },
};

static const struct {
	const char *body;
	int status;
	const char *scim_type, *says;
} refused[] = {
	{ "", 400, "invalidSyntax", "an object" },
	{ "{", 400, "invalidSyntax", "a member's name" },
	{ "{}", 400, "invalidSyntax", "no Operations" },
	{ "[]", 400, "invalidSyntax", "an object" },
	{ "{'schemas':['" BULK_URN "']}", 400, "invalidSyntax", "no Operations" },
	{ "{'schemas':['" BULK_URN "'],'Operations':[]}", 400, "invalidSyntax", "no operation" },
	{ "{'schemas':['" BULK_URN "'],'Operations':{}}", 400, "invalidSyntax", "a list" },
	{ "{'schemas':['" BULK_URN "'],'Operations':[1]}", 400, "invalidSyntax", "operation 1" },
	{ "{'schemas':['" BULK_URN "'],'Operations':[{}", 400, "invalidSyntax", "a comma" },
	{ "{'schemas':['" BULK_URN "'],'Operations':[" USER("u") "]", 400, "invalidSyntax", "a comma" },
	{ "{'schemas':['" BULK_URN "'],'Operations':[" USER("u") "]}}", 400, "invalidSyntax", "nothing behind" },
	{ "{'schemas':['" BULK_URN "'],'Operations':[" USER("u") ",{'method':'POST']]}", 400, "invalidSyntax", "operation 2" },
	{ "{'schemas':['" BULK_URN "'],'Operations':[" USER("u") ",{'method':'POST','Method':'PUT'}]}", 400, "invalidSyntax", "operation 2" },
	{ "{'schemas':['" BULK_URN "'],'Operations':[" USER("u") "," USER("u") "]}", 400, "invalidSyntax", "same bulkId" },
	{ "{'schemas':['" BULK_URN "'],'Operations':[" USER("u") "],'operations':[]}", 400, "invalidSyntax", "twice" },
	{ "{'schemas':['" BULK_URN "'],'Operations':[{'method':'POST','bulkId':7}]}", 400, "invalidSyntax", "bulkId must be a string" },
	{ "{'schemas':['" SCHEMA_USER "'],'Operations':[" USER("u") "]}", 400, "invalidSyntax", "BulkRequest" },
	{ "{'Operations':[" USER("u") "]}", 400, "invalidSyntax", "BulkRequest" },
	{ "{'schemas':['" BULK_URN "'],'failOnErrors':'1','Operations':[" USER("u") "]}", 400, "invalidValue", "failOnErrors" },
	{ "{'schemas':['" BULK_URN "'],'failOnErrors':0,'Operations':[" USER("u") "]}", 400, "invalidValue", "failOnErrors" },
	{ "{'schemas':['" BULK_URN "'],'Operations':[" USER("1") "," USER("2") "," USER("3") "," USER("4") "," USER("5") "]}", 413, "", "more than 4 operations (maxOperations)" },
};
/* clang-format on */

static void test_what_is_wrong_with_one_operation_is_said_of_it_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		char ops[1000], statuses[20];
		struct stage s;

		stage_begin(&s, NULL);
		snprintf(ops, sizeof(ops), USER("before") ",%s," USER("behind"),
			 wrong[i].operation);
		bulk(&s, "", ops);
		snprintf(statuses, sizeof(statuses), "201 %s 201", wrong[i].status);
		must_status(&s, statuses);
		must_detail(&s, 1, wrong[i].scim_type, wrong[i].says);
		assert_int_equal(memory_living(s.memory), 2);
		stage_end(&s);
	}
}

static void test_a_body_that_is_no_bulk_request_changes_nothing(void **state)
{
	const struct scim_options four = { .bulk_operations = 4 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		CLEANUP(free_at) char *body = quotes(refused[i].body);
		const char *type;
		struct stage s;

		stage_begin(&s, &four);
		ask(&s, "/v2/idp/Bulk", body);
		if (s.status != refused[i].status)
			fail_msg("%s: %d", body, s.status);
		type = jx_get_text(s.answer, "scimType");
		assert_string_equal(type ? type : "", refused[i].scim_type);
		if (!strstr(jx_get_text(s.answer, "detail"), refused[i].says))
			fail_msg("%s: %s", body, jx_get_text(s.answer, "detail"));
		assert_int_equal(memory_living(s.memory), 0);
		stage_end(&s);
	}
}

static void test_references_are_filled_in_wherever_they_stand(void **state)
{
	struct stage s;
	json_t *user, *enterprise;
	char path[100];

	(void)state;
	stage_begin(&s, NULL);
	/* forward, in members; a manager; in a PATCH value, in its filter, in an address */
	bulk(&s, "",
	     GROUP("g", MEMBER("ann")) "," USER(
		     "ann") ","
			    "{'method':'POST','path':'/"
			    "Users','bulkId':'bob','data':{'schemas':['" SCHEMA_USER
			    "','" SCHEMA_ENTERPRISE "'],'userName':'bob','" SCHEMA_ENTERPRISE
			    "':{'department':'D','manager':{'value':'bulkId:ann','$ref':'../"
			    "Users/bulkId:ann'}}}}," PATCH(
				    "/Groups/bulkId:g",
				    "{'op':'add','path':'members','value':[" MEMBER(
					    "bob") "]}") "," PATCH("/Groups/bulkId:g",
								   "{'op':'remove','path':'"
								   "members[value eq "
								   "\\'bulkId:ann\\']'}"));
	must_status(&s, "201 201 201 200 200");
	must_members(&s, id_of(&s, 0), id_of(&s, 2), NULL);
	snprintf(path, sizeof(path), "Users/%s", id_of(&s, 2));
	user = get(&s, path);
	enterprise = json_object_get(user, SCHEMA_ENTERPRISE);
	assert_string_equal(jx_get_text(json_object_get(enterprise, "manager"), "value"),
			    id_of(&s, 1));
	assert_string_equal(jx_get_text(enterprise, "department"), "D");
	json_decref(user);
	stage_end(&s);
}

static void test_a_circle_of_groups_is_created_and_then_linked(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s, NULL);
	/* RFC 7644 section 3.7.1, and one more behind them that waits for both */
	bulk(&s, "",
	     GROUP("a", "{'type':'Group','value':'bulkId:b'}") "," GROUP(
		     "b", "{'type':'Group',"
			  "'value':'bulkId:"
			  "a'}") "," PATCH("/Groups/bulkId:a",
					   "{'op':'add','path':'members','value':[" MEMBER(
						   "u") "]}") "," USER("u"));
	must_status(&s, "201 201 200 201");
	must_members(&s, id_of(&s, 0), id_of(&s, 1), id_of(&s, 3));
	must_members(&s, id_of(&s, 1), id_of(&s, 0), NULL);
	assert_string_equal(member(&s, 0, "method"), "POST");
	stage_end(&s);
}

static void test_managers_in_a_circle_keep_all_else_of_their_extension(void **state)
{
	struct stage s;
	char path[100];
	json_t *user;

	(void)state;
	stage_begin(&s, NULL);
#define BOSS(name, boss)                                                                       \
	"{'method':'POST','path':'/Users','bulkId':'" name                                     \
	"','data':{'schemas':['" SCHEMA_USER "','" SCHEMA_ENTERPRISE "'],'userName':'" name    \
	"','" SCHEMA_ENTERPRISE "':{'department':'D','manager':'bulkId:" boss "'}}}"
	bulk(&s, "", BOSS("a", "b") "," BOSS("b", "c") "," BOSS("c", "a"));
	must_status(&s, "201 201 201");
	for (size_t i = 0; i < 3; i++) {
		const json_t *e;

		snprintf(path, sizeof(path), "Users/%s", id_of(&s, i));
		user = get(&s, path);
		e = json_object_get(user, SCHEMA_ENTERPRISE);
		assert_string_equal(jx_get_text(e, "department"), "D");
		assert_string_equal(jx_get_text(json_object_get(e, "manager"), "value"),
				    id_of(&s, (i + 1) % 3));
		json_decref(user);
	}
	stage_end(&s);
}

static void test_what_cannot_be_linked_is_taken_back_and_named(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s, NULL);
	/* a needs b, b needs a and somebody whom nobody creates */
	bulk(&s, "",
	     GROUP("a", "{'value':'bulkId:b'}") "," GROUP(
		     "b", "{'value':'bulkId:a'},{'value':'"
			  "no such id'}") "," USER("u") ","
							"{'method':'DELETE','path':'/Groups/"
							"bulkId:a'}");
	must_status(&s, "409 400 201 409");
	must_detail(&s, 0, "", "bulkId b");
	must_detail(&s, 3, "", "bulkId a");
	assert_string_equal(member(&s, 0, "location"), ""); /* RFC: not of a POST that failed */
	assert_int_equal(memory_living(s.memory), 1);
	/* what failed leaves those that refer to it without */
	bulk(&s, "", GROUP("g", MEMBER("u")) "," USER("u"));
	must_status(&s, "409 409");
	must_detail(&s, 0, "", "was not created");
	must_detail(&s, 1, "uniqueness", "userName");
	stage_end(&s);
}

static void test_as_many_errors_as_named_end_it(void **state)
{
	static const struct {
		const char *head, *want;
	} rows[] = {
		{ "", "201 400 400 201 201 400" },
		{ "'failOnErrors':1,", "201 400" },
		{ "'failOnErrors':2,", "201 400 400" },
		{ "'failOnErrors':3,", "201 400 400 201 201 400" },
		{ "'failOnErrors':null,", "201 400 400 201 201 400" },
	};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
		struct stage s;

		stage_begin(&s, NULL);
		if (i % 2)
			memory_defer(s.memory);
		bulk(&s, rows[i / 2].head,
		     USER("1") "," USER("") "," USER("") "," USER("3") "," USER(
			     "4") ","
				  "{'method':'DELETE'}");
		must_status(&s, "HTTP 400 "); /* an empty bulkId */
		bulk(&s, rows[i / 2].head,
		     USER("1") ",{'method':'DELETE'},{'method':'PUT'}," USER("3") "," USER(
			     "4") ",{'method':'PATCH'}");
		must_status(&s, rows[i / 2].want);
		assert_int_equal(memory_living(s.memory), i / 2 == 1 || i / 2 == 2 ? 1 : 3);
		stage_end(&s);
	}
}

static void test_what_is_half_made_when_it_ends_goes(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s, NULL);
	memory_defer(s.memory);
	/* u is reached before the circle is known to be one */
	bulk(&s, "'failOnErrors':1,",
	     GROUP("a", "{'value':'bulkId:b'}") "," GROUP(
		     "b", "{'value':'bulkId:a'},{'value':'"
			  "no such id'}") "," USER("u") "," USER("v"));
	must_status(&s, "409 400 201 201");
	assert_int_equal(memory_living(s.memory), 2);
	/* b is not reached, for want of somebody before it */
	bulk(&s, "'failOnErrors':1,",
	     GROUP("a", "{'value':'bulkId:b'}") "," PATCH(
		     "/Groups/nobody",
		     "{'op':'add','path':'members','value':[{'value':'bulkId:"
		     "a'}]}") "," GROUP("b", "{'value':'bulkId:a'}") "," USER("w"));
	must_status(&s, "409 404 201");
	must_detail(&s, 0, "", "not reached");
	assert_int_equal(memory_living(s.memory), 3);
	stage_end(&s);
}

static void test_many_operations_share_a_turn_of_the_writer(void **state)
{
	CLEANUP(buf_done) struct buf ops;
	struct stage s;

	(void)state;
	stage_begin(&s, NULL);
	memory_defer(s.memory);
	buf_init(&ops, BODY_BYTES);
	for (int i = 0; i < 100; i++)
		buf_addf(&ops,
			 "%s{'method':'POST','path':'/"
			 "Users','bulkId':'%d','data':{'schemas':['" SCHEMA_USER
			 "'],'userName':'u%d'}}",
			 i ? "," : "", i, i);
	bulk(&s, "", ops.p);
	assert_int_equal(json_array_size(json_object_get(s.answer, "Operations")), 100);
	for (size_t i = 0; i < 100; i++)
		assert_string_equal(member(&s, i, "status"), "201");
	assert_int_equal(memory_living(s.memory), 100);
	assert_true(s.went_on >= 2 && s.went_on <= 10);
	stage_end(&s);
}

static void test_rights_and_faults_are_those_of_each_operation(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s, NULL);
	s.token = "Bearer writer";
	bulk(&s, "", USER("u") ",{'method':'DELETE','path':'/Users/bulkId:u'}");
	must_status(&s, "201 403");
	/* a circle that fails is taken back also by who may not delete */
	bulk(&s, "", GROUP("g", "{'value':'bulkId:g'}"));
	must_status(&s, "409");
	assert_int_equal(memory_living(s.memory), 1);
	memory_fail_submit(s.memory, ERR_UNAVAILABLE);
	bulk(&s, "", USER("v") "," USER("w"));
	must_status(&s, "503 201");
	memory_fail_commit(s.memory, ERR_UNAVAILABLE);
	bulk(&s, "", USER("x") "," USER("y"));
	must_status(&s, "503 201");
	s.token = "Bearer nobody";
	bulk(&s, "", USER("z"));
	must_status(&s, "HTTP 401 ");
	stage_end(&s);
}

static void test_the_body_is_read_from_a_spool_as_from_memory(void **state)
{
	CLEANUP(buf_done) struct buf body;
	struct stage s;
	struct err err;
	size_t n = 2000;

	(void)state;
	stage_begin(&s, &(struct scim_options){ .bulk_operations = n, .bulk_bytes = 4 << 20 });
	assert_ok(spool_new(&s.spool, NULL, 4 << 20, &err), &err);
	buf_init(&body, BODY_BYTES);
	buf_add_text(&body,
		     "\xEF\xBB\xBF {\"x\" : [1,{\"y\":\"}\\\"\"}] ,\n \"Operations\" : [");
	for (size_t i = 0; i < n; i++)
		buf_addf(&body,
			 "%s{\"method\":\"POST\",\"path\":\"/"
			 "Users\",\"bulkId\":\"%zu\",\"data\":{"
			 "\"schemas\":[\"" SCHEMA_USER
			 "\"],\"userName\":\"u%zu\",\"title\":\"%200d\"}}",
			 i ? " ,\t" : "", i, i, 1);
	buf_add_text(&body, "] , \"SCHEMAS\" : [ \"" BULK_URN "\" ]\n} \n");
	assert_int_equal(body.fault, 0);
	for (size_t at = 0; at < body.len; at += 777)
		assert_ok(spool_add(s.spool, body.p + at,
				    body.len - at < 777 ? body.len - at : 777, &err),
			  &err);
	ask(&s, "/v2/idp/Bulk", NULL);
	assert_int_equal(s.status, 200);
	assert_int_equal(memory_living(s.memory), n);
	stage_end(&s);
}

static void test_a_body_longer_than_announced_names_the_limit(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s, &(struct scim_options){ .bulk_bytes = 300 });
	bulk(&s, "", USER("a"));
	must_status(&s, "201");
	bulk(&s, "", USER("b") "," USER("c"));
	must_status(&s, "HTTP 413 ");
	assert_non_null(strstr(jx_get_text(s.answer, "detail"), "300 (maxPayloadSize)"));
	stage_end(&s);
	stage_begin(&s,
		    &(struct scim_options){ .bulk_bytes = 1000, .bulk_operation_bytes = 100 });
	bulk(&s, "", USER("b"));
	must_status(&s, "HTTP 413 ");
	assert_non_null(strstr(jx_get_text(s.answer, "detail"), "100 bytes"));
	stage_end(&s);
}

static void test_one_that_is_given_up_between_two_turns_leaves_nothing(void **state)
{
	CLEANUP(free_at)
	char *body = quotes("{'schemas':['" BULK_URN
			    "'],'Operations':[" USER("a") "," GROUP("g", MEMBER("a")) "]}");
	struct stage s;
	struct buf out;
	struct scim_request req = { .method = HTTP_POST,
				    .path = STR("/v2/idp/Bulk"),
				    .body = str_of(body),
				    .authorization = "Bearer good",
				    .id = "r-1",
				    .peer = "192.0.2.1" };
	struct scim_response res = { .body = &out, .go_on = on_go_on, .ctx = &s };

	(void)state;
	stage_begin(&s, NULL);
	memory_defer(s.memory);
	buf_init(&out, BODY_BYTES);
	assert_int_equal(scim_service_answer(s.service, &req, &res), HTTP_PARKED);
	assert_int_equal(memory_run(s.memory), 1);
	assert_int_equal(s.go_on, 1);
	scim_service_give_up(&res);
	assert_null(res.bulk);
	scim_service_give_up(&res);
	assert_int_equal(memory_living(s.memory), 1);
	buf_done(&out);
	stage_end(&s);
}

static void test_each_lost_allocation_ends_well(void **state)
{
	CLEANUP(free_at)
	char *body = quotes("{'schemas':['" BULK_URN "'],'Operations':[" GROUP(
		"a", "{'value':'bulkId:b'}") "," GROUP("b", "{'value':'bulkId:a'}") "]}");
	struct err err;
	int nth = 0, r;

	(void)state;
	do {
		const struct bulk_text text = { .text = str_of(body) };
		const struct bulk_limits limits = { 10, 10000, 10000 };
		struct bulk_envelope envelope = { 0 };
		json_t *operation = NULL;

		fault_at(++nth);
		r = bulk_read(&text, &limits, NULL, NULL, &envelope, &err);
		if (r == 0)
			r = bulk_read_operation(&text, envelope.operations.v[1], &operation,
						&err);
		assert_true(!fault_fired() ? r == 0 : r == -ERR_NOMEM);
		json_decref(operation);
		bulk_envelope_done(&envelope);
	} while (r != 0);
	assert_true(nth > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_operation_has_its_answer_in_order),
		cmocka_unit_test(test_what_is_wrong_with_one_operation_is_said_of_it_alone),
		cmocka_unit_test(test_a_body_that_is_no_bulk_request_changes_nothing),
		cmocka_unit_test(test_references_are_filled_in_wherever_they_stand),
		cmocka_unit_test(test_a_circle_of_groups_is_created_and_then_linked),
		cmocka_unit_test(test_managers_in_a_circle_keep_all_else_of_their_extension),
		cmocka_unit_test(test_what_cannot_be_linked_is_taken_back_and_named),
		cmocka_unit_test(test_as_many_errors_as_named_end_it),
		cmocka_unit_test(test_what_is_half_made_when_it_ends_goes),
		cmocka_unit_test(test_many_operations_share_a_turn_of_the_writer),
		cmocka_unit_test(test_rights_and_faults_are_those_of_each_operation),
		cmocka_unit_test(test_the_body_is_read_from_a_spool_as_from_memory),
		cmocka_unit_test(test_a_body_longer_than_announced_names_the_limit),
		cmocka_unit_test(test_one_that_is_given_up_between_two_turns_leaves_nothing),
		cmocka_unit_test(test_each_lost_allocation_ends_well),
	};

	fault_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
