#include "print.h"

#include "cpu.h"

#define COM1 0x3f8
#define FIFO_CONTROL (COM1 + 2)
#define FIFO_ENABLE 1
#define FIFO_SIZE 16
#define LINE_STATUS (COM1 + 5)
#define LINE_STATUS_DATA_READY 1
#define LINE_STATUS_THR_EMPTY 0x20

static int fifo_room;

/* An empty FIFO takes sixteen bytes, so that the line status is read once for as many. */
static void put(char c)
{
    if (fifo_room == 0) {
        outb(FIFO_CONTROL, FIFO_ENABLE);
        while (!(inb(LINE_STATUS) & LINE_STATUS_THR_EMPTY))
            cpu_relax();
        fifo_room = FIFO_SIZE;
    }
    fifo_room--;
    outb(COM1, (uint8_t)c);
}

void print(const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            put('\r');
        put(*text);
    }
}

int has_input(void)
{
    return inb(LINE_STATUS) & LINE_STATUS_DATA_READY;
}

char read_input(void)
{
    while (!has_input())
        cpu_relax();
    return (char)inb(COM1);
}

void print_hex(uint64_t value)
{
    char digits[17];
    int at = 16;

    digits[at] = 0;
    do {
        digits[--at] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value);
    print("0x");
    print(digits + at);
}

/* Divides by ten with two 64-by-32 divisions: a 32-bit guest has no libgcc for a 64-bit one. */
static unsigned int divide_by_ten(uint64_t *value)
{
    uint32_t high = (uint32_t)(*value >> 32), low = (uint32_t)*value, remainder;
    uint32_t high_quotient = high / 10;

    asm("divl %2" : "=a"(low), "=d"(remainder) : "r"(10), "a"(low), "d"(high % 10));
    *value = (uint64_t)high_quotient << 32 | low;
    return remainder;
}

void print_unsigned(uint64_t value)
{
    char digits[21];
    int at = 20;

    digits[at] = 0;
    do
        digits[--at] = (char)('0' + divide_by_ten(&value));
    while (value);
    print(digits + at);
}

void print_signed(int64_t value)
{
    if (value < 0) {
        print("-");
        value = -value;
    }
    print_unsigned((uint64_t)value);
}
