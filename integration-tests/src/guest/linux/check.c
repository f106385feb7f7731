#include "check.h"

#include <stdio.h>
#include <stdlib.h>

static unsigned int passed, failed;

void check(const char *name, long got, long want)
{
    if (got == want) {
        passed++;
        printf("ok %s\n", name);
    } else {
        failed++;
        printf("FAIL %s: got %ld want %ld\n", name, got, want);
    }
    fflush(stdout);
}

int check_summary(void)
{
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}

void die(const char *what)
{
    perror(what);
    exit(2);
}
