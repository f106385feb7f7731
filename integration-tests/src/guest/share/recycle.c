/*
 * recycle DOMID REF COUNT: takes references that pages 0 to COUNT - 1 are granted by to that domain back as soon as they are
 * not in use, uses the pages for secrets meanwhile, and grants them again, until there is input.
 * -> how often that was done, how often a reference was in use, how many pages were written to while they were not granted
 */
#include "share.h"

#include "../runtime/print.h"

#define LOOKS_PER_POLL 64

static uint64_t state = 88172645463325252ull;

static unsigned int below(unsigned int limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned int)(state >> 33) % limit;
}

static void use_for_a_secret(unsigned int number, uint64_t *violations)
{
    fill_page(number, SECRET | number);
    for (unsigned int i = below(4); i > 0; i--)
        for (unsigned int wait = 0; wait < 500; wait++)
            asm volatile("pause" : : : "memory");
    *violations += words_unlike(number, SECRET | number) != 0;
    fill_page(number, PUBLIC | number);
}

void recycle(const uint64_t *a)
{
    uint64_t done = 0, in_use = 0, violations = 0;

    for (unsigned int looks = 1; looks % LOOKS_PER_POLL || !has_input(); looks++) {
        unsigned int number = below((unsigned int)a[2]);
        grant_ref_t ref = (grant_ref_t)a[1] + number;

        if (!try_revoke(ref)) {
            in_use++;
            continue;
        }
        use_for_a_secret(number, &violations);
        grant_to(ref, (domid_t)a[0], (unsigned long)pages[number] / 4096, below(3) == 0 ? GTF_readonly : 0);
        done++;
    }
    answer(done);
    answer(in_use);
    answer(violations);
}
