/* A network interface. What another guest sends to nobody comes here too. */
#include "front.h"

#include "../runtime/grants.h"

#include <xen/io/netif.h>

#define SLOTS 256
#define FRAME 64
#define FIRST_BYTES 14
#define FLIPS 300
#define NO_REF 0xfffffff0u
/* What a back end has to serve, and what no guest sends (Linux's fatal_skb_slots). */
#define SERVED_SLOTS XEN_NETIF_NR_SLOTS_MIN
#define HOSTILE_SLOTS 21
#define FILTER_MAX 64
#define CONTROL_REQUESTS 64

static struct served vif;
static netif_tx_sring_t *ring;
static netif_rx_sring_t *rx_ring;
static xen_netif_ctrl_sring_t *control_ring;
static grant_ref_t ring_ref, rx_ref, control_ref, frame_ref, foreign, read_only;
static uint8_t *frame;
static uint32_t produced, consumed, rx_posted;

static int connect(void)
{
    const struct device *device = &vif.device;

    memset(ring, 0, PAGE);
    memset(rx_ring, 0, PAGE);
    ring->req_event = ring->rsp_event = rx_ring->req_event = rx_ring->rsp_event = 1;
    produced = consumed = rx_posted = 0;
    close_port(vif.port);
    vif.port = open_port(0);
    set_number(device, "tx-ring-ref", ring_ref);
    set_number(device, "rx-ring-ref", rx_ref);
    set_number(device, "event-channel", vif.port);
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
    evtchn_send(vif.port);
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
            pause_for_an_answer();
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

/* Sends what has been put, which breaks the ring: there is no answer. */
static void breaks(const char *name)
{
    if (skipped(name_of("vif", name, 0)))
        return;
    send();
    sleep_for(SILENCE);
    stays_silent(&vif, name, has_answer());
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

/* Sends every slot of the ring for frames to this guest, with such a page. */
static void post(grant_ref_t ref)
{
    for (unsigned int i = 0; i < SLOTS; i++) {
        netif_rx_request_t *request = &rx_ring->ring[(rx_posted + i) & (SLOTS - 1)].req;

        request->id = (uint16_t)i;
        request->gref = ref;
    }
    rx_posted += SLOTS;
    __atomic_store_n(&rx_ring->req_prod, rx_posted, __ATOMIC_SEQ_CST);
    evtchn_send(vif.port);
}

/* Frames come all the time, from a guest beside this one. */
static void bad_pages_for_frames(void)
{
    const grant_ref_t bad[] = {NO_REF, 2000, foreign, read_only, rx_ref, ring_ref};

    sleep_for(SILENCE);
    check("vif.xsa-392.no-pages-for-frames", serves(), 0);
    for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        post(bad[i]);
        sleep_for(SILENCE / 3);
        comes_back(&vif, "xsa-361.pages-for-frames");
    }
    check("vif.xsa-361.pages-for-frames.nothing-is-in-use", in_use(read_only) + in_use(foreign), 0);
}

static void index_of_pages(void)
{
    rx_ring->req_prod = SLOTS + 1;
    evtchn_send(vif.port);
    sleep_for(SILENCE / 3);
    comes_back(&vif, "xsa-39.index-of-pages-one-too-far");
    rx_ring->req_prod = 0x80000000u;
    evtchn_send(vif.port);
    sleep_for(SILENCE / 3);
    comes_back(&vif, "xsa-39.index-of-pages-far-ahead");
    rx_ring->req_prod = (uint32_t)-1;
    evtchn_send(vif.port);
    sleep_for(SILENCE / 3);
    comes_back(&vif, "xsa-39.index-of-pages-backwards");
}

/* Asks the control ring for what has wrapped elsewhere, then breaks it. */
static void control(void)
{
    const struct device *device = &vif.device;
    evtchn_port_t control_port = open_port(0);
    unsigned int others = 0;

    memset(control_ring, 0, PAGE);
    control_ring->req_event = control_ring->rsp_event = 1;
    restart(device);
    set_number(device, "ctrl-ring-ref", control_ref);
    set_number(device, "event-channel-ctrl", control_port);
    check("vif.xsa-270.control-ring", connect(), XenbusStateConnected);
    for (unsigned int i = 0; i < CONTROL_REQUESTS; i++) {
        struct xen_netif_ctrl_request *request = &control_ring->ring[i].req;

        request->id = (uint16_t)i;
        request->type = (uint16_t)(i % 9);
        request->data[0] = NO_REF;
        request->data[1] = ~0u;
        request->data[2] = ~0u - i;
    }
    __atomic_store_n(&control_ring->req_prod, CONTROL_REQUESTS, __ATOMIC_SEQ_CST);
    evtchn_send(control_port);
    for (unsigned int waited = 0; control_ring->rsp_prod != CONTROL_REQUESTS && waited < patience; waited += 2)
        sleep_for(2);
    for (unsigned int i = 0; i < CONTROL_REQUESTS; i++)
        others += control_ring->ring[i].rsp.status != XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED;
    check("vif.xsa-270.control-requests", others, 0);
    control_ring->req_prod = 0x1000;
    evtchn_send(control_port);
    check("vif.xsa-39.control-ring.serves", serves(), 0);
    remove_node(device, "ctrl-ring-ref");
    remove_node(device, "event-channel-ctrl");
    comes_back(&vif, "xsa-270.control-ring");
    close_port(control_port);
}

static void keep_busy(void)
{
    consumed = ring->rsp_prod;
    while (produced - consumed < SLOTS)
        put(FRAME, 0);
    send();
}

static unsigned int rings_in_use(void)
{
    return (unsigned int)(in_use(ring_ref) + in_use(rx_ref) + in_use(control_ref));
}

static const struct bad_node bad_nodes[] = {
    {"pages-to-flip", "request-rx-copy", "0"},
    {"rx-ring-missing", "rx-ring-ref", 0},
    {"xsa-527.rx-ring-not-granted", "rx-ring-ref", "2000"},
    {"only-one-of-two-event-channels", "event-channel-tx", "999"},
    {"cve-2026-45890.no-queues", "multi-queue-num-queues", "0"},
    {"cve-2026-45890.too-many-queues", "multi-queue-num-queues", "4294967295"},
    {"head-room-of-more-than-a-page", "xdp-headroom", "4294967295"},
    {"control-ring-not-granted", "ctrl-ring-ref", "2000"},
};

static const struct attack attacks[] = {
    {"frames", frames},
    {"xsa-361.grants", grants},
    {"extras", extras},
    {"xsa-155.request-rewritten", rewritten},
    {"xsa-39.broken-rings", broken_rings},
    {"one-page-for-both-rings", one_page_for_both},
    {"xsa-361.pages-for-frames", bad_pages_for_frames},
    {"xsa-39.index-of-pages", index_of_pages},
    {"xsa-270.control-ring", control},
};

struct served *begin_vif(void)
{
    if (!find_device(&vif.device, "vif"))
        return 0;
    vif.ring_node = "tx-ring-ref";
    vif.port_node = "event-channel";
    vif.connect = connect;
    vif.serves = serves;
    vif.keep_busy = keep_busy;
    vif.rings_in_use = rings_in_use;
    vif.bad_nodes = bad_nodes;
    vif.bad_node_count = sizeof(bad_nodes) / sizeof(bad_nodes[0]);
    vif.attacks = attacks;
    vif.attack_count = sizeof(attacks) / sizeof(attacks[0]);
    ring = guarded_page();
    rx_ring = guarded_page();
    control_ring = guarded_page();
    frame = guarded_page();
    ring_ref = grant_page(ring, 0, 0);
    rx_ref = grant_page(rx_ring, 0, 0);
    control_ref = grant_page(control_ring, 0, 0);
    frame_ref = grant_page(frame, 0, GTF_readonly);
    foreign = grant_page(guarded_page(), 5, 0);
    read_only = grant_page(guarded_page(), 0, GTF_readonly);
    /* To nobody, of a type for experiments; each guest has an address of its own. */
    memset(frame, 0x02, 12);
    frame[11] = (uint8_t)own_domid();
    frame[12] = 0x88;
    frame[13] = 0xb5;
    return &vif;
}
