#include "check.h"

static unsigned int passed, failed;

static void print_value(int64_t value)
{
    if (value > -0x80000000ll && value < 0x80000000ll)
        print_signed(value);
    else
        print_hex((uint64_t)value);
}

static void passes(const char *name)
{
    passed++;
    print("ok ");
    print(name);
    print("\n");
}

static void fails(const char *name, int64_t got)
{
    failed++;
    print("FAIL ");
    print(name);
    print(": got ");
    print_value(got);
    print(" want ");
}

void check(const char *name, int64_t got, int64_t want)
{
    if (got == want) {
        passes(name);
        return;
    }
    fails(name, got);
    print_value(want);
    print("\n");
}

void check_either(const char *name, int64_t got, int64_t want, int64_t or_else)
{
    if (got == want || got == or_else) {
        passes(name);
        return;
    }
    fails(name, got);
    print_value(want);
    print(" or ");
    print_value(or_else);
    print("\n");
}

void check_true(const char *name, int condition)
{
    check(name, condition != 0, 1);
}

int skipped(const char *name)
{
    char word[80] = "skip=";

    memcpy(word + 5, name, strlen(name) + 1);
    if (!command_line_word(word, 0))
        return 0;
    print("skip ");
    print(name);
    print("\n");
    return 1;
}

void check_summary(void)
{
    print_unsigned(passed);
    print(" passed, ");
    print_unsigned(failed);
    print(" failed\n");
}

int test_and_set_bit(unsigned int bit, volatile void *words)
{
    uint32_t mask = 1u << (bit & 31);

    return (__atomic_fetch_or((volatile uint32_t *)words + bit / 32, mask, __ATOMIC_SEQ_CST) & mask) != 0;
}

int test_and_clear_bit(unsigned int bit, volatile void *words)
{
    uint32_t mask = 1u << (bit & 31);

    return (__atomic_fetch_and((volatile uint32_t *)words + bit / 32, ~mask, __ATOMIC_SEQ_CST) & mask) != 0;
}

int test_bit(unsigned int bit, const volatile void *words)
{
    return ((const volatile uint32_t *)words)[bit / 32] >> (bit & 31) & 1;
}

unsigned long frame_outside_ram(unsigned int which)
{
    /* The guests run with less than 1 GiB. */
    return (0x40000000ul >> 12) + which * 0x8000;
}
