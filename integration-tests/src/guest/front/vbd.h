/* The front end of a disk (vbd.c), and what it does wrong (vbd_attacks.c). */
#ifndef VBD_H
#define VBD_H

#include "front.h"

#include <xen/io/blkif.h>

#define SLOTS 32
#define SEGMENTS BLKIF_MAX_SEGMENTS_PER_REQUEST
#define PAGES SEGMENTS
#define SECTORS_OF_PAGE 8
#define LAST (SECTORS_OF_PAGE - 1)
#define UNTOUCHED 0x55aa0000u
#define ID 0x1234567887654321ull

struct disk {
    blkif_sring_t *ring;
    void *pages[PAGES];
    /* An indirect request's page. */
    struct blkif_request_segment *descriptors;
    grant_ref_t ring_ref, refs[PAGES], read_only, foreign, descriptors_ref;
    /* Granted once more so that data can be written there: the indirect page, and the first frame of the grant table. */
    grant_ref_t own_descriptors_ref, table_ref;
    /* Requests sent, answers taken; where these indices begin. */
    uint32_t produced, consumed, start;
    /* The last one taken. */
    blkif_response_t answered;
};

extern struct served vbd;
extern struct disk disk;

void vbd_begin_ring(void);
/* Connects with the nodes as they are. */
int vbd_connect_as_it_is(void);
blkif_request_t *vbd_slot(unsigned int next);
/* A request of whole pages, in the slot `next` after those that are sent. */
blkif_request_t *vbd_fill(unsigned int next, uint8_t operation, uint8_t segments, uint64_t sector);
void vbd_send(unsigned int count);
int vbd_has_answer(void);
int vbd_await_answer(unsigned int limit);
/* Sends what is in the next slot; its answer's status. */
int vbd_ask(void);
/* Reads a page, and compares. */
int vbd_read_page(uint32_t sector);

extern const struct attack vbd_attacks[];
extern const unsigned int vbd_attack_count;

#endif
