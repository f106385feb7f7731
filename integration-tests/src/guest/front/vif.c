/* A network interface, of which only what the guest sends is attacked here. */
#include "front.h"

#include <xen/io/netif.h>

#define SLOTS 256
#define FRAME 64
#define FIRST_BYTES 14
#define FLIPS 300
#define STORM 5000
#define NO_REF 0xfffffff0u
/* What a back end has to serve, and what no guest sends (Linux's fatal_skb_slots). */
#define SERVED_SLOTS XEN_NETIF_NR_SLOTS_MIN
#define HOSTILE_SLOTS 21
#define FILTER_MAX 64

static struct served vif;
static netif_tx_sring_t *ring;
static netif_rx_sring_t *rx_ring;
static grant_ref_t ring_ref, rx_ref, frame_ref, foreign;
static uint8_t *frame;
static evtchn_port_t port;
static uint32_t produced, consumed;

static int connect(void)
{
    const struct device *device = &vif.device;

    memset(ring, 0, PAGE);
    memset(rx_ring, 0, PAGE);
    ring->req_event = ring->rsp_event = rx_ring->req_event = rx_ring->rsp_event = 1;
    produced = consumed = 0;
    close_port(port);
    port = open_port(0);
    set_number(device, "tx-ring-ref", ring_ref);
    set_number(device, "rx-ring-ref", rx_ref);
    set_number(device, "event-channel", port);
    set_number(device, "request-rx-copy", 1);
    set_number(device, "request-multicast-control", 1);
    set_number(device, "feature-sg", 1);
    set_state(device, XenbusStateConnected);
    return await_connected(device);
}

/* The next slot of the ring: the first one of a frame has the size of all. */
static netif_tx_request_t *put(uint16_t size, uint16_t flags)
{
    netif_tx_request_t *request = &ring->ring[produced & (SLOTS - 1)].req;

    request->gref = frame_ref;
    request->offset = 0;
    request->flags = flags;
    request->id = (uint16_t)(produced & (SLOTS - 1));
    request->size = size;
    produced++;
    return request;
}

static struct netif_extra_info *put_extra(uint8_t type, uint8_t flags)
{
    struct netif_extra_info *extra = (struct netif_extra_info *)&ring->ring[produced & (SLOTS - 1)].req;

    memset(extra, 0, sizeof(netif_tx_request_t));
    extra->type = type;
    extra->flags = flags;
    produced++;
    return extra;
}

static int has_answer(void)
{
    return __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) != consumed;
}

static void send(void)
{
    __atomic_store_n(&ring->req_prod, produced, __ATOMIC_SEQ_CST);
    evtchn_send(port);
}

/* Takes the answer of each slot that is sent; the status of the first. Others than the first have it, too, or are NULL. */
static int take_answers(void)
{
    uint64_t deadline = milliseconds() + patience;
    int first = NO_ANSWER;

    while (consumed != produced) {
        int status;

        if (!has_answer()) {
            if (milliseconds() > deadline)
                return NO_ANSWER;
            cpu_relax();
            continue;
        }
        status = ring->ring[consumed++ & (SLOTS - 1)].rsp.status;
        first = first == NO_ANSWER ? status : first;
        if (status != first && status != NETIF_RSP_NULL)
            return WRONG_ANSWER;
    }
    return first;
}

static int ask(void)
{
    send();
    return take_answers();
}

static int serves(void)
{
    put(FRAME, 0);
    return ask();
}

static void answers(const char *name, int want)
{
    check(name_of("vif", name, 0), ask(), want);
}

/* A frame of so many slots, of which each but the first has so many bytes. */
static void put_fragments(unsigned int slots, uint16_t first, uint16_t each)
{
    put((uint16_t)(first + (slots - 1) * each), slots > 1 ? NETTXF_more_data : 0);
    for (unsigned int i = 1; i < slots; i++)
        put(each, i + 1 < slots ? NETTXF_more_data : 0);
}

static void frames(void)
{
    check("vif.sends-a-frame", serves(), NETIF_RSP_OKAY);
    put(FIRST_BYTES - 1, 0);
    answers("shorter-than-an-ethernet-header", NETIF_RSP_ERROR);
    put(0, 0);
    answers("empty", NETIF_RSP_ERROR);
    put(FRAME, 0)->offset = PAGE - FRAME + 1;
    answers("beyond-its-page", NETIF_RSP_ERROR);
    put(FRAME, 0)->offset = 65535;
    answers("offset-of-65535", NETIF_RSP_ERROR);
    put(65535, 0);
    answers("larger-than-a-page", NETIF_RSP_ERROR);
    put(FRAME, NETTXF_more_data);
    put(FRAME + 1, 0);
    answers("sizes-that-run-backwards", NETIF_RSP_ERROR);
    put_fragments(SERVED_SLOTS, 1, 4);
    answers("xsa-423.headers-in-small-fragments", NETIF_RSP_OKAY);
    put_fragments(SERVED_SLOTS, FRAME, 0);
    answers("xsa-448.empty-fragments", NETIF_RSP_OKAY);
    put_fragments(HOSTILE_SLOTS - 1, FRAME, 4);
    answers("more-fragments-than-are-served", NETIF_RSP_ERROR);
}

static void grants(void)
{
    put(FRAME, 0)->gref = NO_REF;
    answers("xsa-361.ref-beyond-the-table", NETIF_RSP_ERROR);
    put(FRAME, 0)->gref = 2000;
    answers("xsa-361.ref-not-granted", NETIF_RSP_ERROR);
    put(FRAME, 0)->gref = foreign;
    answers("xsa-361.granted-to-another-domain", NETIF_RSP_ERROR);
    put(FRAME, NETTXF_more_data);
    put(16, 0)->gref = NO_REF;
    answers("xsa-362.second-fragment-not-granted", NETIF_RSP_ERROR);
    check("vif.xsa-362.nothing-is-in-use", in_use(frame_ref), 0);
}

static void extras(void)
{
    unsigned int added = 0;
    struct netif_extra_info *extra;

    put(FRAME, NETTXF_extra_info);
    put_extra(XEN_NETIF_EXTRA_TYPE_GSO, 0);
    answers("segments-of-no-bytes", NETIF_RSP_ERROR);
    put(FRAME, NETTXF_extra_info);
    put_extra(200, 0);
    answers("extra-that-there-is-not", NETIF_RSP_ERROR);
    put(FRAME, NETTXF_csum_blank);
    answers("checksum-of-what-is-not-ip", NETIF_RSP_ERROR);
    for (unsigned int i = 0; i < 2 * FILTER_MAX; i++) {
        put(FRAME, NETTXF_extra_info);
        extra = put_extra(XEN_NETIF_EXTRA_TYPE_MCAST_ADD, 0);
        extra->u.mcast.addr[0] = 1;
        extra->u.mcast.addr[5] = (uint8_t)i;
        added += ask() == NETIF_RSP_OKAY;
    }
    check("vif.multicast-addresses-are-limited", added, FILTER_MAX);
}

static void rewritten(void)
{
    unsigned int impossible = 0;

    for (unsigned int i = 0; i < FLIPS; i++) {
        netif_tx_request_t *request = put(FRAME, 0);
        int status;

        send();
        /* Not the first bytes, which an answer has as well. */
        for (unsigned int turn = 0; !has_answer() && turn < 10000000; turn++) {
            *(volatile uint16_t *)&request->size = turn % 2 ? FRAME : 65535;
            *(volatile uint16_t *)&request->id = (uint16_t)turn;
            frame[12] = (uint8_t)turn;
            frame[13] = (uint8_t)(turn >> 8);
        }
        status = take_answers();
        impossible += status != NETIF_RSP_OKAY && status != NETIF_RSP_ERROR && status != NETIF_RSP_DROPPED;
    }
    check("vif.xsa-155.request-rewritten", impossible, 0);
    check("vif.xsa-155.serves-again", serves(), 0);
}

static void storm(void)
{
    unsigned int failed = 0;

    for (unsigned int i = 0; i < STORM; i++)
        failed += evtchn_send(port) != 0;
    check("vif.xsa-332.storm-of-events", failed, 0);
    check("vif.xsa-332.serves-again", serves(), 0);
}

/* Sends what has been put, which breaks the ring: there is no answer. */
static void breaks(const char *name)
{
    if (skipped(name_of("vif", name, 0)))
        return;
    send();
    sleep_for(SILENCE);
    check(name_of("vif", name, 0), has_answer(), 0);
    comes_back(&vif, name);
}

static void broken_rings(void)
{
    put_fragments(HOSTILE_SLOTS, FRAME, 4);
    breaks("more-fragments-than-any-guest-sends");
    put(FRAME, NETTXF_extra_info);
    for (unsigned int i = 0; i < 20; i++)
        put_extra(XEN_NETIF_EXTRA_TYPE_GSO, XEN_NETIF_EXTRA_FLAG_MORE);
    breaks("extras-without-an-end");
    produced += 0x1000;
    breaks("xsa-39.request-index-far-ahead");
    produced--;
    breaks("xsa-39.request-index-backwards");
}

static void bad_nodes(void)
{
    refused(&vif, "pages-to-flip", "request-rx-copy", "0");
    refused(&vif, "tx-ring-ref-missing", "tx-ring-ref", 0);
    refused(&vif, "rx-ring-ref-missing", "rx-ring-ref", 0);
    refused(&vif, "xsa-527.rx-ring-ref-not-granted", "rx-ring-ref", "2000");
    refused(&vif, "event-channel-missing", "event-channel", 0);
    refused(&vif, "xsa-527.event-channel-not-there", "event-channel", "999");
    refused(&vif, "only-one-of-two-event-channels", "event-channel-tx", "999");
    refused(&vif, "cve-2026-45890.no-queues", "multi-queue-num-queues", "0");
    refused(&vif, "cve-2026-45890.too-many-queues", "multi-queue-num-queues", "4294967295");
    refused(&vif, "head-room-of-more-than-a-page", "xdp-headroom", "4294967295");
    refused(&vif, "control-ring-not-granted", "ctrl-ring-ref", "2000");
}

/* Both rings in one page: whatever comes of it, it is this device's alone. */
static void one_page_for_both(void)
{
    grant_ref_t other = rx_ref;
    int state;

    restart(&vif.device);
    rx_ref = ring_ref;
    state = connect();
    rx_ref = other;
    check_either("vif.one-page-for-both-rings", state, XenbusStateConnected, XenbusStateClosing);
    for (unsigned int i = 0; i < SLOTS; i++)
        put(FRAME, 0);
    send();
    sleep_for(SILENCE);
    comes_back(&vif, "one-page-for-both-rings");
}

static void closed_in_flight(void)
{
    for (unsigned int i = 0; i < SLOTS; i++)
        put(FRAME, 0);
    send();
    check("vif.xsa-374.closed-with-frames-in-flight", close_front(&vif.device), XenbusStateClosed);
    check("vif.xsa-374.nothing-is-in-use", in_use(frame_ref) + in_use(ring_ref) + in_use(rx_ref), 0);
    comes_back(&vif, "xsa-374.closed-with-frames-in-flight");
}

static void removed_in_flight(void)
{
    for (unsigned int i = 0; i < SLOTS; i++)
        put(FRAME, 0);
    send();
    remove_front(&vif.device);
    for (unsigned int waited = 0; in_use(ring_ref) && waited < patience; waited += 100)
        sleep_for(100);
    check("vif.front-end-removed-with-frames-in-flight", in_use(ring_ref) + in_use(rx_ref), 0);
}

static int begin(void)
{
    if (!find_device(&vif.device, "vif"))
        return 0;
    vif.connect = connect;
    vif.serves = serves;
    ring = guarded_page();
    rx_ring = guarded_page();
    frame = guarded_page();
    ring_ref = grant_page(ring, 0, 0);
    rx_ref = grant_page(rx_ring, 0, 0);
    frame_ref = grant_page(frame, 0, GTF_readonly);
    foreign = grant_page(guarded_page(), 5, 0);
    /* To nobody, of a type for experiments. */
    memset(frame, 0x02, 12);
    frame[12] = 0x88;
    frame[13] = 0xb5;
    await_back(&vif.device, XenbusStateInitWait, patience);
    return 1;
}

int play_vif(void)
{
    uint32_t cycles = 20;

    if (!begin())
        return 0;
    command_line_word("cycles", &cycles);
    check("vif.connects", connect(), XenbusStateConnected);
    frames();
    grants();
    extras();
    rewritten();
    storm();
    broken_rings();
    bad_nodes();
    one_page_for_both();
    closed_in_flight();
    flood_nodes(&vif);
    cycle(&vif, cycles);
    if (!skipped("vif.front-end-removed-with-frames-in-flight"))
        removed_in_flight();
    return 1;
}
