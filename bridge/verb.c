#include "bridge/verb.h"

#include <string.h>

static atomic_bool cancelled;

void verb_cancel(void)
{
	atomic_store(&cancelled, true);
}

const atomic_bool *verb_cancel_flag(void)
{
	return &cancelled;
}

bool verb_cancelled(const struct app *app)
{
	(void)app;
	return atomic_load(&cancelled);
}

const struct verb *verb_find(const char *name)
{
	static const struct verb *const tables[] = {
		verbs_admin,    verbs_data,     verbs_round,    verbs_plan,    verbs_decide,
		verbs_approver, verbs_announce, verbs_protect,  verbs_undo,    verbs_scim,
		verbs_overdue,  verbs_hr,       verbs_handover, verbs_events,  verbs_export,
		verbs_bulk,     verbs_evidence, verbs_policy,   verbs_ledger,  verbs_notices,
		verbs_report,   verbs_requests, verbs_compare,  verbs_privacy, verbs_review,
	};

	for (size_t i = 0; i < COUNT_OF(tables); i++)
		for (const struct verb *v = tables[i]; v->name; v++)
			if (!strcmp(v->name, name))
				return v;
	return NULL;
}
