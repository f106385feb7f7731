/*
 * Benchmark guest: prints "bench NAME ITERATIONS TOTAL_TSC", several lines per name.
 *
 * Command line: iterations=N per line, rounds=N lines per name, warmup=N calls of each in a window, only=NAME (any number).
 * Each is first called, window after window, until its rate is flat; "warm NAME CALLS" says how often that was, or
 * "warming NAME CALLS" that it was not flat then.
 *  noarg    xen_version XENVER_pagesize: reaches user space on every host, no argument in memory
 *  arg      EVTCHNOP_status of an open port: an argument in memory, read and written
 *  alloc    EVTCHNOP_alloc_unbound and EVTCHNOP_close: two calls per iteration
 *  send     EVTCHNOP_send on a masked IPI port: stays in the kernel with the 2-level ABI
 *  event    EVTCHNOP_send on an IPI port until its handler has run
 *  timer    VCPUOP_set_singleshot_timer for a time that has passed, until VIRQ_TIMER's handler has run
 *  xenstore READ of "domid" through the ring; waits for reply and notification, with one of its own
 * abi=fifo takes the FIFO ABI first. A host without event channels (the floor VMM) gets the first two.
 */
#include "../runtime/cpu.h"
#include "../runtime/memory.h"
#include "../runtime/print.h"
#include "../runtime/xen.h"
#include "../runtime/xenstore.h"
#include "events.h"

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
static evtchn_port_t status_port, masked_port, ipi_port, timer_port, store_port;
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
    failures += evtchn_send(masked_port) != 0;
}

static void event(void)
{
    uint32_t before = events_taken(ipi_port);

    failures += evtchn_send(ipi_port) != 0;
    event_wait(ipi_port, before);
}

static void timer(void)
{
    struct vcpu_set_singleshot_timer set = {.timeout_abs_ns = 1};
    uint32_t before = events_taken(timer_port);

    failures += vcpu_op(VCPUOP_set_singleshot_timer, 0, &set) != 0;
    event_wait(timer_port, before);
}

static void xenstore(void)
{
    const struct xenstore_reply *reply;

    event_clear(store_port);
    reply = xenstore_request(XS_READ, 0, "domid", 6);
    failures += !reply || reply->header.type != XS_READ;
    while (reply && !event_is_pending(store_port))
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

static evtchn_port_t bind_ipi(void)
{
    struct evtchn_bind_ipi ipi = {.vcpu = 0};

    event_channel_op(EVTCHNOP_bind_ipi, &ipi);
    return ipi.port;
}

/* Opens what the later benchmarks need; 0 on the floor, where every hypercall returns 0 and does nothing. */
static int open_ports(void)
{
    struct evtchn_alloc_unbound unbound = {.dom = DOMID_SELF, .remote_dom = 0};
    struct evtchn_bind_virq virq = {.virq = VIRQ_TIMER, .vcpu = 0};
    int connected;

    shared_info = alloc_page();
    event_channel_op(EVTCHNOP_alloc_unbound, &unbound);
    if (unbound.port == 0)
        return 0;
    status_port = unbound.port;
    map_shared_info((unsigned long)shared_info / PAGE);
    if (!events_arrive(shared_info, command_line_word("abi=fifo", 0)))
        return 0;
    masked_port = bind_ipi();
    ipi_port = bind_ipi();
    event_unmask(ipi_port);
    event_channel_op(EVTCHNOP_bind_virq, &virq);
    timer_port = virq.port;
    event_unmask(timer_port);
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
        {"noarg", noarg}, {"arg", arg}, {"alloc", alloc}, {"send", send}, {"xenstore", xenstore},
        {"event", event}, {"timer", timer}};
    uint32_t iterations = 2000, rounds = 5, warmup = 2000;
    unsigned int count = open_ports() ? 7 : 2;

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
