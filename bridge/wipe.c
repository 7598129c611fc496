#include "bridge/wipe.h"

#include <stddef.h>
#include <stdint.h>

#include "base/jx.h"
#include "base/secret.h"

/* The length stands before the block; the union keeps the block aligned for any type. */
union wipe_head {
	size_t len;
	max_align_t align;
};

static void *wipe_malloc(size_t len)
{
	union wipe_head *head;

	if (len > SIZE_MAX - sizeof(*head))
		return NULL;
	head = malloc(sizeof(*head) + len);
	if (!head)
		return NULL;
	head->len = len;
	return head + 1;
}

static void wipe_free(void *p)
{
	union wipe_head *head = p;

	if (!p)
		return;
	head--;
	secret_wipe(p, head->len);
	free(head);
}

void wipe_json_memory(void)
{
	jx_memory(wipe_malloc, wipe_free);
}
