/* Configuration files: any bytes give a snapshot or errors that each name file and line. */
#include "shared/base/panic.h"
#include "shared/config/config.h"
#include "shared/config/federation.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct setting settings[] = {
        { "workers", SETTING_NUMBER, "0", AT_START, "", "0..64" },
        { "idle", SETTING_SECONDS, "600", LIVE, "", NULL },
        { "secret", SETTING_SECRET, "", LIVE, "", NULL },
        { "verbose", SETTING_BOOL, "no", LIVE, "", NULL },
        { "state-dir", SETTING_PATH, "state", LIVE, "", NULL },
        { "local-domains", SETTING_DOMAINS, "{ }", LIVE, "", NULL },
        { "listen", SETTING_ADDRESSES, "{ \"[::]:5222\" }", LIVE, "", NULL },
        { 0 },
};
static const struct section_rule inside[] = { FEDERATION_SECTIONS, { 0 } };
static const struct section_rule rules = { .name = "", .settings = settings, .inside = inside };

static void
check(const struct config *config, struct buf *errors, struct buf *warnings)
{
        struct federation_check *federation = federation_check_new(errors, warnings);
        const struct section *top = config_top(config);

        for (size_t i = 0; i < config_list_count(top, "local-domains"); i++)
                federation_claim(
                        federation, "local domain", config_list_item(top, "local-domains", i), section_place(top, "local-domains"));
        federation_check_all(federation, config);
        federation_check_free(&federation);
}

/* An input may not open files of this machine. */
static bool
names_files(const uint8_t *data, size_t size)
{
        return memmem(data, size, "include", 7) != NULL || memmem(data, size, "file:", 5) != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct buf errors = { 0 }, warnings = { 0 };
        char path[40];

        if (size > 65536 || names_files(data, size))
                return 0;
        int fd = memfd_create("config", MFD_CLOEXEC);
        must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        struct config *config = config_read(path, &rules, check, &errors, &warnings);
        must((config == NULL) == (errors.len > 0));
        /* Every line begins with the file. */
        for (char *line = buf_text(&errors); *line != '\0'; line = strchr(line, '\n') + 1)
                must(strncmp(line, path, strlen(path)) == 0 && strchr(line, '\n') != NULL);
        config_unref(&config);
        buf_free(&errors);
        buf_free(&warnings);
        close(fd);
        return 0;
}
