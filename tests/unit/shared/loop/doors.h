/* doors.h - TCP ports of this machine that answer, refuse, or say nothing */
#ifndef TESTS_UNIT_SHARED_LOOP_DOORS_H
#define TESTS_UNIT_SHARED_LOOP_DOORS_H

#include "shared/loop/address.h"

enum door_kind { DOOR_OPEN, DOOR_REFUSES, DOOR_SILENT };

/* A plain value. */
struct door {
        struct address address;
        int fds[8];
};

/* host: "127.0.0.1", "::1"; port 0: a free one. false: this machine has no such address, or somebody has the port. */
bool door_make(struct door *door, enum door_kind kind, const char *host, uint16_t port);
void door_remove(struct door *door);

#endif
