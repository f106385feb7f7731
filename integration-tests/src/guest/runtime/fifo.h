/* A word of the FIFO ABI. */
#ifndef FIFO_H
#define FIFO_H

#include "cpu.h"
#include "xen.h"

#define WORD_PENDING (1u << EVTCHN_FIFO_PENDING)
#define WORD_MASKED (1u << EVTCHN_FIFO_MASKED)
#define WORD_LINKED (1u << EVTCHN_FIFO_LINKED)

/* Takes the word at the head of a queue out of it; the port that follows, 0 if it was the last. */
static inline evtchn_port_t unlink_first(volatile event_word_t *word)
{
    event_word_t old = *word;

    while (!__atomic_compare_exchange_n(word, &old, old & ~(WORD_LINKED | EVTCHN_FIFO_LINK_MASK), 0,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        cpu_relax();
    return old & EVTCHN_FIFO_LINK_MASK;
}

#endif
