#include "memory.h"

extern char image_end[];
extern uint64_t page_directory[2048], page_directory_pointers[512];

static uint64_t window_table[512] __attribute__((aligned(4096)));
static char *next_page = image_end;

void *memcpy(void *to, const void *from, size_t count)
{
    void *destination = to;

    asm volatile("rep movsb" : "+D"(destination), "+S"(from), "+c"(count) : : "memory");
    return to;
}

void *memset(void *to, int value, size_t count)
{
    void *destination = to;

    asm volatile("rep stosb" : "+D"(destination), "+c"(count) : "a"(value) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t count)
{
    const unsigned char *x = a, *y = b;

    for (; count; count--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

size_t strlen(const char *text)
{
    size_t length = 0;

    while (text[length])
        length++;
    return length;
}

void *alloc_page(void)
{
    void *page = next_page;

    next_page += PAGE;
    return memset(page, 0, PAGE);
}

static uint64_t window_entry(const void *physical, enum window_access access)
{
    uint64_t bits = access == WINDOW_WRITABLE ? 7 : access == WINDOW_READ_ONLY ? 5 : 0;

    return bits ? ((unsigned long)physical & ~(PAGE - 1)) | bits : 0;
}

#ifdef __x86_64__

void *map_window(unsigned int index, const void *physical, enum window_access access)
{
    char *address = (char *)WINDOW + index * PAGE;

    page_directory[WINDOW >> 21] = (unsigned long)window_table | 7;
    window_table[index] = window_entry(physical, access);
    asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" : : : "rax", "memory");
    return address;
}

#else

#define CR0_PG 0x80000000u
#define CR4_PSE 0x10u
#define CR4_PAE 0x20u

static uint32_t directory_32bit[1024] __attribute__((aligned(4096)));
static uint32_t window_table_32bit[1024] __attribute__((aligned(4096)));

static uint32_t read_cr0(void)
{
    uint32_t value;

    asm volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static void enable_paging(uint32_t cr4, const void *cr3)
{
    asm volatile("mov %0, %%cr4" : : "r"(cr4));
    asm volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
    asm volatile("mov %0, %%cr0" : : "r"(read_cr0() | CR0_PG) : "memory");
}

void set_paging_mode(enum paging_mode mode)
{
    asm volatile("mov %0, %%cr0" : : "r"(read_cr0() & ~CR0_PG) : "memory");
    switch (mode) {
    case PAGING_NONE:
        break;
    case PAGING_32BIT:
        for (uint32_t i = 0; i < 1024; i++)
            directory_32bit[i] = i << 22 | 0x87;
        directory_32bit[WINDOW >> 22] = (uint32_t)window_table_32bit | 7;
        enable_paging(CR4_PSE, directory_32bit);
        break;
    case PAGING_PAE:
        for (uint32_t i = 0; i < 4; i++)
            page_directory_pointers[i] = (uint32_t)(page_directory + 512 * i) | 1;
        page_directory[WINDOW >> 21] = (uint32_t)window_table | 7;
        enable_paging(CR4_PAE, page_directory_pointers);
        break;
    }
}

void *map_window(unsigned int index, const void *physical, enum window_access access)
{
    window_table[index] = window_entry(physical, access);
    window_table_32bit[index] = (uint32_t)window_table[index];
    asm volatile("mov %%cr3, %%eax; mov %%eax, %%cr3" : : : "eax", "memory");
    return (char *)WINDOW + index * PAGE;
}

#endif
