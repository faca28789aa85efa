/* microsoft_private.h - what OCS and Lync have in common (6.1, tables 1 to 6 of the source document) */
#ifndef SIPCOMP_DIALECT_MICROSOFT_PRIVATE_H
#define SIPCOMP_DIALECT_MICROSOFT_PRIVATE_H

#include "sipcomp/dialect/dialect.h"

extern const struct presence_row microsoft_presence[];

#endif
