#include "bridge/plans_kept.h"

#include <pthread.h>
#include <stdlib.h>

struct kept {
	struct plan *plan; /* NULL: free */
	struct digest digest;
};

struct plans_kept {
	pthread_mutex_t lock;
	struct kept v[PLANS_KEPT_MOST]; /* those that were given first go first */
	size_t n, actions;
};

int plans_kept_new(struct plans_kept **ret, struct err *err)
{
	struct plans_kept *k = calloc(1, sizeof(*k));

	if (!k)
		return err_nomem(err);
	pthread_mutex_init(&k->lock, NULL);
	*ret = k;
	return 0;
}

void plans_kept_free(struct plans_kept *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->n; i++)
		plan_free(k->v[i].plan);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

/* Under the lock. */
static struct plan *out(struct plans_kept *k, size_t at)
{
	struct plan *plan = k->v[at].plan;

	k->n--;
	for (size_t i = at; i < k->n; i++)
		k->v[i] = k->v[i + 1];
	k->actions -= plan->actions.n;
	return plan;
}

struct plan *plans_kept_take(struct plans_kept *k, const struct digest *digest)
{
	struct plan *plan = NULL;

	if (!k)
		return NULL;
	pthread_mutex_lock(&k->lock);
	for (size_t i = 0; !plan && i < k->n; i++)
		if (digest_equal(&k->v[i].digest, digest))
			plan = out(k, i);
	pthread_mutex_unlock(&k->lock);
	return plan;
}

void plans_kept_give(struct plans_kept *k, const struct digest *digest, struct plan *plan)
{
	struct plan *gone[PLANS_KEPT_MOST + 1];
	size_t n = 0;

	if (!k || !plan || plan->actions.n > PLANS_KEPT_ACTIONS) {
		plan_free(plan);
		return;
	}
	pthread_mutex_lock(&k->lock);
	for (size_t i = 0; i < k->n; i++) /* two read it at once: one is enough */
		if (digest_equal(&k->v[i].digest, digest))
			gone[n++] = out(k, i--);
	while (k->n == PLANS_KEPT_MOST || k->actions + plan->actions.n > PLANS_KEPT_ACTIONS)
		gone[n++] = out(k, 0);
	k->v[k->n++] = (struct kept){ plan, *digest };
	k->actions += plan->actions.n;
	pthread_mutex_unlock(&k->lock);
	while (n)
		plan_free(gone[--n]);
}
