/* panic.h - our own mistakes stop the process with a record; they are never answered or repaired */
#ifndef SHARED_BASE_PANIC_H
#define SHARED_BASE_PANIC_H

/* Always on. Use it for what only a fault of ours can make false, never for anything a peer, a file or the world decides. */
#define must(condition) ((condition) ? (void)0 : panic(__FILE__, __LINE__, #condition))

/* Writes one line with place and condition to stderr and aborts. */
_Noreturn void panic(const char *file, int line, const char *what);

#endif
