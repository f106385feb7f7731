/* The front end of a share (p9.c), and what it does wrong (p9_attacks.c). */
#ifndef P9_H
#define P9_H

#include "front.h"

#define P9_ORDER 2
#define P9_PAGES (1u << P9_ORDER)
/* Bytes of each of the two rings. */
#define P9_RING (P9_PAGES / 2 * PAGE)

/* Numbers of 9P2000.L; an answer has the next one. */
#define P9_RLERROR 7
#define P9_TLOPEN 12
#define P9_TLCREATE 14
#define P9_TSYMLINK 16
#define P9_TGETATTR 24
#define P9_TXATTRWALK 30
#define P9_TREADDIR 40
#define P9_TVERSION 100
#define P9_TATTACH 104
#define P9_TFLUSH 108
#define P9_TWALK 110
#define P9_TREAD 116
#define P9_TWRITE 118
#define P9_TCLUNK 120
#define P9_TREMOVE 122

/* The fid of the root. */
#define P9_ROOT 0

/* The interface page: libxen-dev of Debian 12 has it in the text of 9pfs.h alone. */
struct p9_interface {
    uint32_t in_cons, in_prod;
    uint8_t pad1[56];
    uint32_t out_cons, out_prod;
    uint8_t pad2[56];
    uint32_t ring_order;
    grant_ref_t ref[PAGE / 4 - 33];
};

struct p9_message {
    uint32_t length;
    uint8_t bytes[P9_RING];
};

extern struct served p9;
extern volatile struct p9_interface *p9_page;
extern uint8_t *p9_in, *p9_out;
extern grant_ref_t p9_page_ref, p9_refs[P9_PAGES];
/* Where the indices begin. */
extern uint32_t p9_start;
extern struct p9_message p9_ask, p9_answer;

/* Words of the interface page. */
#define P9_OUT_PROD_WORD 17
#define P9_ORDER_WORD 32
#define P9_REF_WORD 33

/* From now on, the interface page has another value there; word 0 ends that. */
void p9_override(unsigned int word, uint32_t value);
void p9_begin_ring(void);
/* With the interface page as it is, and without a session. */
int p9_connect_as_it_is(void);

/* A message. */
void p9_begin(uint8_t type, uint16_t tag);
void p9_u16(uint16_t value);
void p9_u32(uint32_t value);
void p9_u64(uint64_t value);
void p9_text(const char *text);
/* Asks for the attributes of the root. */
void p9_getattr(uint16_t tag);

/* Its size field, whatever that is. */
void p9_put_size(uint32_t size);
/* Bytes of any kind, without an event. */
void p9_write_out(const uint8_t *bytes, uint32_t length);
void p9_send(void);
int p9_has_answer(void);
/* An answer's number, or the errno of Rlerror, negative; NO_ANSWER if none comes. */
int p9_take(unsigned int limit);
int p9_call(void);

extern const struct attack p9_attacks[];
extern const unsigned int p9_attack_count;

#endif
