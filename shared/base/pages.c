/*
 * pages.c - blocks of 16 KiB from the system
 *
 * Regions are never unmapped: holes in them would each cost one of the kernel's limited number of mappings. A few blocks stay warm; of the
 * others only the addresses are kept.
 */
#include "shared/base/pages.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>

enum { REGION_BLOCKS = 64, WARM_MAX = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *warm[WARM_MAX], **cold;
static size_t warm_count, cold_count, cold_room;

static void
map_region(void)
{
        char *region = mmap(NULL, (size_t)REGION_BLOCKS * PAGES_BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        must(region != MAP_FAILED);
        if (cold_count + REGION_BLOCKS > cold_room) {
                cold_room = cold_room * 2 + REGION_BLOCKS;
                cold = mem_resize(cold, cold_room, sizeof(*cold));
        }
        for (size_t i = REGION_BLOCKS; i-- > 0;)
                cold[cold_count++] = region + i * PAGES_BLOCK;
}

void *
pages_take(void)
{
        void *block;

        pthread_mutex_lock(&lock);
        if (warm_count == 0 && cold_count == 0)
                map_region();
        block = warm_count > 0 ? warm[--warm_count] : cold[--cold_count];
        pthread_mutex_unlock(&lock);
        return block;
}

void
pages_give(void *block)
{
        pthread_mutex_lock(&lock);
        bool is_warm = warm_count < WARM_MAX;
        if (is_warm)
                warm[warm_count++] = block;
        pthread_mutex_unlock(&lock);
        if (is_warm)
                return;
        madvise(block, PAGES_BLOCK, MADV_DONTNEED);
        pthread_mutex_lock(&lock);
        if (cold_count == cold_room) {
                cold_room = cold_room * 2 + REGION_BLOCKS;
                cold = mem_resize(cold, cold_room, sizeof(*cold));
        }
        cold[cold_count++] = block;
        pthread_mutex_unlock(&lock);
}
