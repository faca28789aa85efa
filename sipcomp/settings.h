/* settings.h - the sections of sipcomp.conf, with those of federation.conf */
#ifndef SIPCOMP_SETTINGS_H
#define SIPCOMP_SETTINGS_H

#include "shared/config/config.h"

/* All rules. Lives for ever. */
const struct section_rule *sipcomp_settings_rules(void);
/* Reads the file with all cross-checks. On any error: NULL, and in errors a line "FILE:LINE: message" for each. Warnings likewise. Opens no port;
 * blocks on files. */
struct config *sipcomp_settings_read(const char *path, struct buf *errors, struct buf *warnings);

#endif
