/*
 * A SQLite VFS that loses power. Over the system's own: what is written stays in memory until
 * it is synced, and vfs_loss_cut() throws away what was not. Handles that were open at the cut
 * fail from then on, as those of a dead process would; files opened later see what was left.
 *
 *     vfs_loss_register();               once; its name is VFS_LOSS
 *     vfs_loss_arm(17, seed);            power fails before the 17th write, truncation or sync
 *     ...
 *     close everything; if (!vfs_loss_fired()) vfs_loss_cut(seed);
 *     vfs_loss_power_on();               and open it again
 *
 * seed 0: nothing unsynced survives. Else a disk that wrote some of it in any order: each
 * sector of 512 bytes survives or not, by chance of the seed. A file's making and deleting are
 * durable at once. Safe on all threads.
 */
#ifndef TESTS_LIB_VFS_LOSS_H
#define TESTS_LIB_VFS_LOSS_H

#include <stdbool.h>
#include <stdint.h>

#define VFS_LOSS "loss"

void vfs_loss_register(void);
void vfs_loss_arm(int nth, uint64_t seed);
bool vfs_loss_fired(void); /* whether an armed cut came; disarms */
void vfs_loss_cut(uint64_t seed);
/* After a cut nothing opens and nothing is removed until the power is on again. */
void vfs_loss_power_on(void);
/* Forgets all files: those that are closed and removed. */
void vfs_loss_forget(void);
/* Writes, truncations and syncs since the last arm. */
int vfs_loss_count(void);

#endif
