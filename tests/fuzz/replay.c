/*
 * replay.c - runs a fuzz target over files
 *
 * Stands in for libFuzzer's main where there is none: each argument is a file or a directory of files, each is given once to the
 * target. A crash or a sanitizer's report is the failure; the name of the file in hand is printed before.
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned files;

static int
replay_file(const char *path)
{
        FILE *in = fopen(path, "rb");
        if (in == NULL) {
                perror(path);
                return -1;
        }
        size_t size = 0, room = 4096;
        uint8_t *data = malloc(room);
        for (size_t n; data != NULL && (n = fread(data + size, 1, room - size, in)) > 0;) {
                size += n;
                if (size == room) {
                        room *= 2;
                        uint8_t *more = realloc(data, room);
                        if (more == NULL)
                                free(data);
                        data = more;
                }
        }
        fclose(in);
        if (data == NULL)
                return -1;

        /* An exact copy, so that one byte too far is seen. */
        uint8_t *exact = malloc(size > 0 ? size : 1);
        if (exact == NULL) {
                free(data);
                return -1;
        }
        memcpy(exact, data, size);
        free(data);
        fprintf(stderr, "%s\n", path);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
        files++;
        return 0;
}

static int
replay(const char *path)
{
        struct stat st;
        if (stat(path, &st) != 0) {
                perror(path);
                return -1;
        }
        if (!S_ISDIR(st.st_mode))
                return replay_file(path);

        struct dirent **entries;
        int n = scandir(path, &entries, NULL, alphasort), rc = n < 0 ? -1 : 0;
        for (int i = 0; i < n; i++) {
                char inner[PATH_MAX];
                if (entries[i]->d_name[0] != '.' &&
                        snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name) < (int)sizeof inner && replay(inner) != 0)
                        rc = -1;
                free(entries[i]);
        }
        if (n >= 0)
                free(entries);
        return rc;
}

int
main(int argc, char **argv)
{
        int rc = 0;

        /* No input at all is an input too. */
        LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
        for (int i = 1; i < argc; i++)
                if (replay(argv[i]) != 0)
                        rc = 1;
        printf("%u inputs\n", files);
        return rc;
}
