/* A disk whose 512-byte sectors each consist of their own number, in words of 32 bits. */
#include "vbd.h"

#include <xen/io/protocols.h>

#define WORDS_OF_SECTOR 128

#ifdef __x86_64__
#define PROTOCOL XEN_IO_PROTO_ABI_X86_64
#else
#define PROTOCOL XEN_IO_PROTO_ABI_X86_32
#endif

struct served vbd;
struct disk disk;

void vbd_begin_ring(void)
{
    memset(disk.ring, 0, PAGE);
    disk.ring->req_prod = disk.ring->rsp_prod = disk.start;
    disk.ring->req_event = disk.ring->rsp_event = disk.start + 1;
    disk.produced = disk.consumed = disk.start;
}

int vbd_connect_as_it_is(void)
{
    const struct device *device = &vbd.device;

    vbd_begin_ring();
    set_node(device, "protocol", PROTOCOL);
    set_state(device, XenbusStateInitialised);
    if (await_connected(device) == XenbusStateConnected)
        set_state(device, XenbusStateConnected);
    return (int)back_number(device, "state");
}

static int connect(void)
{
    close_port(vbd.port);
    vbd.port = open_port(0);
    set_number(&vbd.device, "ring-ref", disk.ring_ref);
    set_number(&vbd.device, "event-channel", vbd.port);
    return vbd_connect_as_it_is();
}

blkif_request_t *vbd_slot(unsigned int next)
{
    return &disk.ring->ring[(disk.produced + next) & (SLOTS - 1)].req;
}

blkif_request_t *vbd_fill(unsigned int next, uint8_t operation, uint8_t segments, uint64_t sector)
{
    blkif_request_t *request = vbd_slot(next);

    memset(request, 0, sizeof(*request));
    request->operation = operation;
    request->nr_segments = segments;
    request->id = ID + next;
    request->sector_number = sector;
    for (unsigned int i = 0; i < segments && i < SEGMENTS; i++) {
        request->seg[i].gref = disk.refs[i];
        request->seg[i].last_sect = LAST;
    }
    return request;
}

void vbd_send(unsigned int count)
{
    disk.produced += count;
    __atomic_store_n(&disk.ring->req_prod, disk.produced, __ATOMIC_SEQ_CST);
    evtchn_send(vbd.port);
}

int vbd_has_answer(void)
{
    return __atomic_load_n(&disk.ring->rsp_prod, __ATOMIC_ACQUIRE) != disk.consumed;
}

int vbd_await_answer(unsigned int limit)
{
    uint64_t deadline = milliseconds() + limit;

    while (!vbd_has_answer()) {
        if (milliseconds() > deadline)
            return 0;
        pause_for_an_answer();
    }
    memcpy(&disk.answered, &disk.ring->ring[disk.consumed & (SLOTS - 1)].rsp, sizeof(disk.answered));
    disk.consumed++;
    return 1;
}

int vbd_ask(void)
{
    uint8_t operation = vbd_slot(0)->operation;

    if (operation == BLKIF_OP_INDIRECT)
        operation = ((blkif_request_indirect_t *)vbd_slot(0))->indirect_op;
    vbd_send(1);
    if (!vbd_await_answer(patience))
        return NO_ANSWER;
    return disk.answered.id == ID && disk.answered.operation == operation ? disk.answered.status : WRONG_ANSWER;
}

static int is_sector(const uint32_t *words, uint32_t number)
{
    for (unsigned int i = 0; i < WORDS_OF_SECTOR; i++)
        if (words[i] != number)
            return 0;
    return 1;
}

int vbd_read_page(uint32_t sector)
{
    int status;

    fill_words(disk.pages[0], UNTOUCHED);
    vbd_fill(0, BLKIF_OP_READ, 1, sector);
    status = vbd_ask();
    for (unsigned int i = 0; status == BLKIF_RSP_OKAY && i < SECTORS_OF_PAGE; i++)
        if (!is_sector((uint32_t *)disk.pages[0] + i * WORDS_OF_SECTOR, sector + i))
            status = WRONG_ANSWER;
    return status;
}

/* 0 if it does. */
static int serves(void)
{
    return vbd_read_page(16);
}

static void keep_busy(void)
{
    if (vbd_has_answer() || disk.produced == disk.consumed) {
        disk.consumed = disk.ring->rsp_prod;
        while (disk.produced - disk.consumed < SLOTS) {
            vbd_fill(0, BLKIF_OP_READ, SEGMENTS, 0);
            disk.produced++;
        }
        vbd_send(0);
    }
}

static unsigned int rings_in_use(void)
{
    return (unsigned int)in_use(disk.ring_ref);
}

static const struct bad_node bad_nodes[] = {
    {"protocol-unknown", "protocol", "sparc-abi"},
    {"ring-page-order-too-high", "ring-page-order", "31"},
    {"rings-of-pages-without-nodes", "ring-page-order", "2"},
    {"cve-2026-45890.no-queues", "multi-queue-num-queues", "0"},
    {"cve-2026-45890.too-many-queues", "multi-queue-num-queues", "4294967295"},
    {"queues-without-nodes", "multi-queue-num-queues", "2"},
};

static void begin_pages(void)
{
    disk.ring = guarded_page();
    disk.ring_ref = grant_page(disk.ring, 0, 0);
    for (unsigned int i = 0; i < PAGES; i++) {
        disk.pages[i] = guarded_page();
        disk.refs[i] = grant_page(disk.pages[i], 0, 0);
    }
    disk.read_only = grant_page(guarded_page(), 0, GTF_readonly);
    disk.foreign = grant_page(guarded_page(), 5, 0);
    disk.descriptors = guarded_page();
    disk.descriptors_ref = grant_page(disk.descriptors, 0, GTF_readonly);
    disk.own_descriptors_ref = grant_page(disk.descriptors, 0, 0);
    disk.table_ref = grant_page(grant_frame(0), 0, 0);
}

struct served *begin_vbd(void)
{
    if (!find_device(&vbd.device, "vbd"))
        return 0;
    vbd.ring_node = "ring-ref";
    vbd.port_node = "event-channel";
    vbd.connect = connect;
    vbd.serves = serves;
    vbd.keep_busy = keep_busy;
    vbd.rings_in_use = rings_in_use;
    vbd.bad_nodes = bad_nodes;
    vbd.bad_node_count = sizeof(bad_nodes) / sizeof(bad_nodes[0]);
    vbd.attacks = vbd_attacks;
    vbd.attack_count = vbd_attack_count;
    begin_pages();
    return &vbd;
}
