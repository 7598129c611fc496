#include "bridge/counts.h"

#include <string.h>

void counts_init(struct counts *c)
{
	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
}

void counts_done(struct counts *c)
{
	pthread_mutex_destroy(&c->lock);
}

void counts_question(struct digest *ret, int64_t source, unsigned types, struct str filter)
{
	const int64_t numbers[] = { source, types };
	struct digest_run run;

	digest_begin(&run, NULL);
	digest_add(&run, numbers, sizeof(numbers));
	digest_add(&run, filter.p ? filter.p : "", filter.len);
	digest_end(&run, ret);
}

bool counts_find(struct counts *c, const struct digest *question, int64_t change, uint64_t *ret)
{
	bool found = false;

	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < COUNTS_MOST && !found; i++) {
		const struct count *k = &c->kept[i];

		found = k->taken && k->change == change && digest_equal(&k->question, question);
		if (found)
			*ret = k->total;
	}
	pthread_mutex_unlock(&c->lock);
	return found;
}

void counts_keep(struct counts *c, const struct digest *question, int64_t change,
		 uint64_t total)
{
	struct count *k = NULL;

	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < COUNTS_MOST && !k; i++)
		if (c->kept[i].taken && digest_equal(&c->kept[i].question, question))
			k = &c->kept[i];
	if (!k)
		k = &c->kept[c->next++ % COUNTS_MOST];
	*k = (struct count){ *question, change, total, true };
	pthread_mutex_unlock(&c->lock);
}
