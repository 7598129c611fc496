/*
 * What one site says of its products: seats and licences, which groups give them, who is in
 * these groups, and who is a customer of its service desks. The organisations API says much of
 * it too; two views that differ are worth knowing.
 *
 * Rows are borrowed and live for the callback. Suspended accounts are invisible here (that is
 * Atlassian's, not an error); apps are left out.
 */
#ifndef ATLASSIAN_SITE_READ_H
#define ATLASSIAN_SITE_READ_H

#include "atlassian/collect.h"
#include "atlassian/site.h"

struct atl_site_product {
	struct str key;  /* as atl_product_key() spells it */
	int64_t seats;   /* of the licence; ATL_ABSENT: unlimited; -2: not told */
	int64_t left;    /* the same */
	int64_t used;    /* as the product counts; -2: not told */
	struct str plan; /* "PAID", "FREE", ...; empty: not told */
};
#define ATL_NOT_TOLD (-2LL)

struct atl_site_group {
	struct str product, id, name;
	bool is_default;
	enum tri synced; /* Confluence tells; Jira does not */
};

struct atl_site_sink {
	void *ctx;
	int (*product)(void *ctx, const struct atl_site_product *row, struct err *err);
	int (*group)(void *ctx, const struct atl_site_group *row, struct err *err);
	/* An active account of a person in a group that gives the product; may come once for
	 * each such group. */
	int (*member)(void *ctx, struct str product, struct str account, struct err *err);
	/* A customer of a service desk; once for each desk. */
	int (*customer)(void *ctx, struct str account, struct err *err);
	bool (*stop)(void *ctx);
};

struct atl_site_result {
	bool whole;
	char why[ERR_TEXT_BYTES]; /* the first thing that was not read; "" when whole */
	uint64_t products, groups, members, customers, calls;
};

/* 0: *ret says how whole. Fault: of the sink, CANCELLED, NOMEM; and UNAUTHORIZED where the
 * credential is refused. */
int atl_site_read(struct atl_site *s, const struct atl_site_sink *sink,
		  struct atl_site_result *ret, struct err *err) MUST_USE;

#endif
