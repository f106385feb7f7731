/* The PV console's output ring and console_io. */
#include "check.h"

#include <xen/io/console.h>

/* Waits until the back end has taken everything; whether it did. */
static int drained(const volatile struct xencons_interface *console)
{
    uint64_t deadline = now() + 2000000000ull;

    while (console->out_cons != console->out_prod && now() < deadline)
        cpu_relax();
    return console->out_cons == console->out_prod;
}

static void put(volatile struct xencons_interface *console, evtchn_port_t port, const char *text)
{
    XENCONS_RING_IDX producer = console->out_prod;

    while (*text)
        console->out[MASK_XENCONS_IDX(producer++, console->out)] = *text++;
    __atomic_store_n(&console->out_prod, producer, __ATOMIC_RELEASE);
    evtchn_send(port);
}

static void check_ring(void)
{
    uint64_t frame = hvm_param(HVM_PARAM_CONSOLE_PFN);
    evtchn_port_t port = (evtchn_port_t)hvm_param(HVM_PARAM_CONSOLE_EVTCHN);
    volatile struct xencons_interface *console = (void *)(unsigned long)(frame << 12);
    static char line[1025];
    int all = 1;

    if (frame == ~0ull) {
        check("console.ring", 0, 1);
        return;
    }
    put(console, port, "# written to the PV console\r\n");
    check_true("console.output_is_taken", drained(console));
    memset(line, '.', 1022);
    line[1022] = '\r';
    line[1023] = '\n';
    for (int i = 0; i < 8; i++) {
        put(console, port, line);
        all &= drained(console);
    }
    check_true("console.output_of_four_rings_is_taken", all);
    check("console.input_is_empty", console->in_prod, console->in_cons);
}

void check_console(void)
{
    static char text[] = "# written by console_io\n";
    long result = hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, sizeof(text) - 1, text);

    check_ring();
    /* Xen allows it in debug builds only. */
    check_either("console_io.write", result, 0, -XEN_EPERM);
}
