/* JSON documents that may hold a secret on its way to the vault leave nothing on the heap. */
#ifndef BRIDGE_WIPE_H
#define BRIDGE_WIPE_H

/* Routes jansson's memory through an allocator that wipes before it frees. Call at start. */
void wipe_json_memory(void);

#endif
