/* A further console. Nobody reads what it prints. */
#include "front.h"

#include <xen/io/console.h>

#define OUT sizeof(ring->out)
#define LINE 64
#define FLOOD 200
#define FLIPS 2000

static struct served console;
static volatile struct xencons_interface *ring;
static grant_ref_t ring_ref;
static uint32_t start;

static int connect(void)
{
    const struct device *device = &console.device;

    memset((void *)ring, 0, PAGE);
    ring->in_cons = ring->in_prod = ring->out_cons = ring->out_prod = start;
    close_port(console.port);
    console.port = open_port(0);
    set_number(device, "ring-ref", ring_ref);
    set_number(device, "port", console.port);
    set_state(device, XenbusStateInitialised);
    if (await_connected(device) == XenbusStateConnected)
        set_state(device, XenbusStateConnected);
    return (int)back_number(device, "state");
}

static void print_out(uint32_t count)
{
    uint32_t producer = ring->out_prod;

    for (uint32_t i = 0; i < count; i++)
        ring->out[MASK_XENCONS_IDX(producer + i, ring->out)] = (char)('a' + i % 26);
    __atomic_store_n(&ring->out_prod, producer + count, __ATOMIC_SEQ_CST);
    evtchn_send(console.port);
}

static int await_taken(unsigned int limit)
{
    uint64_t deadline = milliseconds() + limit;

    while (__atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE) != ring->out_prod) {
        if (milliseconds() > deadline)
            return NO_ANSWER;
        pause_for_an_answer();
    }
    return 0;
}

static int serves(void)
{
    print_out(LINE);
    return await_taken(patience);
}

static void broken_ring(const char *name, volatile uint32_t *index, uint32_t value)
{
    uint32_t taken = ring->out_cons;

    if (skipped(name_of("console", name, 0)))
        return;
    *index = value;
    evtchn_send(console.port);
    sleep_for(SILENCE);
    stays_silent(&console, name, ring->out_cons != taken);
}

static void indices(void)
{
    int failed = 0;

    broken_ring("xsa-39.output-far-ahead", &ring->out_prod, ring->out_prod + 0x1000);
    broken_ring("xsa-39.output-one-too-far", &ring->out_prod, ring->out_prod + OUT + 1);
    broken_ring("xsa-39.output-backwards", &ring->out_prod, ring->out_prod - 1);
    broken_ring("xsa-39.input-read-before-it-came", &ring->in_cons, ring->in_cons + 1);
    broken_ring("xsa-39.input-far-behind", &ring->in_cons, ring->in_cons - 0x1000);
    start = 0xfffffff0u;
    comes_back(&console, "indices-that-wrap");
    for (unsigned int i = 0; i < 4; i++)
        failed += serves() != 0;
    check("console.indices-that-wrap", failed, 0);
    start = 0;
    comes_back(&console, "indices-from-0");
}

/* As much as it takes: nobody reads it, and the service keeps a little. */
static void flood(void)
{
    unsigned int failed = 0;

    for (unsigned int i = 0; i < FLOOD; i++) {
        print_out(OUT);
        failed += await_taken(patience) != 0;
    }
    check("console.flood", failed, 0);
    check("console.flood.serves-again", serves(), 0);
}

/* Every index and byte of the page, all the time. */
static void page_rewritten(void)
{
    volatile uint32_t *words = (volatile uint32_t *)ring;

    for (unsigned int i = 0; i < FLIPS; i++) {
        words[random_below(PAGE / 4)] = random_below(65536) << 16 | random_below(65536);
        ring->out_prod = ring->out_cons + random_below(OUT + 2);
        ring->in_cons = ring->in_prod - random_below(3);
        if (i % 16 == 0)
            evtchn_send(console.port);
    }
    comes_back(&console, "xsa-155.page-rewritten");
}

static void keep_busy(void)
{
    if (ring->out_cons == ring->out_prod)
        print_out(OUT);
}

static unsigned int rings_in_use(void)
{
    return (unsigned int)in_use(ring_ref);
}

static const struct attack attacks[] = {
    {"xsa-39.indices", indices},
    {"flood", flood},
    {"xsa-155.page-rewritten", page_rewritten},
};

struct served *begin_console(void)
{
    if (!find_device(&console.device, "console"))
        return 0;
    console.ring_node = "ring-ref";
    console.port_node = "port";
    console.connect = connect;
    console.serves = serves;
    console.keep_busy = keep_busy;
    console.rings_in_use = rings_in_use;
    console.attacks = attacks;
    console.attack_count = sizeof(attacks) / sizeof(attacks[0]);
    ring = guarded_page();
    ring_ref = grant_page(ring, 0, 0);
    return &console;
}
