/*
 * journal_replay.c - reading the journals that a killed process left behind
 */
#include "shared/base/list.h"
#include "shared/base/mem.h"
#include "shared/store/journal.h"
#include "shared/store/journal_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file, mapped for reading. */
struct file {
        char *path;
        int index;
        unsigned long long number;
        char *bytes; /* NULL: too short to hold anything */
        size_t len;
};

struct replay {
        char *dir;
        struct file *files;
        size_t count;
};

uint64_t
journal_check(uint64_t position, const void *bytes, size_t len)
{
        const unsigned char *at = bytes;
        uint64_t sum = position * 0x9e3779b97f4a7c15ULL ^ len, word;

        for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
                memcpy(&word, at, sizeof(word));
                sum = (sum ^ word) * 0xff51afd7ed558ccdULL;
                sum ^= sum >> 32;
        }
        word = 0;
        if (len > 0)
                memcpy(&word, at, len);
        sum = (sum ^ word) * 0xc4ceb9fe1a85ec53ULL;
        return sum ^ sum >> 29;
}

void
journal_boot(char boot[JOURNAL_BOOT])
{
        FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

        memset(boot, 0, JOURNAL_BOOT);
        if (file == NULL)
                return;
        if (fgets(boot, JOURNAL_BOOT, file) == NULL)
                boot[0] = '\0';
        boot[strcspn(boot, "\n")] = '\0';
        fclose(file);
}

static int
compare(const void *a, const void *b)
{
        const struct file *x = a, *y = b;

        if (x->index != y->index)
                return x->index < y->index ? -1 : 1;
        return x->number < y->number ? -1 : x->number > y->number;
}

static int
map_file(struct file *file, struct err *err)
{
        int fd = open(file->path, O_RDONLY | O_CLOEXEC);
        struct stat stat;
        int result = -1;

        if (fd < 0 || fstat(fd, &stat) != 0) {
                err_set(err, "%s: %s", file->path, strerror(errno));
                goto out;
        }
        result = 0;
        if ((size_t)stat.st_size < sizeof(struct segment_head))
                goto out;
        file->len = (size_t)stat.st_size;
        file->bytes = mmap(NULL, file->len, PROT_READ, MAP_PRIVATE, fd, 0);
        if (file->bytes == MAP_FAILED) {
                file->bytes = NULL;
                result = err_set(err, "%s: %s", file->path, strerror(errno));
        }
out:
        if (fd >= 0)
                close(fd);
        return result;
}

static int
find_files(struct replay *replay, const char *dir, struct err *err)
{
        DIR *directory = opendir(dir);
        int result = 0;

        if (directory == NULL)
                return errno == ENOENT ? 0 : err_set(err, "%s: %s", dir, strerror(errno));
        for (struct dirent *entry; result == 0 && (entry = readdir(directory)) != NULL;) {
                struct file file = { 0 };
                char rest;
                if (sscanf(entry->d_name, "journal-%d-%llu%c", &file.index, &file.number, &rest) != 2)
                        continue;
                size_t len = strlen(dir) + strlen(entry->d_name) + 2;
                file.path = mem_new(len);
                snprintf(file.path, len, "%s/%s", dir, entry->d_name);
                result = map_file(&file, err);
                replay->files = mem_resize(replay->files, replay->count + 1, sizeof(file));
                replay->files[replay->count++] = file;
        }
        closedir(directory);
        if (replay->count > 0)
                qsort(replay->files, replay->count, sizeof(*replay->files), compare);
        return result;
}

/* The records of one file; false: it does not end as it should, so what follows in this journal does not count. */
static bool
replay_file(const struct file *file, uint64_t *position, void (*each)(void *arg, const void *bytes, size_t len), void *arg)
{
        struct segment_head segment;
        size_t at = sizeof(segment);

        memcpy(&segment, file->bytes, sizeof(segment));
        if (*position != 0 && segment.start != *position)
                return false;
        while (file->len - at >= sizeof(struct record_head)) {
                struct record_head head;
                memcpy(&head, file->bytes + at, sizeof(head));
                size_t room = file->len - at - sizeof(head);
                size_t padded = ((size_t)head.len + JOURNAL_ALIGN - 1) / JOURNAL_ALIGN * JOURNAL_ALIGN;
                const char *bytes = file->bytes + at + sizeof(head);
                if (head.len == 0 || head.len > JOURNAL_RECORD_MAX || padded > room)
                        return false;
                if (head.check != journal_check(segment.start + at, bytes, head.len))
                        return false;
                each(arg, bytes, head.len);
                at += sizeof(head) + padded;
        }
        *position = segment.start + at;
        return at == file->len;
}

static bool
is_segment(const struct file *file)
{
        struct segment_head head;

        if (file->bytes == NULL)
                return false;
        memcpy(&head, file->bytes, sizeof(head));
        return memcmp(head.magic, JOURNAL_MAGIC, sizeof(head.magic)) == 0 && head.version == JOURNAL_VERSION;
}

static bool
is_of_this_boot(const struct file *file)
{
        struct segment_head head;
        char boot[JOURNAL_BOOT];

        memcpy(&head, file->bytes, sizeof(head));
        journal_boot(boot);
        return boot[0] != '\0' && memcmp(head.boot, boot, sizeof(boot)) == 0;
}

/* Names a place beside the journals. The caller frees it. */
static char *
discarded_name(const char *dir)
{
        static const char suffix[] = ".discarded";
        size_t len = strlen(dir) + sizeof(suffix);
        char *name = mem_new(len);

        snprintf(name, len, "%s%s", dir, suffix);
        return name;
}

static void
remove_directory(const char *path)
{
        DIR *directory = opendir(path);

        if (directory == NULL)
                return;
        for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
                if (strncmp(entry->d_name, "journal-", 8) == 0)
                        unlinkat(dirfd(directory), entry->d_name, 0);
        closedir(directory);
        rmdir(path);
}

/* A part of the journals would say less than all of them, so they go in one step. */
static void
discard_files(const struct replay *replay)
{
        char *name = discarded_name(replay->dir);

        if (replay->count > 0 && rename(replay->dir, name) != 0)
                for (size_t i = 0; i < replay->count; i++)
                        unlink(replay->files[i].path);
        remove_directory(name);
        mem_free(name);
}

int
journal_replay(const char *dir, struct replay **opened, bool *machine_died, void (*each)(void *arg, const void *bytes, size_t len),
        void *arg, struct err *err)
{
        struct replay *replay = MEM_NEW(replay);
        uint64_t position = 0;
        bool is_whole = true;

        *opened = replay;
        *machine_died = false;
        replay->dir = mem_strdup(dir);
        char *leftover = discarded_name(dir);
        remove_directory(leftover);
        mem_free(leftover);
        if (find_files(replay, dir, err) != 0)
                return -1;
        for (size_t i = 0; i < replay->count; i++) {
                const struct file *file = &replay->files[i];
                if (i == 0 || file->index != replay->files[i - 1].index) {
                        position = 0;
                        is_whole = true;
                }
                if (!is_whole || !is_segment(file)) {
                        is_whole = false;
                        continue;
                }
                *machine_died |= !is_of_this_boot(file);
                is_whole = replay_file(file, &position, each, arg);
        }
        return 0;
}

void
journal_replay_end(struct replay **ended, bool discard)
{
        struct replay *replay = *ended;
        if (replay == NULL)
                return;
        *ended = NULL;
        if (discard)
                discard_files(replay);
        for (size_t i = 0; i < replay->count; i++) {
                struct file *file = &replay->files[i];
                if (file->bytes != NULL)
                        munmap(file->bytes, file->len);
                mem_free(file->path);
        }
        mem_free(replay->files);
        mem_free(replay->dir);
        mem_free(replay);
}
