/* port_holder.h - who listens on a TCP port of this machine, as far as /proc tells; private to this room */
#ifndef SHARED_LOOP_PORT_HOLDER_H
#define SHARED_LOOP_PORT_HOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes "PID 123 (prosody)"; false if nobody can be named. */
bool port_holder(uint16_t port, char *text, size_t room);

#endif
