/* String functions that gcc calls by itself, page allocation, and page tables. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>
#include <stdint.h>

#define PAGE 4096ul

/* A range of 512 small pages, in the identity map otherwise, whose entries map_window changes. */
#define WINDOW 0xd0000000ul

enum window_access { WINDOW_ABSENT, WINDOW_READ_ONLY, WINDOW_WRITABLE };

void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *a, const void *b, size_t count);
size_t strlen(const char *text);

/* A zeroed page of RAM after the image. There is no free. */
void *alloc_page(void);

/* Points page `index` of the window at a physical page; the address of the window page is returned. */
void *map_window(unsigned int index, const void *physical, enum window_access access);

#ifndef __x86_64__
/* 32-bit guests choose: no paging, two-level tables with 4 MiB pages, or PAE. All keep the identity map. */
enum paging_mode { PAGING_NONE, PAGING_32BIT, PAGING_PAE };
void set_paging_mode(enum paging_mode mode);
#endif

#endif
