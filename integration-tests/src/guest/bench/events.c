/* Events that arrive: the handler of the callback vector, by bitmaps or, with abi=fifo, by queues. */
#include "events.h"

#include "../runtime/cpu.h"
#include "../runtime/fifo.h"
#include "../runtime/memory.h"

#define CALLBACK_VECTOR 0x30

static volatile struct shared_info *shared_info;
static volatile event_word_t *words;
static volatile struct evtchn_fifo_control_block *control;
static volatile uint32_t taken[EVENT_PORTS];

static void take_from_bitmaps(void)
{
    volatile struct vcpu_info *vcpu = &shared_info->vcpu_info[0];

    /* The first word alone has ports. */
    if (!__atomic_exchange_n(&vcpu->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST))
        return;
    for (evtchn_port_t port = 0; port < EVENT_PORTS; port++) {
        uint64_t bit = 1ull << port;

        if ((shared_info->evtchn_pending[0] & ~shared_info->evtchn_mask[0] & bit)
            && (__atomic_fetch_and(&shared_info->evtchn_pending[0], ~bit, __ATOMIC_SEQ_CST) & bit))
            taken[port]++;
    }
}

/* All ports have the default priority. */
static void take_from_queue(void)
{
    static evtchn_port_t head;

    while (__atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST)) {
        if (!head)
            head = control->head[EVTCHN_FIFO_PRIORITY_DEFAULT];
        while (head) {
            evtchn_port_t port = head;

            head = unlink_first(&words[port]);
            if (__atomic_fetch_and(&words[port], ~WORD_PENDING, __ATOMIC_SEQ_CST) & WORD_PENDING)
                taken[port]++;
        }
    }
}

static void take_events(void)
{
    shared_info->vcpu_info[0].evtchn_upcall_pending = 0;
    if (words)
        take_from_queue();
    else
        take_from_bitmaps();
}

int events_arrive(volatile struct shared_info *shared, int fifo)
{
    struct xen_hvm_param callback = {.domid = DOMID_SELF,
                                     .index = HVM_PARAM_CALLBACK_IRQ,
                                     .value = (uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | CALLBACK_VECTOR};

    shared_info = shared;
    handle_vector(CALLBACK_VECTOR, take_events);
    /* The peer gives a port to the kernel only if the domain has its callback vector by then. */
    if (hvm_op(HVMOP_set_param, &callback))
        return 0;
    if (fifo) {
        struct evtchn_init_control init = {.vcpu = 0};
        struct evtchn_expand_array expand;

        control = alloc_page();
        words = alloc_page();
        init.control_gfn = (unsigned long)control / PAGE;
        expand.array_gfn = (unsigned long)words / PAGE;
        for (unsigned int port = 0; port < PAGE / sizeof(*words); port++)
            words[port] = WORD_MASKED;
        if (event_channel_op(EVTCHNOP_init_control, &init) || event_channel_op(EVTCHNOP_expand_array, &expand))
            return 0;
    }
    memset((void *)shared_info->evtchn_mask, 0xff, sizeof(shared_info->evtchn_mask));
    return 1;
}

void event_unmask(evtchn_port_t port)
{
    if (words)
        __atomic_fetch_and(&words[port], ~WORD_MASKED, __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_and(&shared_info->evtchn_mask[0], ~(1ull << port), __ATOMIC_SEQ_CST);
}

int event_is_pending(evtchn_port_t port)
{
    return words ? (words[port] & WORD_PENDING) != 0 : (int)(shared_info->evtchn_pending[0] >> port & 1);
}

void event_clear(evtchn_port_t port)
{
    if (words)
        __atomic_fetch_and(&words[port], ~WORD_PENDING, __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_and(&shared_info->evtchn_pending[0], ~(1ull << port), __ATOMIC_SEQ_CST);
}

uint32_t events_taken(evtchn_port_t port)
{
    return taken[port];
}

void event_wait(evtchn_port_t port, uint32_t before)
{
    interrupts_on();
    while (taken[port] == before)
        cpu_relax();
    interrupts_off();
}
