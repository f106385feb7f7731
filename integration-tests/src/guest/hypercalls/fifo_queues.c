/* As Xen's public event_channel.h and the design paper "Event Channel ABI" describe a guest's part. */
#include "fifo_queues.h"

#define PAGES 8
#define LOG 16

static struct evtchn_fifo_control_block *blocks[2];
static event_word_t *words[PAGES];
static uint32_t heads[EVTCHN_FIFO_MAX_QUEUES];
static volatile unsigned int count;
static evtchn_port_t log[LOG];

struct evtchn_fifo_control_block *control_block(uint32_t vcpu)
{
    if (!blocks[0]) {
        char *page = alloc_page();

        blocks[0] = (void *)(page + CONTROL_OFFSET(0));
        blocks[1] = (void *)(page + CONTROL_OFFSET(1));
    }
    return blocks[vcpu];
}

unsigned long control_gfn(void)
{
    return (unsigned long)control_block(0) / PAGE;
}

unsigned long word_page_gfn(unsigned int index)
{
    if (!words[index]) {
        words[index] = alloc_page();
        for (unsigned int i = 0; i < WORDS_PER_PAGE; i++)
            words[index][i] = WORD_MASKED;
    }
    return (unsigned long)words[index] / PAGE;
}

volatile event_word_t *event_word(evtchn_port_t port)
{
    return &words[port / WORDS_PER_PAGE][port % WORDS_PER_PAGE];
}

void clear_masked(evtchn_port_t port)
{
    __atomic_fetch_and(event_word(port), ~WORD_MASKED, __ATOMIC_SEQ_CST);
}

void set_masked(evtchn_port_t port)
{
    __atomic_fetch_or(event_word(port), WORD_MASKED, __ATOMIC_SEQ_CST);
}

static void take(evtchn_port_t port)
{
    event_word_t word = *event_word(port);

    /* Closed or masked since it was queued. */
    if (!(word & WORD_PENDING) || (word & WORD_MASKED))
        return;
    __atomic_fetch_and(event_word(port), ~WORD_PENDING, __ATOMIC_SEQ_CST);
    if (count < LOG)
        log[count] = port;
    count++;
}

void take_fifo_events(void)
{
    struct evtchn_fifo_control_block *block = control_block(0);
    uint32_t ready = __atomic_exchange_n(&block->ready, 0, __ATOMIC_SEQ_CST);

    while (ready) {
        unsigned int queue = (unsigned int)__builtin_ctz(ready);
        evtchn_port_t port = heads[queue] ? heads[queue] : *(volatile uint32_t *)&block->head[queue];

        heads[queue] = unlink_first(event_word(port));
        take(port);
        if (heads[queue] == 0)
            ready &= ~(1u << queue);
        ready |= __atomic_exchange_n(&block->ready, 0, __ATOMIC_SEQ_CST);
    }
}

void use_fifo(void)
{
    memset(heads, 0, sizeof(heads));
    memset(control_block(0), 0, sizeof(*control_block(0)));
    memset(control_block(1), 0, sizeof(*control_block(1)));
    take_queued_events = take_fifo_events;
}

uint64_t taken(void)
{
    uint64_t ports = 0;

    for (unsigned int i = 0; i < count && i < LOG; i++)
        ports = ports * 1000 + log[i];
    count = 0;
    return ports;
}

int wait_for_events(unsigned int wanted)
{
    uint64_t deadline = now() + 1000000000ull;

    interrupts_on();
    while (count < wanted && now() < deadline)
        cpu_relax();
    interrupts_off();
    return count >= wanted;
}
