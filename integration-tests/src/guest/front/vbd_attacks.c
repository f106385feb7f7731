#include "vbd.h"

/* Neither granted nor in the table. */
#define NO_REF 0xfffffff0u

#define FLIPS 300
#define REVOCATIONS 100

static evtchn_port_t other_port;

static void answers(const char *name, int want)
{
    check(name_of("vbd", name, 0), vbd_ask(), want);
}

static void requests(void)
{
    static const uint8_t bad_ops[] = {BLKIF_OP_RESERVED_1, 7, 255};
    blkif_request_discard_t *discard;
    uint32_t sectors = back_number(&vbd.device, "sectors");

    check("vbd.reads-what-is-there", vbd_read_page(0), BLKIF_RSP_OKAY);
    for (unsigned int i = 0; i < sizeof(bad_ops); i++) {
        vbd_fill(0, bad_ops[i], 1, 0);
        answers("operation-that-there-is-not", BLKIF_RSP_EOPNOTSUPP);
    }
    vbd_fill(0, BLKIF_OP_READ, 0, 0);
    answers("no-segments", BLKIF_RSP_ERROR);
    vbd_fill(0, BLKIF_OP_READ, SEGMENTS + 1, 0);
    answers("xsa-229.twelve-segments", BLKIF_RSP_ERROR);
    vbd_fill(0, BLKIF_OP_READ, 255, 0);
    answers("xsa-229.255-segments", BLKIF_RSP_ERROR);
    vbd_fill(0, BLKIF_OP_READ, 1, 0)->seg[0].first_sect = LAST + 1;
    answers("first-sector-after-last", BLKIF_RSP_ERROR);
    vbd_fill(0, BLKIF_OP_READ, 1, 0)->seg[0].last_sect = LAST + 1;
    answers("sector-beyond-the-page", BLKIF_RSP_ERROR);
    vbd_fill(0, BLKIF_OP_READ, 1, 0)->seg[0].last_sect = 255;
    answers("sector-far-beyond-the-page", BLKIF_RSP_ERROR);
    vbd_fill(0, BLKIF_OP_READ, 1, sectors - 1);
    answers("range-beyond-the-disk", BLKIF_RSP_ERROR);
    vbd_fill(0, BLKIF_OP_READ, 1, ~0ull);
    answers("range-that-wraps", BLKIF_RSP_ERROR);
    vbd_fill(0, BLKIF_OP_WRITE, 1, ~0ull << 55);
    answers("bytes-that-wrap", BLKIF_RSP_ERROR);
    discard = (blkif_request_discard_t *)vbd_fill(0, BLKIF_OP_DISCARD, 0, 8);
    discard->nr_sectors = ~0ull;
    check_either("vbd.discard-that-wraps", vbd_ask(), BLKIF_RSP_ERROR, BLKIF_RSP_EOPNOTSUPP);
}

/* Bytes that are neither 0 nor this guest's own would be memory of the back end. */
static void padding(void)
{
    const uint8_t *slot_bytes = (const uint8_t *)&disk.ring->ring[disk.produced & (SLOTS - 1)];
    uint8_t own[sizeof(blkif_response_t)];
    unsigned int others = 0;

    vbd_fill(0, 200, 0, 0);
    memcpy(own, slot_bytes, sizeof(own));
    vbd_ask();
    /* A byte between operation and status; on x86_64 four more at the end. */
    others += slot_bytes[9] != 0 && slot_bytes[9] != own[9];
    for (unsigned int i = 12; i < sizeof(own); i++)
        others += slot_bytes[i] != 0 && slot_bytes[i] != own[i];
    check("vbd.xsa-216.padding-of-answers", others, 0);
}

static blkif_request_indirect_t *fill_indirect(uint8_t operation, uint16_t segments)
{
    blkif_request_indirect_t *request = (blkif_request_indirect_t *)vbd_fill(0, BLKIF_OP_INDIRECT, 0, 0);

    request->indirect_op = operation;
    request->nr_segments = segments;
    request->id = ID;
    request->sector_number = 0;
    request->indirect_grefs[0] = disk.descriptors_ref;
    for (unsigned int i = 0; i < PAGE / sizeof(*disk.descriptors); i++) {
        memset(&disk.descriptors[i], 0, sizeof(*disk.descriptors));
        disk.descriptors[i].gref = disk.refs[i % PAGES];
        disk.descriptors[i].last_sect = LAST;
    }
    return request;
}

static void indirect(void)
{
    uint32_t most = back_number(&vbd.device, "feature-max-indirect-segments");

    if (!most) {
        print("skip vbd.indirect\n");
        return;
    }
    fill_indirect(BLKIF_OP_READ, 32);
    answers("indirect.is-served", BLKIF_RSP_OKAY);
    fill_indirect(BLKIF_OP_READ, 0);
    answers("indirect.no-segments", BLKIF_RSP_ERROR);
    fill_indirect(BLKIF_OP_READ, (uint16_t)(most + 1));
    answers("indirect.one-segment-too-many", BLKIF_RSP_ERROR);
    fill_indirect(BLKIF_OP_READ, 65535);
    answers("indirect.65535-segments", BLKIF_RSP_ERROR);
    fill_indirect(BLKIF_OP_FLUSH_DISKCACHE, 1);
    answers("indirect.flush", BLKIF_RSP_ERROR);
    fill_indirect(BLKIF_OP_INDIRECT, 1);
    answers("indirect.indirect", BLKIF_RSP_ERROR);
    fill_indirect(BLKIF_OP_READ, 1)->indirect_grefs[0] = NO_REF;
    answers("indirect.page-not-granted", BLKIF_RSP_ERROR);
    fill_indirect(BLKIF_OP_READ, 32);
    disk.descriptors[31].gref = NO_REF;
    answers("indirect.last-segment-not-granted", BLKIF_RSP_ERROR);
    fill_indirect(BLKIF_OP_READ, 32);
    disk.descriptors[31].last_sect = LAST + 1;
    answers("indirect.last-segment-beyond-its-page", BLKIF_RSP_ERROR);
    check("vbd.indirect.nothing-is-in-use", in_use(disk.descriptors_ref) + in_use(disk.refs[0]), 0);
}

static void grants(void)
{
    unsigned int used = 0;

    vbd_fill(0, BLKIF_OP_READ, 1, 0)->seg[0].gref = NO_REF;
    answers("xsa-361.ref-beyond-the-table", BLKIF_RSP_ERROR);
    vbd_fill(0, BLKIF_OP_READ, 1, 0)->seg[0].gref = 2000;
    answers("xsa-361.ref-not-granted", BLKIF_RSP_ERROR);
    vbd_fill(0, BLKIF_OP_READ, 1, 0)->seg[0].gref = disk.foreign;
    answers("xsa-361.granted-to-another-domain", BLKIF_RSP_ERROR);
    vbd_fill(0, BLKIF_OP_READ, 1, 0)->seg[0].gref = disk.read_only;
    answers("xsa-361.read-only-for-a-read", BLKIF_RSP_ERROR);
    vbd_fill(0, BLKIF_OP_READ, SEGMENTS, 0)->seg[SEGMENTS - 1].gref = NO_REF;
    answers("xsa-362.last-of-a-request-not-granted", BLKIF_RSP_ERROR);
    for (unsigned int i = 0; i < PAGES; i++)
        used += (unsigned int)in_use(disk.refs[i]);
    check("vbd.xsa-362.nothing-is-in-use", used, 0);
    check("vbd.xsa-362.serves-again", vbd.serves(), 0);
}

/* Changes the request, or the page of its segments, until it is answered. */
static void rewritten(const char *name, int is_indirect)
{
    unsigned int impossible = 0;

    for (unsigned int i = 0; i < FLIPS; i++) {
        blkif_request_t *request;

        if (is_indirect)
            fill_indirect(BLKIF_OP_READ, 32);
        else
            vbd_fill(0, BLKIF_OP_READ, SEGMENTS, 0);
        request = vbd_slot(0);
        vbd_send(1);
        for (unsigned int turn = 0; !vbd_has_answer() && turn < 10000000; turn++) {
            volatile struct blkif_request_segment *segment = is_indirect ? &disk.descriptors[turn % 32] : &request->seg[1];

            /* Not the bytes that an answer has as well, but for those of its id. */
            if (!is_indirect) {
                *(volatile uint8_t *)&request->operation = turn % 2 ? BLKIF_OP_READ : 255;
                *(volatile uint8_t *)&request->nr_segments = turn % 2 ? SEGMENTS : 255;
            }
            segment->gref = turn % 2 ? disk.refs[1] : NO_REF;
            segment->first_sect = turn % 2 ? 0 : 200;
            segment->last_sect = turn % 2 ? LAST : 255;
        }
        if (!vbd_await_answer(patience) || disk.answered.status > BLKIF_RSP_OKAY || disk.answered.status < BLKIF_RSP_EOPNOTSUPP)
            impossible++;
    }
    check(name_of("vbd", name, 0), impossible, 0);
    check(name_of("vbd", name, "guards"), changed_guards(), 0);
    check(name_of("vbd", name, "serves-again"), vbd.serves(), 0);
}

/* Takes the grant back as soon as that is possible; then nobody may write to the page. */
static void revoked(void)
{
    unsigned int impossible = 0, written = 0;

    for (unsigned int i = 0; i < REVOCATIONS; i++) {
        vbd_fill(0, BLKIF_OP_READ, 1, 0);
        vbd_send(1);
        while (!revoke(disk.refs[0]))
            cpu_relax();
        fill_words(disk.pages[0], UNTOUCHED);
        if (!vbd_await_answer(patience) || (disk.answered.status != BLKIF_RSP_OKAY && disk.answered.status != BLKIF_RSP_ERROR))
            impossible++;
        written += other_words(disk.pages[0], UNTOUCHED) != 0;
        grant_again(disk.refs[0], disk.pages[0]);
    }
    check("vbd.xsa-365.revoked-in-the-middle", impossible, 0);
    check("vbd.xsa-365.page-is-not-written-after-it", written, 0);
    check("vbd.xsa-365.serves-again", vbd.serves(), 0);
}

static void broken_ring(const char *name, uint32_t index)
{
    if (skipped(name_of("vbd", name, 0)))
        return;
    for (unsigned int i = 0; i < SLOTS; i++)
        vbd_fill(i, BLKIF_OP_READ, 1, 0);
    __atomic_store_n(&disk.ring->req_prod, index, __ATOMIC_SEQ_CST);
    evtchn_send(vbd.port);
    sleep_for(SILENCE);
    stays_silent(&vbd, name, vbd_has_answer());
}

static void indices(void)
{
    int failed = 0;

    broken_ring("xsa-39.request-index-far-ahead", disk.produced + 0x1000);
    broken_ring("xsa-39.request-index-one-too-far", disk.produced + SLOTS + 1);
    broken_ring("xsa-39.request-index-backwards", disk.produced - 1);
    disk.start = 0xfffffff0u;
    comes_back(&vbd, "indices-that-wrap");
    for (unsigned int i = 0; i < 2 * SLOTS; i++)
        failed += vbd.serves() != 0;
    check("vbd.indices-that-wrap", failed, 0);
    disk.start = 0;
    comes_back(&vbd, "indices-from-0");
}

/* A ring that is in a state of its own when the back end looks. */
static int connect_to_a_bad_ring(void)
{
    const struct device *device = &vbd.device;

    vbd_begin_ring();
    disk.ring->req_prod = disk.start + SLOTS + 1;
    set_number(device, "ring-ref", disk.ring_ref);
    set_number(device, "event-channel", vbd.port);
    set_state(device, XenbusStateInitialised);
    return await_connected(device);
}

static void bad_ring_at_connect(void)
{
    restart(&vbd.device);
    disk.start = 5;
    check("vbd.xsa-39.ring-impossible-from-the-start", connect_to_a_bad_ring(), XenbusStateClosing);
    disk.start = 0;
    comes_back(&vbd, "xsa-39.ring-impossible-from-the-start");
}

/* The same page, or the same event channel, for two rings; pages of one ring that are the same page. */
static void shared_rings(void)
{
    const struct device *device = &vbd.device;
    static const char *const nodes[] = {"ring-page-order", "ring-ref0",          "ring-ref1", "multi-queue-num-queues",
                                        "queue-0",         "queue-1"};

    restart(device);
    set_number(device, "ring-page-order", 1);
    set_number(device, "ring-ref0", disk.ring_ref);
    set_number(device, "ring-ref1", disk.ring_ref);
    check_either("vbd.one-page-twice-in-a-ring", vbd.connect(), XenbusStateConnected, XenbusStateClosing);
    restart(device);
    remove_node(device, "ring-page-order");
    set_number(device, "multi-queue-num-queues", 2);
    set_number(device, "queue-0/ring-ref", disk.ring_ref);
    set_number(device, "queue-1/ring-ref", disk.ring_ref);
    set_number(device, "queue-0/event-channel", vbd.port);
    set_number(device, "queue-1/event-channel", vbd.port);
    check("vbd.xsa-526.one-event-channel-for-two-queues", vbd_connect_as_it_is(), XenbusStateClosing);
    check("vbd.xsa-526.one-event-channel-for-two-queues.nothing-is-in-use", in_use(disk.ring_ref), 0);
    restart(device);
    close_port(other_port);
    other_port = open_port(0);
    set_number(device, "queue-1/event-channel", other_port);
    close_port(vbd.port);
    vbd.port = open_port(0);
    set_number(device, "queue-0/event-channel", vbd.port);
    check_either("vbd.one-page-for-two-queues", vbd_connect_as_it_is(), XenbusStateConnected, XenbusStateClosing);
    for (unsigned int i = 0; i < SLOTS; i++)
        vbd_fill(i, BLKIF_OP_READ, 1, 0);
    vbd_send(SLOTS);
    evtchn_send(other_port);
    sleep_for(SILENCE);
    for (unsigned int i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
        remove_node(device, nodes[i]);
    comes_back(&vbd, "one-page-for-two-queues");
}

/* Data of the disk goes where the back end itself reads. */
static void data_into_the_ring(void)
{
    vbd_fill(0, BLKIF_OP_READ, 1, 0)->seg[0].gref = disk.ring_ref;
    vbd_send(1);
    sleep_for(SILENCE);
    comes_back(&vbd, "data-into-the-ring");
    fill_indirect(BLKIF_OP_READ, 32);
    for (unsigned int i = 0; i < 32; i++)
        disk.descriptors[i].gref = disk.own_descriptors_ref;
    ((blkif_request_indirect_t *)vbd_slot(0))->indirect_grefs[0] = disk.own_descriptors_ref;
    check_either("vbd.data-into-the-indirect-page", vbd_ask(), BLKIF_RSP_OKAY, BLKIF_RSP_ERROR);
    comes_back(&vbd, "data-into-the-indirect-page");
}

/* Data of the disk becomes entries of the grant table, those of ring and data among them. */
static void data_into_the_grant_table(void)
{
    uint8_t *kept = disk.pages[1];
    uint32_t offset;

    memcpy(kept, (void *)grant_frame(0), PAGE);
    /* Sectors are their numbers: flags and frames from 0 to 63. */
    for (offset = 0; offset < 64; offset += 8) {
        blkif_request_t *request = vbd_fill(0, BLKIF_OP_READ, 3, offset);

        request->seg[0].gref = disk.refs[2];
        request->seg[1].gref = disk.table_ref;
        request->seg[2].gref = disk.refs[3];
        vbd_send(1);
        vbd_await_answer(SILENCE);
    }
    memcpy((void *)grant_frame(0), kept, PAGE);
    comes_back(&vbd, "data-into-the-grant-table");
    check("vbd.data-into-the-grant-table.nothing-is-in-use", in_use(disk.table_ref), 0);
}

/* The back end's own side of the ring, and that of events, written at random. */
static void other_side_rewritten(void)
{
    for (unsigned int i = 0; i < FLIPS; i++) {
        vbd_fill(0, BLKIF_OP_READ, 1, 0);
        vbd_send(1);
        for (unsigned int turn = 0; turn < 50; turn++) {
            disk.ring->rsp_prod = disk.consumed + random_below(1000);
            disk.ring->req_event = disk.consumed + random_below(1000);
            disk.ring->rsp_event = disk.consumed + random_below(1000);
        }
    }
    comes_back(&vbd, "answers-index-rewritten");
}

/* A page leaves the guest's memory with requests for it in flight, and another one comes. */
static void page_given_back_in_flight(void)
{
    xen_pfn_t frame = (unsigned long)disk.pages[0] / PAGE;
    struct xen_memory_reservation reservation = {.nr_extents = 1, .domid = DOMID_SELF};

    set_xen_guest_handle(reservation.extent_start, &frame);
    for (unsigned int i = 0; i < SLOTS; i++)
        vbd_fill(i, BLKIF_OP_READ, 1, 0);
    vbd_send(SLOTS);
    check("vbd.page-given-back-in-flight", memory_op(XENMEM_decrease_reservation, &reservation), 1);
    check("vbd.page-given-back-in-flight.page-comes-back", memory_op(XENMEM_populate_physmap, &reservation), 1);
    comes_back(&vbd, "page-given-back-in-flight");
}

/* As many as the ring has, and the front end closes at once. */
static void nothing_is_written_after_the_end(void)
{
    unsigned int used = 0, written = 0;

    for (unsigned int i = 0; i < SLOTS; i++)
        vbd_fill(i, BLKIF_OP_READ, SEGMENTS, 0);
    vbd_send(SLOTS);
    close_front(&vbd.device);
    for (unsigned int i = 0; i < PAGES; i++) {
        used += (unsigned int)(in_use(disk.refs[i]) || !revoke(disk.refs[i]));
        fill_words(disk.pages[i], UNTOUCHED);
    }
    sleep_for(SILENCE);
    for (unsigned int i = 0; i < PAGES; i++) {
        written += other_words(disk.pages[i], UNTOUCHED) != 0;
        grant_again(disk.refs[i], disk.pages[i]);
    }
    check("vbd.xsa-374.requests-end-before-closed", used, 0);
    check("vbd.xsa-374.nothing-is-written-after-closed", written, 0);
    comes_back(&vbd, "xsa-374.nothing-is-written-after-closed");
}

static void requests_rewritten(void)
{
    rewritten("xsa-155.request-rewritten", 0);
}

static void indirect_page_rewritten(void)
{
    if (back_number(&vbd.device, "feature-max-indirect-segments"))
        rewritten("xsa-155.indirect-page-rewritten", 1);
}

const struct attack vbd_attacks[] = {
    {"requests", requests},
    {"xsa-216.padding", padding},
    {"indirect", indirect},
    {"xsa-361.grants", grants},
    {"xsa-155.request-rewritten", requests_rewritten},
    {"xsa-155.indirect-page-rewritten", indirect_page_rewritten},
    {"xsa-365.revoked", revoked},
    {"xsa-39.indices", indices},
    {"xsa-39.ring-impossible-from-the-start", bad_ring_at_connect},
    {"answers-index-rewritten", other_side_rewritten},
    {"rings-shared", shared_rings},
    {"data-into-the-ring", data_into_the_ring},
    {"data-into-the-grant-table", data_into_the_grant_table},
    {"page-given-back-in-flight", page_given_back_in_flight},
    {"xsa-374.nothing-is-written-after-closed", nothing_is_written_after_the_end},
};
const unsigned int vbd_attack_count = sizeof(vbd_attacks) / sizeof(vbd_attacks[0]);
