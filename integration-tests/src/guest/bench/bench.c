/*
 * Benchmark guest: prints "bench NAME ITERATIONS TOTAL_TSC", several lines per name.
 *
 * Command line: iterations=N per line, rounds=N lines per name, warmup=N calls of each in a window, only=NAME.
 * Each is first called, window after window, until its rate is flat; "warm NAME CALLS" says how often that was, or
 * "warming NAME CALLS" that it was not flat then.
 *  noarg    xen_version XENVER_pagesize: reaches user space on every host, no argument in memory
 *  arg      EVTCHNOP_status of an open port: an argument in memory, read and written
 *  alloc    EVTCHNOP_alloc_unbound and EVTCHNOP_close: two calls per iteration
 *  send     EVTCHNOP_send on a masked IPI port: stays in the kernel
 *  xenstore READ of "domid" through the ring; waits for reply and notification, with one of its own
 * A host without event channels (the floor VMM) gets the first two.
 */
#include "../runtime/cpu.h"
#include "../runtime/memory.h"
#include "../runtime/print.h"
#include "../runtime/xen.h"
#include "../runtime/xenstore.h"

/* Never taken: the guest runs with interrupts off and polls. */
#define CALLBACK_VECTOR 0x30

/* A rate is flat when so many windows in a row have not brought the shortest time down by one part in FASTER. */
#define FLAT_WINDOWS 5
#define FASTER 50
/* What never becomes flat is measured all the same. */
#define MAX_WINDOWS 60

struct benchmark {
    const char *name;
    void (*once)(void);
};

static volatile struct shared_info *shared_info;
static evtchn_port_t status_port, ipi_port, store_port;
static unsigned int failures;

static void noarg(void)
{
    xen_version(XENVER_pagesize, 0);
}

static void arg(void)
{
    struct evtchn_status status = {.dom = DOMID_SELF, .port = status_port};

    failures += event_channel_op(EVTCHNOP_status, &status) != 0;
}

static void alloc(void)
{
    struct evtchn_alloc_unbound unbound = {.dom = DOMID_SELF, .remote_dom = 0};
    struct evtchn_close close;

    failures += event_channel_op(EVTCHNOP_alloc_unbound, &unbound) != 0;
    close.port = unbound.port;
    failures += event_channel_op(EVTCHNOP_close, &close) != 0;
}

static void send(void)
{
    failures += evtchn_send(ipi_port) != 0;
}

static void xenstore(void)
{
    volatile uint8_t *pending = (volatile uint8_t *)shared_info->evtchn_pending + store_port / 8;
    uint8_t bit = 1u << store_port % 8;
    const struct xenstore_reply *reply;

    __atomic_fetch_and(pending, ~bit, __ATOMIC_SEQ_CST);
    reply = xenstore_request(XS_READ, 0, "domid", 6);
    failures += !reply || reply->header.type != XS_READ;
    while (reply && !(*pending & bit))
        cpu_relax();
}

static uint64_t timed(const struct benchmark *benchmark, uint32_t calls)
{
    uint64_t start = rdtsc();

    for (uint32_t i = 0; i < calls; i++)
        benchmark->once();
    return rdtsc() - start;
}

static void report(const char *what, const char *name, uint32_t number)
{
    print(what);
    print(name);
    print(" ");
    print_unsigned(number);
}

static void warm_up(const struct benchmark *benchmark, uint32_t calls)
{
    uint64_t shortest = timed(benchmark, calls);
    unsigned int windows = 1, flat = 0;

    while (flat < FLAT_WINDOWS && windows < MAX_WINDOWS) {
        uint64_t time = timed(benchmark, calls);

        windows++;
        flat++;
        if (time < shortest - shortest / FASTER) {
            shortest = time;
            flat = 0;
        }
    }
    report(flat == FLAT_WINDOWS ? "warm " : "warming ", benchmark->name, windows * calls);
    print("\n");
}

static void run(const struct benchmark *benchmark, uint32_t warmup, uint32_t rounds, uint32_t iterations)
{
    warm_up(benchmark, warmup);
    for (uint32_t round = 0; round < rounds; round++) {
        uint64_t total = timed(benchmark, iterations);

        report("bench ", benchmark->name, iterations);
        print(" ");
        print_unsigned(total);
        print("\n");
    }
}

/* Opens what the later benchmarks need; 0 on the floor, where every hypercall returns 0 and does nothing. */
static int open_ports(void)
{
    struct evtchn_alloc_unbound unbound = {.dom = DOMID_SELF, .remote_dom = 0};
    struct evtchn_bind_ipi ipi = {.vcpu = 0};
    struct xen_hvm_param callback = {.domid = DOMID_SELF,
                                     .index = HVM_PARAM_CALLBACK_IRQ,
                                     .value = (uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | CALLBACK_VECTOR};
    int connected;

    shared_info = alloc_page();
    event_channel_op(EVTCHNOP_alloc_unbound, &unbound);
    if (unbound.port == 0)
        return 0;
    status_port = unbound.port;
    map_shared_info((unsigned long)shared_info / PAGE);
    /* The peer gives a port to the kernel only if the domain has its callback vector by then. */
    hvm_op(HVMOP_set_param, &callback);
    event_channel_op(EVTCHNOP_bind_ipi, &ipi);
    ipi_port = ipi.port;
    memset((void *)shared_info->evtchn_mask, 0xff, sizeof(shared_info->evtchn_mask));
    store_port = (evtchn_port_t)hvm_param(HVM_PARAM_STORE_EVTCHN);
    connected = xenstore_connect();
    /* A pending upcall would make KVM open an interrupt window at each entry. With every port masked, none follows. */
    shared_info->vcpu_info[0].evtchn_pending_sel = 0;
    shared_info->vcpu_info[0].evtchn_upcall_pending = 0;
    return connected;
}

static int wanted(const char *name)
{
    char word[32] = "only=";

    memcpy(word + 5, name, strlen(name) + 1);
    return !command_line_word("only=", 0) || command_line_word(word, 0);
}

void guest_main(void)
{
    static const struct benchmark benchmarks[] = {
        {"noarg", noarg}, {"arg", arg}, {"alloc", alloc}, {"send", send}, {"xenstore", xenstore}};
    uint32_t iterations = 2000, rounds = 5, warmup = 2000;
    unsigned int count = open_ports() ? 5 : 2;

    command_line_word("iterations", &iterations);
    command_line_word("rounds", &rounds);
    command_line_word("warmup", &warmup);
    for (unsigned int i = 0; i < count; i++)
        if (wanted(benchmarks[i].name))
            run(&benchmarks[i], warmup, rounds, iterations);
    print("bench failures ");
    print_unsigned(failures);
    print("\n");
}
