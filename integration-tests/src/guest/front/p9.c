/* A share: transport and messages. The host's folder has a file `file`, a symbolic link `up` out of it, and a FIFO `pipe`. */
#include "p9.h"

/* An answer that does not fit into what has come. */
#define TRANSPORT_LOST (-99)

struct served p9;
volatile struct p9_interface *p9_page;
uint8_t *p9_in, *p9_out;
grant_ref_t p9_page_ref, p9_refs[P9_PAGES];
uint32_t p9_start;
struct p9_message p9_ask, p9_answer;

static unsigned int overridden;
static uint32_t override_value;

void p9_override(unsigned int word, uint32_t value)
{
    overridden = word;
    override_value = value;
}

void p9_begin_ring(void)
{
    memset((void *)p9_page, 0, PAGE);
    p9_page->in_cons = p9_page->in_prod = p9_page->out_cons = p9_page->out_prod = p9_start;
    p9_page->ring_order = P9_ORDER;
    for (unsigned int i = 0; i < P9_PAGES; i++)
        p9_page->ref[i] = p9_refs[i];
    if (overridden)
        ((volatile uint32_t *)p9_page)[overridden] = override_value;
}

int p9_connect_as_it_is(void)
{
    const struct device *device = &p9.device;

    close_port(p9.port);
    p9.port = open_port(0);
    set_node(device, "version", "1");
    set_node(device, "num-rings", "1");
    set_number(device, "ring-ref0", p9_page_ref);
    set_number(device, "event-channel-0", p9.port);
    set_state(device, XenbusStateInitialised);
    if (await_connected(device) == XenbusStateConnected)
        set_state(device, XenbusStateConnected);
    return (int)back_number(device, "state");
}

static void put(unsigned int bytes, uint64_t value)
{
    for (unsigned int i = 0; i < bytes; i++)
        p9_ask.bytes[p9_ask.length++] = (uint8_t)(value >> (8 * i));
}

void p9_begin(uint8_t type, uint16_t tag)
{
    p9_ask.length = 4;
    put(1, type);
    put(2, tag);
}

void p9_u16(uint16_t value)
{
    put(2, value);
}

void p9_u32(uint32_t value)
{
    put(4, value);
}

void p9_u64(uint64_t value)
{
    put(8, value);
}

void p9_text(const char *text)
{
    put(2, strlen(text));
    memcpy(p9_ask.bytes + p9_ask.length, text, strlen(text));
    p9_ask.length += (uint32_t)strlen(text);
}

void p9_write_out(const uint8_t *bytes, uint32_t length)
{
    uint32_t producer = p9_page->out_prod;

    for (uint32_t i = 0; i < length; i++)
        p9_out[(producer + i) & (P9_RING - 1)] = bytes[i];
    __atomic_store_n(&p9_page->out_prod, producer + length, __ATOMIC_SEQ_CST);
}

void p9_put_size(uint32_t size)
{
    for (unsigned int i = 0; i < 4; i++)
        p9_ask.bytes[i] = (uint8_t)(size >> (8 * i));
}

void p9_send(void)
{
    p9_put_size(p9_ask.length);
    p9_write_out(p9_ask.bytes, p9_ask.length);
    evtchn_send(p9.port);
}

int p9_has_answer(void)
{
    return __atomic_load_n(&p9_page->in_prod, __ATOMIC_ACQUIRE) != p9_page->in_cons;
}

static uint32_t field(uint32_t at, unsigned int bytes)
{
    uint32_t value = 0;

    for (unsigned int i = 0; i < bytes; i++)
        value |= (uint32_t)p9_answer.bytes[at + i] << (8 * i);
    return value;
}

int p9_take(unsigned int limit)
{
    uint64_t deadline = milliseconds() + limit;
    uint32_t consumer = p9_page->in_cons, size;

    while (!p9_has_answer()) {
        if (milliseconds() > deadline)
            return NO_ANSWER;
        pause_for_an_answer();
    }
    for (uint32_t i = 0; i < 7; i++)
        p9_answer.bytes[i] = p9_in[(consumer + i) & (P9_RING - 1)];
    size = field(0, 4);
    if (size < 7 || size > p9_page->in_prod - consumer || size > sizeof(p9_answer.bytes))
        return TRANSPORT_LOST;
    for (uint32_t i = 7; i < size; i++)
        p9_answer.bytes[i] = p9_in[(consumer + i) & (P9_RING - 1)];
    p9_answer.length = size;
    __atomic_store_n(&p9_page->in_cons, consumer + size, __ATOMIC_SEQ_CST);
    /* The back end may have waited for room. */
    evtchn_send(p9.port);
    return p9_answer.bytes[4] == P9_RLERROR ? -(int)field(7, 4) : p9_answer.bytes[4];
}

int p9_call(void)
{
    p9_send();
    return p9_take(patience);
}

static int begin_session(void)
{
    int answer;

    p9_begin(P9_TVERSION, 0xffff);
    p9_u32(P9_RING);
    p9_text("9P2000.L");
    answer = p9_call();
    if (answer != P9_TVERSION + 1)
        return answer;
    p9_begin(P9_TATTACH, 0);
    p9_u32(P9_ROOT);
    p9_u32(~0u);
    p9_text("");
    p9_text("");
    p9_u32(0);
    answer = p9_call();
    return answer == P9_TATTACH + 1 ? XenbusStateConnected : answer;
}

static int connect(void)
{
    int state;

    p9_begin_ring();
    state = p9_connect_as_it_is();
    return state == XenbusStateConnected ? begin_session() : state;
}

void p9_getattr(uint16_t tag)
{
    p9_begin(P9_TGETATTR, tag);
    p9_u32(P9_ROOT);
    p9_u64(0x7ff);
}

static int serves(void)
{
    int answer;

    p9_getattr(1);
    answer = p9_call();
    return answer == P9_TGETATTR + 1 ? 0 : answer;
}

/* Leaves answers that have come, and asks for as much as the ring takes. */
static void keep_busy(void)
{
    p9_page->in_cons = p9_page->in_prod;
    p9_getattr(1);
    p9_put_size(p9_ask.length);
    while (P9_RING - (p9_page->out_prod - p9_page->out_cons) >= p9_ask.length)
        p9_write_out(p9_ask.bytes, p9_ask.length);
    evtchn_send(p9.port);
}

static unsigned int rings_in_use(void)
{
    unsigned int used = (unsigned int)in_use(p9_page_ref);

    for (unsigned int i = 0; i < P9_PAGES; i++)
        used += (unsigned int)in_use(p9_refs[i]);
    return used;
}

static const struct bad_node bad_nodes[] = {
    {"version-missing", "version", 0},
    {"version-of-tomorrow", "version", "2"},
    {"no-rings", "num-rings", "0"},
    {"too-many-rings", "num-rings", "4294967295"},
    {"rings-without-nodes", "num-rings", "2"},
};

struct served *begin_9pfs(void)
{
    if (!find_device(&p9.device, "9pfs"))
        return 0;
    p9.ring_node = "ring-ref0";
    p9.port_node = "event-channel-0";
    p9.connect = connect;
    p9.serves = serves;
    p9.keep_busy = keep_busy;
    p9.rings_in_use = rings_in_use;
    p9.bad_nodes = bad_nodes;
    p9.bad_node_count = sizeof(bad_nodes) / sizeof(bad_nodes[0]);
    p9.attacks = p9_attacks;
    p9.attack_count = p9_attack_count;
    p9_page = guarded_page();
    p9_page_ref = grant_page(p9_page, 0, 0);
    /* One after the other: the first half is for answers. */
    p9_in = alloc_page();
    for (unsigned int i = 1; i < P9_PAGES; i++)
        alloc_page();
    guarded_page();
    p9_out = p9_in + P9_RING;
    for (unsigned int i = 0; i < P9_PAGES; i++)
        p9_refs[i] = grant_page(p9_in + i * PAGE, 0, 0);
    return &p9;
}
