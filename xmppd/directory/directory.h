/* directory.h - passwords checked against an LDAP directory or Active Directory
 *
 * The directory library waits for the network, so it runs in the pool, for each domain on at most so many threads at a time as the
 * configuration says; logins beyond that stand in a line of bounded length. Nothing is cached: the directory is asked at each login.
 */
#ifndef XMPPD_DIRECTORY_DIRECTORY_H
#define XMPPD_DIRECTORY_DIRECTORY_H

#include "shared/config/config.h"

#include <stdbool.h>
#include <stddef.h>

/* Threads that directories may hold in the pool, over all domains; before the first job of the pool. */
void directory_start(const struct section *top);

/* This worker ends: gives back its lines. */
void directory_stop(void);

/* Does a section `directory` of this worker's configuration speak for the domain? */
bool directory_serves(const char *domain);

enum directory_outcome {
        DIRECTORY_PROVEN,
        DIRECTORY_REFUSED, /* no such user, more than one, or another password; the directory's own reasons (locked, expired) are logged */
        DIRECTORY_DOWN, /* no answer from any server in time, or too many logins wait already */
};

/* mail and name as the directory has them now, or NULL; they live during the call. */
typedef void directory_done(void *owner, enum directory_outcome outcome, const char *mail, const char *name);
struct directory_login;

/* Checks the password of a user (the part of a JID before the @). Neither is empty: to a directory an empty password means "I do not say who I am",
 * which it allows. done runs once, on this worker, never from inside the call. Copies all texts. */
struct directory_login *
directory_check(const char *domain, const char *user, const char *password, directory_done *done, void *owner);
/* The owner has gone: done will not be called. Clears the pointer. */
void directory_forget(struct directory_login **login);

/* For the configuration: -1 with a sentence if no user can be looked up with this filter. */
struct err;
int directory_check_filter(const char *filter, struct err *err);

#endif
