/* pages.h - blocks of 16 KiB whose memory goes back to the system when they are given back
 *
 * For what many idle objects need now and then, and in small pieces that malloc would leave scattered over all its pages: after a thousand
 * parsers came and went, their memory is free again, not merely unused.
 */
#ifndef SHARED_BASE_PAGES_H
#define SHARED_BASE_PAGES_H

enum { PAGES_BLOCK = 16 * 1024 };

/* Aligned to a page; the bytes are anything. Any thread. */
void *pages_take(void);
void pages_give(void *block);

#endif
