#include "xenstore.h"

#include "cpu.h"
#include "memory.h"

#define MAX_EVENTS 8
#define PATIENCE_TSC 6000000000ull

uint64_t xenstore_patience = PATIENCE_TSC;

static volatile struct xenstore_domain_interface *ring;
static evtchn_port_t port;
static struct xenstore_reply reply, events[MAX_EVENTS];
static unsigned int event_count, event_taken;
static uint32_t next_request_id = 1;

int xenstore_connect(void)
{
    uint64_t frame = hvm_param(HVM_PARAM_STORE_PFN), store_port = hvm_param(HVM_PARAM_STORE_EVTCHN);

    if (frame == 0 || frame == ~0ull || store_port == 0 || store_port == ~0ull)
        return 0;
    ring = (void *)(unsigned long)(frame << 12);
    port = (evtchn_port_t)store_port;
    return 1;
}

/* Notifies only when it has to wait for room; the caller does so at the end. */
static int write_ring(const char *bytes, uint32_t count)
{
    uint64_t deadline = rdtsc() + PATIENCE_TSC;

    while (count) {
        uint32_t producer = ring->req_prod;

        if (producer - ring->req_cons == XENSTORE_RING_SIZE) {
            evtchn_send(port);
            if (rdtsc() > deadline)
                return 0;
            cpu_relax();
            continue;
        }
        ring->req[MASK_XENSTORE_IDX(producer)] = *bytes++;
        __atomic_store_n(&ring->req_prod, producer + 1, __ATOMIC_RELEASE);
        count--;
    }
    return 1;
}

/* Like Linux, tells the other side of new room only if the ring was full. */
static int read_ring(char *bytes, uint32_t count, uint64_t patience)
{
    uint64_t deadline = rdtsc() + patience;

    while (count) {
        uint32_t consumer = ring->rsp_cons;

        if (consumer == __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE)) {
            if (rdtsc() > deadline)
                return 0;
            cpu_relax();
            continue;
        }
        int was_full = ring->rsp_prod - consumer == XENSTORE_RING_SIZE;

        *bytes++ = ring->rsp[MASK_XENSTORE_IDX(consumer)];
        __atomic_store_n(&ring->rsp_cons, consumer + 1, __ATOMIC_RELEASE);
        count--;
        if (was_full)
            evtchn_send(port);
    }
    return 1;
}

static int read_message(struct xenstore_reply *message, uint64_t patience)
{
    if (!read_ring((char *)&message->header, sizeof(message->header), patience))
        return 0;
    if (message->header.len > XENSTORE_BODY_MAX)
        return 0;
    if (!read_ring(message->body, message->header.len, PATIENCE_TSC))
        return 0;
    message->body[message->header.len] = 0;
    return 1;
}

const struct xenstore_reply *xenstore_request(uint32_t type, uint32_t tx, const char *body, uint32_t length)
{
    struct xsd_sockmsg header = {.type = type, .req_id = next_request_id++, .tx_id = tx, .len = length};

    if (!write_ring((const char *)&header, sizeof(header)) || !write_ring(body, length))
        return 0;
    evtchn_send(port);
    while (read_message(&reply, xenstore_patience)) {
        if (reply.header.type != XS_WATCH_EVENT)
            return &reply;
        memcpy(&events[event_count++ % MAX_EVENTS], &reply, sizeof(reply));
    }
    return 0;
}

const struct xenstore_reply *xenstore_next_event(void)
{
    if (event_taken == event_count) {
        if (!read_message(&events[event_count % MAX_EVENTS], PATIENCE_TSC / 4))
            return 0;
        event_count++;
    }
    return &events[event_taken++ % MAX_EVENTS];
}
