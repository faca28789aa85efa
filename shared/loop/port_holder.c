/*
 * port_holder.c - who listens on a TCP port: the socket's inode from /proc/net/tcp, then the process that has it open
 */
#include "shared/loop/port_holder.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TCP_STATE_LISTEN = 0x0a };

static unsigned long
find_inode(const char *table, uint16_t port)
{
        char line[512];
        unsigned long found = 0;
        FILE *file = fopen(table, "re");

        if (file == NULL)
                return 0;
        while (found == 0 && fgets(line, sizeof(line), file) != NULL) {
                unsigned local, state;
                unsigned long inode;
                if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*d %*d %lu", &local, &state, &inode) ==
                                3 &&
                        local == port && state == TCP_STATE_LISTEN)
                        found = inode;
        }
        fclose(file);
        return found;
}

static bool
has_open(const char *pid, const char *socket)
{
        char path[64], target[64];
        bool found = false;

        snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
        DIR *dir = opendir(path);
        if (dir == NULL)
                return false;
        for (struct dirent *entry; !found && (entry = readdir(dir)) != NULL;) {
                snprintf(path, sizeof(path), "/proc/%.16s/fd/%.16s", pid, entry->d_name);
                ssize_t len = readlink(path, target, sizeof(target) - 1);
                if (len > 0) {
                        target[len] = '\0';
                        found = strcmp(target, socket) == 0;
                }
        }
        closedir(dir);
        return found;
}

static void
read_name(const char *pid, char *name, size_t room)
{
        char path[64];

        name[0] = '\0';
        snprintf(path, sizeof(path), "/proc/%.16s/comm", pid);
        FILE *file = fopen(path, "re");
        if (file == NULL)
                return;
        if (fgets(name, (int)room, file) != NULL)
                name[strcspn(name, "\n")] = '\0';
        fclose(file);
}

bool
port_holder(uint16_t port, char *text, size_t room)
{
        char socket[64], name[32];
        bool found = false;
        unsigned long inode = find_inode("/proc/net/tcp", port);

        if (inode == 0)
                inode = find_inode("/proc/net/tcp6", port);
        DIR *dir = inode == 0 ? NULL : opendir("/proc");
        if (dir == NULL)
                return false;
        snprintf(socket, sizeof(socket), "socket:[%lu]", inode);
        for (struct dirent *entry; !found && (entry = readdir(dir)) != NULL;) {
                if (!isdigit((unsigned char)entry->d_name[0]) || !has_open(entry->d_name, socket))
                        continue;
                read_name(entry->d_name, name, sizeof(name));
                snprintf(text, room, "PID %.16s (%s)", entry->d_name, name);
                found = true;
        }
        closedir(dir);
        return found;
}
