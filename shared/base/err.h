/* err.h - a sentence about what the world did, for the caller to log, show or act on */
#ifndef SHARED_BASE_ERR_H
#define SHARED_BASE_ERR_H

struct err {
        char text[512];
};

/* Writes the sentence (cut to fit, always terminated) and returns -1, so that `return err_set(err, ...)` reads well. err may be NULL. */
int err_set(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Puts what the caller knows before the sentence that is there: "FILE: " and so on. Returns -1. */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
