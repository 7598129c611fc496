/*
 * Policies: a file either binds or says what is wrong with it; what binds judges a world
 * without anybody.
 */
#include <stdlib.h>

#include "reconcile/reconcile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void judge(const struct policy *policy)
{
	CLEANUP(facts_free_at) struct facts *f = NULL;
	CLEANUP(reconcile_result_free_at) struct reconcile_result *result = NULL;
	struct facts_round round = { .org = STR("o"),
				     .now_ms = 1772442000000,
				     .org_complete = true,
				     .org_plausible = true,
				     .org_identity_same = true };
	struct err err;

	must(facts_new(&policy->columns, &round, &f, &err) == 0);
	must(facts_seal(f, &err) == 0);
	must(reconcile(f, policy, &result, &err) == 0);
	must(!result->plans[0] && !result->plans[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(policy_free_at) struct policy *policy = NULL;
	struct policy_conf conf = { 0 };
	struct conf_faults faults = { 0 };
	struct err err;
	int r;

	r = conf_read_text("fuzz", str_n((const char *)data, size), policy_keys, &conf, &faults,
			   &err);
	if (r == 0)
		r = policy_bind(&conf, &faults, &policy, &err);
	must(r == 0 || r == -ERR_CONFIG || r == -ERR_NOMEM);
	must((r == -ERR_CONFIG) == (faults.n > 0) || r == -ERR_NOMEM);
	if (r == 0)
		judge(policy);
	conf_free(policy_keys, &conf);
	conf_faults_free(&faults);
	return 0;
}
