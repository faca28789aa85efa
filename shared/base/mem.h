/* mem.h - memory that is always there: what a peer may cost us is limited where it enters, not where malloc returns */
#ifndef SHARED_BASE_MEM_H
#define SHARED_BASE_MEM_H

#include <stddef.h>
#include <string.h>

/* Zeroed memory for one object; never NULL. Release with mem_free. */
void *mem_new(size_t size);
/* Zeroed memory for n objects of this size; a product that does not fit stops the process. */
void *mem_array(size_t n, size_t size);
/* As realloc for n objects of this size; new bytes are not cleared. */
void *mem_resize(void *old, size_t n, size_t size);
void *mem_dup(const void *bytes, size_t len);
char *mem_strdup(const char *text); /* of NULL: NULL */
void mem_free(void *memory);
/* Clears memory that held a secret; the compiler may not leave it out. */
void mem_wipe(void *secret, size_t len);
/* True if both have this length and the same bytes; the time taken tells nothing about where they differ. */
int mem_equal_secret(const void *a, const void *b, size_t len);

/* A new, zeroed struct of the pointer's type: `struct x *x = MEM_NEW(x);` */
#define MEM_NEW(pointer) mem_new(sizeof(*(pointer)))
/* From a member to the struct that holds it. */
#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define array_len(array)                    (sizeof(array) / sizeof((array)[0]))

#endif
