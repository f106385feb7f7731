/* Roles about event channels. */
#include "hostile.h"

#include "../runtime/memory.h"
#include "../runtime/print.h"

#define FIFO_PAGE_PORTS 1024
#define FIFO_PAGES 128
#define LOOK_EVERY 256

void partner(void)
{
    evtchn_port_t port;
    domid_t of = (domid_t)await_order("of");
    long result = bind_port(of, await_order("port"), &port);

    report("bound", result ? result : (int64_t)port);
    await_order("ring");
    report("rung", evtchn_send(port));
    await_order("close");
    report("closed", close_port(port));
}

void target(void)
{
    evtchn_port_t port;
    long result = alloc_port((domid_t)await_order("for"), &port);

    report("port", result ? result : (int64_t)port);
}

void ringer(void)
{
    evtchn_port_t port;
    uint64_t failures = 0, sent = 0;
    domid_t of = (domid_t)await_order("of");
    long result = bind_port(of, await_order("port"), &port);

    report("bound", result ? result : (int64_t)port);
    do {
        for (unsigned int i = 0; i < LOOK_EVERY; i++, sent++)
            failures += evtchn_send(port) != 0;
    } while (look_for_order("stop") < 0);
    report("sent", (int64_t)sent);
    report("failures", (int64_t)failures);
}

static void use_fifo(void)
{
    struct evtchn_init_control init = {.control_gfn = (unsigned long)alloc_page() / PAGE};

    if (event_channel_op(EVTCHNOP_init_control, &init) != 0)
        print("FAIL no FIFO\n");
    for (unsigned int i = 0; i < FIFO_PAGES; i++) {
        struct evtchn_expand_array expand = {.array_gfn = (unsigned long)alloc_page() / PAGE};

        if (event_channel_op(EVTCHNOP_expand_array, &expand) != 0)
            return;
    }
}

void all_ports(void)
{
    domid_t remote = (domid_t)await_order("for");
    evtchn_port_t port;
    int64_t ports = 0;
    long result;

    use_fifo();
    while ((result = alloc_port(remote, &port)) == 0)
        ports++;
    report("refused", result);
    report("ports", ports);
}

void flood(void)
{
    evtchn_port_t console = (evtchn_port_t)hvm_param(HVM_PARAM_CONSOLE_EVTCHN);
    uint64_t sent = 0;

    report("ready", 1);
    do {
        for (unsigned int i = 0; i < FIFO_PAGE_PORTS; i++, sent++)
            evtchn_send(console);
    } while (look_for_order("stop") < 0);
    report("sent", (int64_t)sent);
}
