/* fuzz_journal.c - a journal's file with any bytes in it: what comes out are whole records with the right check, or nothing */
#include "shared/base/panic.h"
#include "shared/store/journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
see(void *arg, const void *bytes, size_t len)
{
        size_t *sum = arg;

        must(len > 0);
        for (size_t i = 0; i < len; i++)
                *sum += ((const unsigned char *)bytes)[i];
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static char dir[64], path[96];
        struct replay *replay = NULL;
        struct err err;
        bool machine_died;
        size_t sum = 0;

        if (dir[0] == '\0') {
                snprintf(dir, sizeof(dir), "/tmp/fuzz-journal-%ld", (long)getpid());
                must(mkdir(dir, 0700) == 0);
                snprintf(path, sizeof(path), "%s/journal-0-0", dir);
        }
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
        close(fd);
        must(journal_replay(dir, &replay, &machine_died, see, &sum, &err) == 0);
        journal_replay_end(&replay, true);
        rmdir(dir);
        dir[0] = '\0';
        return 0;
}
