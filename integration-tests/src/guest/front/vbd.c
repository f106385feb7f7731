/* A disk whose 512-byte sectors each consist of their own number, in words of 32 bits. */
#include "front.h"

#include <xen/io/blkif.h>
#include <xen/io/protocols.h>

#define SLOTS 32
#define SEGMENTS BLKIF_MAX_SEGMENTS_PER_REQUEST
#define PAGES SEGMENTS
#define SECTORS_OF_PAGE 8
#define LAST (SECTORS_OF_PAGE - 1)
#define WORDS_OF_SECTOR 128
#define UNTOUCHED 0x55aa0000u
#define ID 0x1234567887654321ull

/* Neither granted nor in the table. */
#define NO_REF 0xfffffff0u

#define FLIPS 300
#define REVOCATIONS 100
#define STORM 5000

#ifdef __x86_64__
#define PROTOCOL XEN_IO_PROTO_ABI_X86_64
#else
#define PROTOCOL XEN_IO_PROTO_ABI_X86_32
#endif

static struct served vbd;
static blkif_sring_t *ring;
static grant_ref_t ring_ref, refs[PAGES], read_only, foreign, descriptors_ref;
static void *pages[PAGES];
static struct blkif_request_segment *descriptors;
static evtchn_port_t port;
static uint32_t produced, consumed, start;
static blkif_response_t answered;

static void begin_ring(void)
{
    memset(ring, 0, PAGE);
    ring->req_prod = ring->rsp_prod = start;
    ring->req_event = ring->rsp_event = start + 1;
    produced = consumed = start;
}

static int connect(void)
{
    const struct device *device = &vbd.device;

    begin_ring();
    close_port(port);
    port = open_port(0);
    set_number(device, "ring-ref", ring_ref);
    set_number(device, "event-channel", port);
    set_node(device, "protocol", PROTOCOL);
    set_state(device, XenbusStateInitialised);
    if (await_connected(device) == XenbusStateConnected)
        set_state(device, XenbusStateConnected);
    return (int)back_number(device, "state");
}

static blkif_request_t *slot(unsigned int next)
{
    return &ring->ring[(produced + next) & (SLOTS - 1)].req;
}

/* A request of whole pages, in the slot `next` after those that are sent. */
static blkif_request_t *fill(unsigned int next, uint8_t operation, uint8_t segments, uint64_t sector)
{
    blkif_request_t *request = slot(next);

    memset(request, 0, sizeof(*request));
    request->operation = operation;
    request->nr_segments = segments;
    request->id = ID + next;
    request->sector_number = sector;
    for (unsigned int i = 0; i < segments && i < SEGMENTS; i++) {
        request->seg[i].gref = refs[i];
        request->seg[i].last_sect = LAST;
    }
    return request;
}

static void send(unsigned int count)
{
    produced += count;
    __atomic_store_n(&ring->req_prod, produced, __ATOMIC_SEQ_CST);
    evtchn_send(port);
}

static int has_answer(void)
{
    return __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) != consumed;
}

static int await_answer(unsigned int limit)
{
    uint64_t deadline = milliseconds() + limit;

    while (!has_answer()) {
        if (milliseconds() > deadline)
            return 0;
        cpu_relax();
    }
    memcpy(&answered, &ring->ring[consumed & (SLOTS - 1)].rsp, sizeof(answered));
    consumed++;
    return 1;
}

/* Sends what is in the next slot; its answer's status. */
static int ask(void)
{
    uint8_t operation = slot(0)->operation;

    if (operation == BLKIF_OP_INDIRECT)
        operation = ((blkif_request_indirect_t *)slot(0))->indirect_op;
    send(1);
    if (!await_answer(patience))
        return NO_ANSWER;
    return answered.id == ID && answered.operation == operation ? answered.status : WRONG_ANSWER;
}

static int is_sector(const uint32_t *words, uint32_t number)
{
    for (unsigned int i = 0; i < WORDS_OF_SECTOR; i++)
        if (words[i] != number)
            return 0;
    return 1;
}

static int read_page(uint32_t sector)
{
    int status;

    fill_words(pages[0], UNTOUCHED);
    fill(0, BLKIF_OP_READ, 1, sector);
    status = ask();
    for (unsigned int i = 0; status == BLKIF_RSP_OKAY && i < SECTORS_OF_PAGE; i++)
        if (!is_sector((uint32_t *)pages[0] + i * WORDS_OF_SECTOR, sector + i))
            status = WRONG_ANSWER;
    return status;
}

/* 0 if it does. */
static int serves(void)
{
    return read_page(16);
}

static void answers(const char *name, int want)
{
    check(name_of("vbd", name, 0), ask(), want);
}

static void requests(void)
{
    static const uint8_t bad_ops[] = {BLKIF_OP_RESERVED_1, 7, 255};
    blkif_request_discard_t *discard;
    uint32_t sectors = back_number(&vbd.device, "sectors");

    check("vbd.reads-what-is-there", read_page(0), BLKIF_RSP_OKAY);
    for (unsigned int i = 0; i < sizeof(bad_ops); i++) {
        fill(0, bad_ops[i], 1, 0);
        answers("operation-that-there-is-not", BLKIF_RSP_EOPNOTSUPP);
    }
    fill(0, BLKIF_OP_READ, 0, 0);
    answers("no-segments", BLKIF_RSP_ERROR);
    fill(0, BLKIF_OP_READ, SEGMENTS + 1, 0);
    answers("xsa-229.twelve-segments", BLKIF_RSP_ERROR);
    fill(0, BLKIF_OP_READ, 255, 0);
    answers("xsa-229.255-segments", BLKIF_RSP_ERROR);
    fill(0, BLKIF_OP_READ, 1, 0)->seg[0].first_sect = LAST + 1;
    answers("first-sector-after-last", BLKIF_RSP_ERROR);
    fill(0, BLKIF_OP_READ, 1, 0)->seg[0].last_sect = LAST + 1;
    answers("sector-beyond-the-page", BLKIF_RSP_ERROR);
    fill(0, BLKIF_OP_READ, 1, 0)->seg[0].last_sect = 255;
    answers("sector-far-beyond-the-page", BLKIF_RSP_ERROR);
    fill(0, BLKIF_OP_READ, 1, sectors - 1);
    answers("range-beyond-the-disk", BLKIF_RSP_ERROR);
    fill(0, BLKIF_OP_READ, 1, ~0ull);
    answers("range-that-wraps", BLKIF_RSP_ERROR);
    fill(0, BLKIF_OP_WRITE, 1, ~0ull << 55);
    answers("bytes-that-wrap", BLKIF_RSP_ERROR);
    discard = (blkif_request_discard_t *)fill(0, BLKIF_OP_DISCARD, 0, 8);
    discard->nr_sectors = ~0ull;
    check_either("vbd.discard-that-wraps", ask(), BLKIF_RSP_ERROR, BLKIF_RSP_EOPNOTSUPP);
}

/* Bytes that are neither 0 nor this guest's own would be memory of the back end. */
static void padding(void)
{
    const uint8_t *slot_bytes = (const uint8_t *)&ring->ring[produced & (SLOTS - 1)];
    uint8_t own[sizeof(blkif_response_t)];
    unsigned int others = 0;

    fill(0, 200, 0, 0);
    memcpy(own, slot_bytes, sizeof(own));
    ask();
    /* A byte between operation and status; on x86_64 four more at the end. */
    others += slot_bytes[9] != 0 && slot_bytes[9] != own[9];
    for (unsigned int i = 12; i < sizeof(own); i++)
        others += slot_bytes[i] != 0 && slot_bytes[i] != own[i];
    check("vbd.xsa-216.padding-of-answers", others, 0);
}

static blkif_request_indirect_t *fill_indirect(uint8_t operation, uint16_t segments)
{
    blkif_request_indirect_t *request = (blkif_request_indirect_t *)fill(0, BLKIF_OP_INDIRECT, 0, 0);

    request->indirect_op = operation;
    request->nr_segments = segments;
    request->id = ID;
    request->sector_number = 0;
    request->indirect_grefs[0] = descriptors_ref;
    for (unsigned int i = 0; i < PAGE / sizeof(*descriptors); i++) {
        memset(&descriptors[i], 0, sizeof(*descriptors));
        descriptors[i].gref = refs[i % PAGES];
        descriptors[i].last_sect = LAST;
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
    descriptors[31].gref = NO_REF;
    answers("indirect.last-segment-not-granted", BLKIF_RSP_ERROR);
    fill_indirect(BLKIF_OP_READ, 32);
    descriptors[31].last_sect = LAST + 1;
    answers("indirect.last-segment-beyond-its-page", BLKIF_RSP_ERROR);
    check("vbd.indirect.nothing-is-in-use", in_use(descriptors_ref) + in_use(refs[0]), 0);
}

static void grants(void)
{
    unsigned int used = 0;

    fill(0, BLKIF_OP_READ, 1, 0)->seg[0].gref = NO_REF;
    answers("xsa-361.ref-beyond-the-table", BLKIF_RSP_ERROR);
    fill(0, BLKIF_OP_READ, 1, 0)->seg[0].gref = 2000;
    answers("xsa-361.ref-not-granted", BLKIF_RSP_ERROR);
    fill(0, BLKIF_OP_READ, 1, 0)->seg[0].gref = foreign;
    answers("xsa-361.granted-to-another-domain", BLKIF_RSP_ERROR);
    fill(0, BLKIF_OP_READ, 1, 0)->seg[0].gref = read_only;
    answers("xsa-361.read-only-for-a-read", BLKIF_RSP_ERROR);
    fill(0, BLKIF_OP_READ, SEGMENTS, 0)->seg[SEGMENTS - 1].gref = NO_REF;
    answers("xsa-362.last-of-a-request-not-granted", BLKIF_RSP_ERROR);
    for (unsigned int i = 0; i < PAGES; i++)
        used += (unsigned int)in_use(refs[i]);
    check("vbd.xsa-362.nothing-is-in-use", used, 0);
    check("vbd.xsa-362.serves-again", serves(), 0);
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
            fill(0, BLKIF_OP_READ, SEGMENTS, 0);
        request = slot(0);
        send(1);
        for (unsigned int turn = 0; !has_answer() && turn < 10000000; turn++) {
            volatile struct blkif_request_segment *segment = is_indirect ? &descriptors[turn % 32] : &request->seg[1];

            /* Not the bytes that an answer has as well, but for those of its id. */
            if (!is_indirect) {
                *(volatile uint8_t *)&request->operation = turn % 2 ? BLKIF_OP_READ : 255;
                *(volatile uint8_t *)&request->nr_segments = turn % 2 ? SEGMENTS : 255;
            }
            segment->gref = turn % 2 ? refs[1] : NO_REF;
            segment->first_sect = turn % 2 ? 0 : 200;
            segment->last_sect = turn % 2 ? LAST : 255;
        }
        if (!await_answer(patience) || answered.status > BLKIF_RSP_OKAY || answered.status < BLKIF_RSP_EOPNOTSUPP)
            impossible++;
    }
    check(name_of("vbd", name, 0), impossible, 0);
    check(name_of("vbd", name, "guards"), changed_guards(), 0);
    check(name_of("vbd", name, "serves-again"), serves(), 0);
}

/* Takes the grant back as soon as that is possible; then nobody may write to the page. */
static void revoked(void)
{
    unsigned int impossible = 0, written = 0;

    for (unsigned int i = 0; i < REVOCATIONS; i++) {
        fill(0, BLKIF_OP_READ, 1, 0);
        send(1);
        while (!revoke(refs[0]))
            cpu_relax();
        fill_words(pages[0], UNTOUCHED);
        if (!await_answer(patience) || (answered.status != BLKIF_RSP_OKAY && answered.status != BLKIF_RSP_ERROR))
            impossible++;
        written += other_words(pages[0], UNTOUCHED) != 0;
        grant_again(refs[0], pages[0]);
    }
    check("vbd.xsa-365.revoked-in-the-middle", impossible, 0);
    check("vbd.xsa-365.page-is-not-written-after-it", written, 0);
    check("vbd.xsa-365.serves-again", serves(), 0);
}

static void storm(void)
{
    unsigned int failed = 0;

    for (unsigned int i = 0; i < STORM; i++)
        failed += evtchn_send(port) != 0;
    check("vbd.xsa-332.storm-of-events", failed, 0);
    check("vbd.xsa-332.serves-again", serves(), 0);
}

/* A ring whose index is impossible is served no more; the device begins again. */
static void broken_ring(const char *name, uint32_t index)
{
    if (skipped(name_of("vbd", name, 0)))
        return;
    for (unsigned int i = 0; i < SLOTS; i++)
        fill(i, BLKIF_OP_READ, 1, 0);
    __atomic_store_n(&ring->req_prod, index, __ATOMIC_SEQ_CST);
    evtchn_send(port);
    sleep_for(SILENCE);
    check(name_of("vbd", name, 0), has_answer(), 0);
    comes_back(&vbd, name);
}

static void indices(void)
{
    int failed = 0;

    broken_ring("xsa-39.request-index-far-ahead", produced + 0x1000);
    broken_ring("xsa-39.request-index-one-too-far", produced + SLOTS + 1);
    broken_ring("xsa-39.request-index-backwards", produced - 1);
    start = 0xfffffff0u;
    comes_back(&vbd, "indices-that-wrap");
    for (unsigned int i = 0; i < 2 * SLOTS; i++)
        failed += serves() != 0;
    check("vbd.indices-that-wrap", failed, 0);
    start = 0;
    comes_back(&vbd, "indices-from-0");
}

static void bad_nodes(void)
{
    refused(&vbd, "ring-ref-missing", "ring-ref", 0);
    refused(&vbd, "ring-ref-no-number", "ring-ref", "none");
    refused(&vbd, "xsa-526.ring-ref-not-granted", "ring-ref", "2000");
    refused(&vbd, "xsa-526.ring-ref-beyond-the-table", "ring-ref", "4294967295");
    refused(&vbd, "event-channel-missing", "event-channel", 0);
    refused(&vbd, "xsa-526.event-channel-not-there", "event-channel", "999");
    refused(&vbd, "event-channel-beyond-the-abi", "event-channel", "4294967295");
    refused(&vbd, "protocol-unknown", "protocol", "sparc-abi");
    refused(&vbd, "ring-page-order-too-high", "ring-page-order", "31");
    refused(&vbd, "cve-2026-45890.no-queues", "multi-queue-num-queues", "0");
    refused(&vbd, "cve-2026-45890.too-many-queues", "multi-queue-num-queues", "4294967295");
    refused(&vbd, "queues-without-nodes", "multi-queue-num-queues", "2");
}

/* A ring that is in a state of its own when the back end looks. */
static void bad_ring_at_connect(void)
{
    restart(&vbd.device);
    start = 5;
    begin_ring();
    ring->req_prod = 5 + SLOTS + 1;
    port = port ? port : open_port(0);
    set_number(&vbd.device, "ring-ref", ring_ref);
    set_number(&vbd.device, "event-channel", port);
    set_state(&vbd.device, XenbusStateInitialised);
    check("vbd.xsa-39.ring-impossible-from-the-start", await_connected(&vbd.device), XenbusStateClosing);
    start = 0;
    comes_back(&vbd, "xsa-39.ring-impossible-from-the-start");
}

/* As many as the ring has, and the front end closes at once. */
static void closed_in_flight(void)
{
    unsigned int used = 0, written = 0;

    for (unsigned int i = 0; i < SLOTS; i++)
        fill(i, BLKIF_OP_READ, SEGMENTS, 0);
    send(SLOTS);
    check("vbd.xsa-374.closed-with-requests-in-flight", close_front(&vbd.device), XenbusStateClosed);
    for (unsigned int i = 0; i < PAGES; i++) {
        used += (unsigned int)(in_use(refs[i]) || !revoke(refs[i]));
        fill_words(pages[i], UNTOUCHED);
    }
    used += (unsigned int)in_use(ring_ref);
    sleep_for(SILENCE);
    for (unsigned int i = 0; i < PAGES; i++) {
        written += other_words(pages[i], UNTOUCHED) != 0;
        grant_again(refs[i], pages[i]);
    }
    check("vbd.xsa-374.nothing-is-in-use", used, 0);
    check("vbd.xsa-374.nothing-is-written", written, 0);
    comes_back(&vbd, "xsa-374.closed-with-requests-in-flight");
}

static void port_closed_in_flight(void)
{
    for (unsigned int i = 0; i < SLOTS; i++)
        fill(i, BLKIF_OP_READ, SEGMENTS, 0);
    send(SLOTS);
    close_port(port);
    port = 0;
    comes_back(&vbd, "port-closed-with-requests-in-flight");
}

/* The last case: the device is gone for good. */
static void removed_in_flight(void)
{
    for (unsigned int i = 0; i < SLOTS; i++)
        fill(i, BLKIF_OP_READ, SEGMENTS, 0);
    send(SLOTS);
    remove_front(&vbd.device);
    for (unsigned int waited = 0; in_use(ring_ref) && waited < patience; waited += 100)
        sleep_for(100);
    check("vbd.front-end-removed-with-requests-in-flight", in_use(ring_ref), 0);
}

static void begin_pages(void)
{
    ring = guarded_page();
    ring_ref = grant_page(ring, 0, 0);
    for (unsigned int i = 0; i < PAGES; i++) {
        pages[i] = guarded_page();
        refs[i] = grant_page(pages[i], 0, 0);
    }
    read_only = grant_page(guarded_page(), 0, GTF_readonly);
    foreign = grant_page(guarded_page(), 5, 0);
    descriptors = guarded_page();
    descriptors_ref = grant_page(descriptors, 0, GTF_readonly);
}

static int begin(void)
{
    if (!find_device(&vbd.device, "vbd"))
        return 0;
    vbd.connect = connect;
    vbd.serves = serves;
    begin_pages();
    await_back(&vbd.device, XenbusStateInitWait, patience);
    return 1;
}

int play_vbd(void)
{
    uint32_t cycles = 20;

    if (!begin())
        return 0;
    command_line_word("cycles", &cycles);
    check("vbd.connects", connect(), XenbusStateConnected);
    requests();
    padding();
    indirect();
    grants();
    rewritten("xsa-155.request-rewritten", 0);
    if (back_number(&vbd.device, "feature-max-indirect-segments"))
        rewritten("xsa-155.indirect-page-rewritten", 1);
    revoked();
    storm();
    indices();
    bad_nodes();
    bad_ring_at_connect();
    closed_in_flight();
    port_closed_in_flight();
    flood_nodes(&vbd);
    cycle(&vbd, cycles);
    if (!skipped("vbd.front-end-removed-with-requests-in-flight"))
        removed_in_flight();
    return 1;
}
