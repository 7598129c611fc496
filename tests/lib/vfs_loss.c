#include "tests/lib/vfs_loss.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#define SECTOR 512

/* One file by path: what programs see, what would survive, and which sectors differ. */
struct node {
	char *path;
	unsigned char *now, *safe;
	size_t now_len, safe_len, room;
	unsigned char *dirty; /* one byte a sector */
	struct node *next;
};

struct loss_file {
	sqlite3_file base;
	struct node *node;
	unsigned life; /* of which life of the machine: another one's handles are dead */
	sqlite3_file *real;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct node *nodes;
static unsigned life = 1;
static int armed, counted;
static uint64_t armed_seed;
static bool fired, off;

static sqlite3_vfs *under, shim;

/* --- images ---------------------------------------------------------------------------------
 */

static void grow(struct node *n, size_t len)
{
	size_t room = n->room ? n->room : 65536;

	while (room < len)
		room *= 2;
	if (room == n->room)
		return;
	n->now = realloc(n->now, room);
	n->safe = realloc(n->safe, room);
	n->dirty = realloc(n->dirty, room / SECTOR + 1);
	if (!n->now || !n->safe || !n->dirty)
		abort();
	memset(n->now + n->room, 0, room - n->room);
	memset(n->safe + n->room, 0, room - n->room);
	memset(n->dirty + n->room / SECTOR, 0, (room - n->room) / SECTOR + 1);
	n->room = room;
}

static void mark(struct node *n, size_t at, size_t len)
{
	size_t s;

	for (s = at / SECTOR; len > 0 && s <= (at + len - 1) / SECTOR; s++)
		n->dirty[s] = 1;
}

/* So that whoever looks past SQLite sees what a disk would hold. */
static void write_out(const struct node *n)
{
	int fd = open(n->path, O_WRONLY);
	size_t at = 0;

	if (fd < 0)
		return;
	if (ftruncate(fd, (off_t)n->safe_len) != 0)
		abort();
	while (at < n->safe_len) {
		ssize_t got = pwrite(fd, n->safe + at, n->safe_len - at, (off_t)at);

		if (got <= 0)
			abort();
		at += (size_t)got;
	}
	close(fd);
}

static void read_in(struct node *n)
{
	int fd = open(n->path, O_RDONLY);
	unsigned char buf[65536];
	ssize_t got;

	while (fd >= 0 && (got = read(fd, buf, sizeof(buf))) > 0) {
		grow(n, n->now_len + (size_t)got);
		memcpy(n->now + n->now_len, buf, (size_t)got);
		n->now_len += (size_t)got;
	}
	if (fd >= 0)
		close(fd);
	if (n->now_len > 0)
		memcpy(n->safe, n->now, n->now_len);
	n->safe_len = n->now_len;
}

static struct node *node_of(const char *path, bool make)
{
	struct node *n;

	for (n = nodes; n; n = n->next)
		if (strcmp(n->path, path) == 0)
			return n;
	if (!make)
		return NULL;
	n = calloc(1, sizeof(*n));
	if (!n || !(n->path = strdup(path)))
		abort();
	read_in(n);
	n->next = nodes;
	nodes = n;
	return n;
}

static void node_free(struct node *n)
{
	free(n->path);
	free(n->now);
	free(n->safe);
	free(n->dirty);
	free(n);
}

static void node_drop(const char *path)
{
	struct node **at;

	for (at = &nodes; *at; at = &(*at)->next)
		if (strcmp((*at)->path, path) == 0) {
			struct node *n = *at;

			/* a handle may still point at it: kept, but nobody finds it by name */
			n->path[0] = '\0';
			return;
		}
}

/* --- power ----------------------------------------------------------------------------------
 */

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void node_cut(struct node *n, uint64_t *chance)
{
	size_t s, sectors = (n->now_len + SECTOR - 1) / SECTOR;
	size_t len = n->safe_len;

	for (s = 0; *chance && s < sectors; s++) {
		size_t at = s * SECTOR;

		if (!n->dirty[s] || (next_random(chance) & 1))
			continue;
		memcpy(n->safe + at, n->now + at, SECTOR);
		if (at + SECTOR > len)
			len = at + SECTOR < n->now_len ? at + SECTOR : n->now_len;
	}
	n->safe_len = len;
	memcpy(n->now, n->safe, n->room);
	n->now_len = n->safe_len;
	memset(n->dirty, 0, n->room / SECTOR + 1);
	write_out(n);
}

static void cut(uint64_t seed)
{
	uint64_t chance = seed;
	struct node *n;

	for (n = nodes; n; n = n->next)
		if (n->path[0] && n->room > 0)
			node_cut(n, &chance);
	life++;
	off = true;
}

/* True when this write is not to happen any more. */
static bool power_failed(const struct loss_file *f)
{
	if (f->life != life)
		return true;
	counted++;
	if (armed == 0 || --armed > 0)
		return false;
	fired = true;
	cut(armed_seed);
	return true;
}

void vfs_loss_arm(int nth, uint64_t seed)
{
	pthread_mutex_lock(&lock);
	armed = nth;
	armed_seed = seed;
	fired = false;
	counted = 0;
	pthread_mutex_unlock(&lock);
}

bool vfs_loss_fired(void)
{
	bool was;

	pthread_mutex_lock(&lock);
	was = fired;
	armed = 0;
	fired = false;
	pthread_mutex_unlock(&lock);
	return was;
}

int vfs_loss_count(void)
{
	int n;

	pthread_mutex_lock(&lock);
	n = counted;
	pthread_mutex_unlock(&lock);
	return n;
}

void vfs_loss_power_on(void)
{
	pthread_mutex_lock(&lock);
	off = false;
	pthread_mutex_unlock(&lock);
}

void vfs_loss_cut(uint64_t seed)
{
	pthread_mutex_lock(&lock);
	cut(seed);
	pthread_mutex_unlock(&lock);
}

void vfs_loss_forget(void)
{
	struct node *n, *next;

	pthread_mutex_lock(&lock);
	for (n = nodes; n; n = next) {
		next = n->next;
		node_free(n);
	}
	nodes = NULL;
	pthread_mutex_unlock(&lock);
}

/* --- files ----------------------------------------------------------------------------------
 */

static int on_close(sqlite3_file *file)
{
	struct loss_file *f = (struct loss_file *)file;

	return f->real->pMethods ? f->real->pMethods->xClose(f->real) : SQLITE_OK;
}

static int on_read(sqlite3_file *file, void *to, int len, sqlite3_int64 at)
{
	struct loss_file *f = (struct loss_file *)file;
	size_t have;
	int rc = SQLITE_OK;

	pthread_mutex_lock(&lock);
	if (f->life != life) {
		rc = SQLITE_IOERR_READ;
	} else {
		have = (size_t)at < f->node->now_len ? f->node->now_len - (size_t)at : 0;
		if (have > (size_t)len)
			have = (size_t)len;
		if (have > 0)
			memcpy(to, f->node->now + at, have);
		if (have < (size_t)len) {
			memset((char *)to + have, 0, (size_t)len - have);
			rc = SQLITE_IOERR_SHORT_READ;
		}
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

static int on_write(sqlite3_file *file, const void *from, int len, sqlite3_int64 at)
{
	struct loss_file *f = (struct loss_file *)file;
	int rc = SQLITE_IOERR_WRITE;

	pthread_mutex_lock(&lock);
	if (!power_failed(f)) {
		grow(f->node, (size_t)at + (size_t)len + SECTOR);
		memcpy(f->node->now + at, from, (size_t)len);
		mark(f->node, (size_t)at, (size_t)len);
		if (f->node->now_len < (size_t)at + (size_t)len)
			f->node->now_len = (size_t)at + (size_t)len;
		rc = SQLITE_OK;
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 len)
{
	struct loss_file *f = (struct loss_file *)file;
	int rc = SQLITE_IOERR_TRUNCATE;

	pthread_mutex_lock(&lock);
	if (!power_failed(f)) {
		grow(f->node, (size_t)len + SECTOR);
		if (f->node->now_len > (size_t)len) {
			mark(f->node, (size_t)len, f->node->now_len - (size_t)len);
			memset(f->node->now + len, 0, f->node->now_len - (size_t)len);
		}
		f->node->now_len = (size_t)len;
		rc = SQLITE_OK;
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

static int on_sync(sqlite3_file *file, int flags)
{
	struct loss_file *f = (struct loss_file *)file;
	struct node *n = f->node;
	int rc = SQLITE_IOERR_FSYNC;

	(void)flags;
	pthread_mutex_lock(&lock);
	if (!power_failed(f)) {
		if (n->room > 0) {
			memcpy(n->safe, n->now, n->room);
			memset(n->dirty, 0, n->room / SECTOR + 1);
		}
		n->safe_len = n->now_len;
		if (n->path[0])
			write_out(n);
		rc = SQLITE_OK;
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

static int on_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	struct loss_file *f = (struct loss_file *)file;

	pthread_mutex_lock(&lock);
	*ret = (sqlite3_int64)f->node->now_len;
	pthread_mutex_unlock(&lock);
	return SQLITE_OK;
}

#define REAL(file) (((struct loss_file *)(file))->real)

static int on_lock(sqlite3_file *file, int level)
{
	return REAL(file)->pMethods->xLock(REAL(file), level);
}

static int on_unlock(sqlite3_file *file, int level)
{
	return REAL(file)->pMethods->xUnlock(REAL(file), level);
}

static int on_check_lock(sqlite3_file *file, int *ret)
{
	return REAL(file)->pMethods->xCheckReservedLock(REAL(file), ret);
}

static int on_control(sqlite3_file *file, int op, void *arg)
{
	/* hints about sizes would make the system write past us */
	if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE ||
	    op == SQLITE_FCNTL_MMAP_SIZE)
		return SQLITE_NOTFOUND;
	return REAL(file)->pMethods->xFileControl(REAL(file), op, arg);
}

static int on_sector(sqlite3_file *file)
{
	(void)file;
	return SECTOR;
}

static int on_character(sqlite3_file *file)
{
	(void)file;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int on_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **ret)
{
	return REAL(file)->pMethods->xShmMap(REAL(file), region, size, extend, ret);
}

static int on_shm_lock(sqlite3_file *file, int at, int n, int flags)
{
	return REAL(file)->pMethods->xShmLock(REAL(file), at, n, flags);
}

static void on_shm_barrier(sqlite3_file *file)
{
	REAL(file)->pMethods->xShmBarrier(REAL(file));
}

static int on_shm_unmap(sqlite3_file *file, int drop)
{
	return REAL(file)->pMethods->xShmUnmap(REAL(file), drop);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2, /* no memory maps of the file */
	.xClose = on_close,
	.xRead = on_read,
	.xWrite = on_write,
	.xTruncate = on_truncate,
	.xSync = on_sync,
	.xFileSize = on_size,
	.xLock = on_lock,
	.xUnlock = on_unlock,
	.xCheckReservedLock = on_check_lock,
	.xFileControl = on_control,
	.xSectorSize = on_sector,
	.xDeviceCharacteristics = on_character,
	.xShmMap = on_shm_map,
	.xShmLock = on_shm_lock,
	.xShmBarrier = on_shm_barrier,
	.xShmUnmap = on_shm_unmap,
};

/* --- the file system ------------------------------------------------------------------------
 */

static int on_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
	struct loss_file *f = (struct loss_file *)file;
	bool dark;
	int rc;

	(void)vfs;
	memset(f, 0, sizeof(*f));
	pthread_mutex_lock(&lock);
	dark = off;
	pthread_mutex_unlock(&lock);
	if (dark)
		return SQLITE_CANTOPEN;
	f->real = (sqlite3_file *)(f + 1);
	rc = under->xOpen(under, path, f->real, flags, out);
	if (rc != SQLITE_OK || !path) {
		/* files without a name are SQLite's own scratch: nobody misses them */
		if (rc == SQLITE_OK)
			f->real->pMethods->xClose(f->real);
		return rc == SQLITE_OK ? SQLITE_CANTOPEN : rc;
	}
	pthread_mutex_lock(&lock);
	f->node = node_of(path, true);
	f->life = life;
	pthread_mutex_unlock(&lock);
	f->base.pMethods = &methods;
	return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *path, int sync_dir)
{
	bool alive;

	(void)vfs;
	pthread_mutex_lock(&lock);
	/* what closing dead handles wants to remove stays */
	alive = !off;

	if (alive)
		node_drop(path);
	pthread_mutex_unlock(&lock);
	return alive ? under->xDelete(under, path, sync_dir) : SQLITE_IOERR_DELETE;
}

static int on_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret)
{
	(void)vfs;
	return under->xAccess(under, path, flags, ret);
}

static int on_full_path(sqlite3_vfs *vfs, const char *path, int room, char *ret)
{
	(void)vfs;
	return under->xFullPathname(under, path, room, ret);
}

void vfs_loss_register(void)
{
	if (under)
		return;
	under = sqlite3_vfs_find(NULL);
	shim = *under;
	shim.zName = VFS_LOSS;
	shim.pNext = NULL;
	shim.szOsFile = (int)sizeof(struct loss_file) + under->szOsFile;
	shim.xOpen = on_open;
	shim.xDelete = on_delete;
	shim.xAccess = on_access;
	shim.xFullPathname = on_full_path;
	sqlite3_vfs_register(&shim, 0);
}
