/* Scim/check: what a server may or may not have: ETags, bulk. */
#include "scim/check_rows.h"

#define ETAGS "RFC 7644 3.14"
#define READY WITH_USER | NEED_ETAG
#define NAMED ",'userName':'<me>@example.com','externalId':'<me>-Ext'"
#define CHANGE PUT("Users/<user>", USER(NAMED ",'title':'Changed'"), S("200"), SETUP)
#define BULKS "RFC 7644 3.7"
#define READY_BULK NEED_WRITE | NEED_BULK
#define NEW_USER(who, id)                                                                      \
	"{'method':'POST','path':'/Users','bulkId':'" id "','data':" USER(                     \
		",'userName':'<" who ">@example.com','externalId':'<" who ">-Ext'") "}"

/* clang-format off */
const struct check_case check_cases_more[] = {
{ "etag.header", ETAGS, MUST, NEED_ETAG | NEED_SAMPLE, NULL,
  "a resource comes with an ETag, which meta.version says too",
  "clients that change what they read and nothing newer",
  STEPS(GET("Users/<id>", S("200"), E("header:ETag is filled; meta/version = '<header:ETag>'"))) },
{ "etag.weak", ETAGS, SHOULD, NEED_ETAG | NEED_SAMPLE, NULL,
  "the tag is a weak one",
  "proxies that compress, and then drop a strong tag",
  STEPS(GET("Users/<id>", S("200"), E("header:ETag begins W/"))) },
{ "etag.not-modified", "RFC 9110 13.1.2", MUST, NEED_ETAG | NEED_SAMPLE, NULL,
  "GET with If-None-Match of the same tag is 304 without a body",
  "clients that keep what they read",
  STEPS(GET("Users/<id>", S("200"), K("tag=header:ETag")), GET("Users/<id>", H("If-None-Match: <tag>"), S("304"), E(". is absent"))) },
{ "etag.projection", ETAGS, SHOULD, NEED_ETAG | NEED_SAMPLE, NULL,
  "the tag is the resource's, whatever part of it is read",
  "clients that read a part and then change it: If-Match never fits",
  STEPS(GET("Users/<id>", S("200"), K("tag=header:ETag")), GET("Users/<id>?attributes=userName", S("200"), E("header:ETag = '<tag>'"))) },
{ "etag.changes", ETAGS, MUST, READY, "title",
  "a change gives another tag",
  "clients that keep what they read: it stays old",
  STEPS(GET("Users/<user>", S("200"), K("tag=header:ETag")), CHANGE, GET("Users/<user>", S("200"), E("header:ETag != '<tag>'"))) },
{ "etag.put", ETAGS, MUST, READY, "title",
  "PUT with the newest tag is done",
  "clients that always send it",
  STEPS(GET("Users/<user>", S("200"), K("tag=header:ETag")),
        PUT("Users/<user>", USER(NAMED ",'title':'Fresh'"), H("If-Match: <tag>"), S("200"), E("title = Fresh"))) },
{ "etag.put-stale", ETAGS, MUST, READY, "title",
  "PUT with a stale tag is 412 and changes nothing",
  "everybody: a newer change is overwritten in silence",
  STEPS(GET("Users/<user>", S("200"), K("tag=header:ETag")), CHANGE,
        PUT("Users/<user>", USER(NAMED ",'title':'Stale'"), H("If-Match: <tag>"), S("412")),
        GET("Users/<user>", S("200"), E("title = Changed"))) },
{ "etag.patch-stale", ETAGS, MUST, READY | NEED_PATCH, "title",
  "PATCH with a stale tag is 412 and changes nothing",
  "the same",
  STEPS(GET("Users/<user>", S("200"), K("tag=header:ETag")), CHANGE,
        PATCH("Users/<user>", OPS("{'op':'replace','path':'title','value':'Stale'}"), H("If-Match: <tag>"), S("412")),
        GET("Users/<user>", S("200"), E("title = Changed"))) },
{ "etag.delete-stale", ETAGS, MUST, READY, "title",
  "DELETE with a stale tag is 412, and the person is still there",
  "somebody who was just taken back is deleted",
  STEPS(GET("Users/<user>", S("200"), K("tag=header:ETag")), CHANGE,
        DELETE("Users/<user>", H("If-Match: <tag>"), S("412")), GET("Users/<user>", S("200"))) },
{ "etag.any", "RFC 9110 13.1.1", SHOULD, READY, "title",
  "If-Match: * fits whatever is there",
  "clients that only want not to make anew",
  STEPS(PUT("Users/<user>", USER(NAMED ",'title':'Any'"), H("If-Match: *"), S("200"))) },
/* --- bulk --- */
{ "bulk.create", BULKS, MUST, READY_BULK, NULL,
  "each operation has its result: status as a text, location, its bulkId",
  "clients that load many at once",
  STEPS(POST("Bulk", BULK(",'Operations':[" NEW_USER("me", "a") "," NEW_USER("you", "b") "]"), S("200"),
    E("schemas has urn:ietf:params:scim:api:messages:2.0:BulkResponse; Operations/# = 2; "
      "Operations/bulkId=a/status = '201'; Operations/bulkId=a/location is filled; Operations/bulkId=b/status = '201'"))) },
{ "bulk.reference", "RFC 7644 3.7.2", MUST, READY_BULK | NEED_GROUPS | NEED_FILTER, NULL,
  "bulkId:x stands for the id of what x made",
  "clients that make people and their group in one",
  STEPS(POST("Bulk", BULK(",'Operations':[" NEW_USER("me", "a")
      ",{'method':'POST','path':'/Groups','bulkId':'g','data':" GROUP(",'displayName':'<me> group','members':[{'value':'bulkId:a'}]") "}]"),
      S("200"), E("Operations/bulkId=g/status = '201'")),
    GET("Users?filter=userName eq \"<me>@example.com\"", S("200"), K("u=Resources/0/id")),
    GET("Groups?filter=displayName eq \"<me> group\"", S("200"), K("g=Resources/0/id")),
    GET("Groups/<g>", S("200"), E("members/0/value = '<u>'"))) },
{ "bulk.mixed", "RFC 7644 3.7.3", MUST, READY_BULK, NULL,
  "one that fails has its error, and the others go on",
  "a load of thousands ends at the first duplicate",
  STEPS(POST("Bulk", BULK(",'Operations':[{'method':'DELETE','path':'/Users/<nobody>'}," NEW_USER("me", "a") "]"), S("200"),
    E("Operations/# = 2; Operations/0/status = '404'; Operations/0/response/status is present; Operations/1/status = '201'"))) },
{ "bulk.fail-on-errors", BULKS, MUST, READY_BULK | NEED_FILTER, NULL,
  "failOnErrors 1 ends it after the first error",
  "clients that want all or nothing",
  STEPS(POST("Bulk", BULK(",'failOnErrors':1,'Operations':[{'method':'DELETE','path':'/Users/<nobody>'}," NEW_USER("me", "a") "]"), S("200"),
    E("Operations/# = 1; Operations/0/status = '404'")),
    GET("Users?filter=userName eq \"<me>@example.com\"", S("200"), J(judge_empty))) },
{ "bulk.too-many", "RFC 7644 3.7.4", MUST, READY_BULK | NEED_MANY, NULL,
  "more operations than maxOperations are 413",
  "clients that do not know where to cut",
  STEPS(POST("Bulk", BULK(",'Operations':[<@many>]"), S("413"))) },
{ "bulk.no-schema", BULKS, SHOULD, READY_BULK, NULL,
  "a request without the schema of BulkRequest is 400",
  "suites check it",
  STEPS(POST("Bulk", "{'schemas':['" URN_USER "'],'Operations':[]}", S("400"))) },
{ 0 }
};
