/*
 * Checks of /dev/xen/evtchn, one line each:
 *
 *     evtchn-device bind OWN_DOMAIN | deliver | ring ROUNDS | many CHANNELS | full LAST_PORT ...
 */
#include "check.h"
#include "evtchn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned int number(char **words)
{
    return *words ? (unsigned int)strtoul(*words, NULL, 0) : 0;
}

int main(int count, char **words)
{
    (void)count;
    while (*++words) {
        if (!strcmp(*words, "deliver"))
            check_delivery();
        else if (!strcmp(*words, "bind"))
            check_binding(number(++words));
        else if (!strcmp(*words, "ring"))
            check_ringing(number(++words));
        else if (!strcmp(*words, "many"))
            check_many(number(++words));
        else if (!strcmp(*words, "full"))
            check_exhaustion(number(++words));
        else
            return 2;
        if (!*words)
            return 2;
    }
    return check_summary();
}
