#include "bridge/gate.h"

#include <pthread.h>
#include <string.h>

#include "base/stamp.h"

#define GATE_MOST 128
#define GATE_WAIT_MS (10 * STAMP_MINUTE_MS)
#define GATE_LOOK_MS 20

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct gate inside[GATE_MOST];

static bool try_enter(const char *what, const char *of)
{
	struct gate *room = NULL;
	bool taken = false;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < GATE_MOST; i++) {
		if (!inside[i].what)
			room = &inside[i];
		else if (!strcmp(inside[i].what, what) && !strcmp(inside[i].of, of))
			taken = true;
	}
	if (!taken && room)
		*room = (struct gate){ what, of };
	pthread_mutex_unlock(&lock);
	return !taken && room;
}

bool gate_try(struct gate *ret, const char *what, const char *of)
{
	if (!try_enter(what, of))
		return false;
	*ret = (struct gate){ what, of };
	return true;
}

int gate_enter(struct gate *ret, const char *what, const char *of, const atomic_bool *cancel,
	       struct err *err)
{
	int64_t until = stamp_mono_ms() + GATE_WAIT_MS;

	while (!try_enter(what, of)) {
		if (cancel && atomic_load(cancel))
			return err_set(err, ERR_CANCELLED, "%s %s: ended while it waited", what,
				       of);
		if (stamp_mono_ms() > until)
			return err_set(err, ERR_BUSY,
				       "%s %s is under way already: try again later", what, of);
		stamp_sleep_ms(GATE_LOOK_MS);
	}
	*ret = (struct gate){ what, of };
	return 0;
}

void gate_leave(struct gate *gate)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; gate->what && i < GATE_MOST; i++)
		if (inside[i].what == gate->what && inside[i].of == gate->of)
			inside[i] = (struct gate){ 0 };
	pthread_mutex_unlock(&lock);
	*gate = (struct gate){ 0 };
}
