/* COM1, polled. */
#ifndef PRINT_H
#define PRINT_H

#include <stdint.h>

void print(const char *text);
void print_hex(uint64_t value);
void print_unsigned(uint64_t value);
void print_signed(int64_t value);

/* Whether read_input would return at once. */
int has_input(void);
char read_input(void);

#endif
