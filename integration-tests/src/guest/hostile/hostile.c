/*
 * A guest with one role, which the command line names. It tells the host what it has done in nodes data/NAME of its own, and takes
 * orders from there: "for=DOMID" below means that it waits for the node data/for.
 *
 *  same-apic-ids  gives both of its vCPUs the same xAPIC id, so that KVM refuses messages to vCPU 0, and watches /shared
 *  narrow         for=DOMID: offers that domain ports above 1023; go: vCPU 1 writes the hypercall MSR in real mode
 *  partner        of=DOMID, port=PORT: a good guest that binds to such a port; ring: rings it; close: closes its end
 *  target         for=DOMID: offers that domain a port, and waits for its end
 *  ringer         of=DOMID, port=PORT: a good guest that rings a target until stop
 *  all-ports      for=DOMID: allocates ports until it is refused
 *  flood          sends on its console's event channel as fast as it can until stop
 *  grant-one      touches so many MiB of its RAM as touch=MIB on the command line says; for=DOMID: grants one page; reboot: reboots
 *  keeper         map=DOMID: maps the page that a grant-one grants it, and keeps it
 *  any-call       makes calls=NUMBER random calls from each of its two vCPUs, and prints how many it has made; seed=NUMBER
 *  windows        maps a page of its own at as many places far apart as it can, and spreads its grant table
 */
#include "hostile.h"

#include "../runtime/cpu.h"
#include "../runtime/memory.h"
#include "../runtime/print.h"
#include "../runtime/xenstore.h"

#define MILLISECOND 1000000ull
#define MAX_PATH 64

static volatile struct shared_info *shared_info;

/* Of the one-shot timer. It is masked: a poll sees it, and no upcall comes. */
static evtchn_port_t timer_port;

uint32_t option(const char *word)
{
    uint32_t value = 0;

    command_line_word(word, &value);
    return value;
}

static uint32_t append(char *to, uint32_t length, const char *text)
{
    memcpy(to + length, text, strlen(text) + 1);
    return length + (uint32_t)strlen(text);
}

/* The path with its NUL. */
static uint32_t path_of(char *to, const char *name)
{
    return append(to, append(to, 0, "data/"), name) + 1;
}

static uint32_t decimal(char *to, uint64_t value)
{
    char digits[20];
    uint32_t count = 0;

    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    for (uint32_t i = 0; i < count; i++)
        to[i] = digits[count - 1 - i];
    return count;
}

int store_request(uint32_t type, const char *body, uint32_t length)
{
    const struct xenstore_reply *reply = xenstore_request(type, 0, body, length);

    return reply && reply->header.type == type;
}

void report(const char *name, int64_t value)
{
    char body[MAX_PATH];
    uint32_t length = path_of(body, name);

    if (value < 0)
        body[length++] = '-';
    length += decimal(body + length, (uint64_t)(value < 0 ? -value : value));
    if (!store_request(XS_WRITE, body, length))
        print("FAIL no report\n");
}

int64_t look_for_order(const char *name)
{
    char path[MAX_PATH];
    uint32_t length = path_of(path, name);
    const struct xenstore_reply *reply = xenstore_request(XS_READ, 0, path, length);
    int64_t value = 0;

    if (!reply || reply->header.type != XS_READ)
        return -1;
    for (const char *at = reply->body; *at >= '0' && *at <= '9'; at++)
        value = value * 10 + *at - '0';
    store_request(XS_RM, path, length);
    return value;
}

uint32_t await_order(const char *name)
{
    int64_t order;

    while ((order = look_for_order(name)) < 0)
        sleep_for(100);
    return (uint32_t)order;
}

void take_events(void)
{
    struct xen_hvm_param callback = {.domid = DOMID_SELF,
                                     .index = HVM_PARAM_CALLBACK_IRQ,
                                     .value = (uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | 0x30};
    struct evtchn_bind_virq bind = {.virq = VIRQ_TIMER};
    unsigned int bits = 8 * sizeof(xen_ulong_t);

    shared_info = alloc_page();
    if (map_shared_info((unsigned long)shared_info / PAGE) != 0 || hvm_op(HVMOP_set_param, &callback) != 0)
        print("FAIL no events\n");
    if (event_channel_op(EVTCHNOP_bind_virq, &bind) != 0)
        print("FAIL no timer\n");
    timer_port = bind.port;
    shared_info->evtchn_mask[timer_port / bits] |= (xen_ulong_t)1 << timer_port % bits;
}

void forget_events(void)
{
    for (unsigned int i = 0; i < sizeof(shared_info->evtchn_pending) / sizeof(xen_ulong_t); i++)
        shared_info->evtchn_pending[i] = 0;
    shared_info->vcpu_info[0].evtchn_pending_sel = 0;
    shared_info->vcpu_info[0].evtchn_upcall_pending = 0;
}

/* Not by the poll's own timeout: KVM takes that for a time from now on. Every unmasked event ends it too. */
void sleep_for(unsigned int milliseconds)
{
    struct vcpu_set_singleshot_timer timer = {
        .timeout_abs_ns = pvclock_nanoseconds(&shared_info->vcpu_info[0].time) + milliseconds * MILLISECOND};
    struct sched_poll poll = {.nr_ports = 1};

    set_xen_guest_handle(poll.ports, &timer_port);
    forget_events();
    vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer);
    sched_op(SCHEDOP_poll, &poll);
}

long alloc_port(domid_t remote, evtchn_port_t *port)
{
    struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = remote};
    long result = event_channel_op(EVTCHNOP_alloc_unbound, &alloc);

    *port = alloc.port;
    return result;
}

long bind_port(domid_t remote, evtchn_port_t remote_port, evtchn_port_t *port)
{
    struct evtchn_bind_interdomain bind = {.remote_dom = remote, .remote_port = remote_port};
    long result = event_channel_op(EVTCHNOP_bind_interdomain, &bind);

    *port = bind.local_port;
    return result;
}

long close_port(evtchn_port_t port)
{
    struct evtchn_close close = {.port = port};

    return event_channel_op(EVTCHNOP_close, &close);
}

static const struct {
    const char *name;
    void (*play)(void);
} roles[] = {
    {"same-apic-ids", same_apic_ids}, {"narrow", narrow},       {"partner", partner}, {"ringer", ringer},
    {"target", target},               {"all-ports", all_ports}, {"flood", flood},     {"grant-one", grant_one},
    {"keeper", keeper},               {"windows", windows},     {"any-call", any_call},
};

void guest_main(void)
{
    take_events();
    if (!xenstore_connect()) {
        print("FAIL no XenStore\n");
        return;
    }
    for (unsigned int i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if (command_line_word(roles[i].name, 0))
            roles[i].play();
    /* The host ends it. */
    for (;;)
        sleep_for(100);
}
