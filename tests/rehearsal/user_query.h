/*
 * What a search for users asks for, as the body of users/search or the query of users/count say
 * it, and who matches.
 */
#ifndef REHEARSAL_USER_QUERY_H
#define REHEARSAL_USER_QUERY_H

#include "tests/rehearsal/rehearsal.h"

enum { EXPAND_ROLES = 1, EXPAND_COUNTS = 2, EXPAND_PRODUCTS = 4, EXPAND_GROUPS = 8 };

/* Borrowed from the document it was read from. */
struct user_query {
	int directory;          /* of the path; -1: all of them and all managed accounts */
	const json_t *accounts; /* arrays, NULL where not asked */
	const json_t *emails, *domains;
	struct vec_u32 groups;
	bool by_group;
	uint8_t directories; /* bits; 0: any */
	uint16_t resources;  /* bits; 0: any */
	bool by_resource;
	uint16_t roles; /* role bits; 0: any */
	uint8_t status; /* bits of enum status; 0: any */
	uint8_t life;   /* bits of enum account_life */
	uint8_t member; /* bits of enum membership */
	int managed;    /* -1 any, 0, 1 */
	int mfa;        /* -1 any, 0, 1 */
	const char *term;
	unsigned expand;
	int sort; /* 0: as they came, 1: by nickname, -1: backwards */
};

/* 0, or the status of the refusal with the body filled. Ends with user_query_done() anyway. */
int user_query_read(struct call *c, const json_t *from, int directory, struct user_query *q);
void user_query_done(struct user_query *q);

/* In the scope of the path: a member of the directory; "-" adds all managed accounts. */
bool user_in_scope(const struct call *c, const struct user_query *q, const struct account *a);
bool user_matches(struct call *c, const struct user_query *q, uint32_t account);

/* PLATFORM_ bits as bits of enum role. */
uint16_t platform_roles(uint8_t platform);

#endif
