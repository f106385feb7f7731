#include "p9.h"

/* Linux's. */
#define LINUX_EBADF 9

#define FID 1
#define OTHER_FID 2
#define NO_FID 77
#define NO_REF 0xfffffff0u
#define ATTRIBUTES 100
#define FLUSHES 150
#define FLIPS 200

static int failed(int answer)
{
    return answer < 0 && answer > -NO_ANSWER;
}

static void fails(const char *name)
{
    check(name_of("9pfs", name, 0), failed(p9_call()), 1);
}

static void answers(const char *name, int want)
{
    check(name_of("9pfs", name, 0), p9_call(), want);
}

static void walk(uint32_t fid, uint32_t to, const char *name)
{
    p9_begin(P9_TWALK, 1);
    p9_u32(fid);
    p9_u32(to);
    p9_u16(1);
    p9_text(name);
}

static void clunk(uint32_t fid)
{
    p9_begin(P9_TCLUNK, 1);
    p9_u32(fid);
}

static void open_to(uint32_t fid, uint32_t flags)
{
    p9_begin(P9_TLOPEN, 1);
    p9_u32(fid);
    p9_u32(flags);
}

static void read_from(uint8_t type, uint32_t fid, uint64_t offset, uint32_t count)
{
    p9_begin(type, 1);
    p9_u32(fid);
    p9_u64(offset);
    p9_u32(count);
}

static void names(void)
{
    static const char *const bad[] = {"..", ".", "", "a/b", "/etc", "../../etc/passwd"};

    for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        walk(P9_ROOT, FID, bad[i]);
        if (p9_call() == P9_TWALK + 1) {
            /* ".." of the root is the root. */
            check("9pfs.cve-2016-7116.walk-within-the-share", i, 0);
            clunk(FID);
            p9_call();
        }
    }
    p9_begin(P9_TWALK, 1);
    p9_u32(P9_ROOT);
    p9_u32(FID);
    p9_u16(2);
    p9_text("up");
    p9_text("passwd");
    check("9pfs.cve-2016-9602.walk-through-a-link", p9_call() == P9_TWALK + 1 && p9_answer.bytes[7] == 2, 0);
    clunk(FID);
    p9_call();
    p9_begin(P9_TWALK, 1);
    p9_u32(P9_ROOT);
    p9_u32(FID);
    p9_u16(17);
    for (unsigned int i = 0; i < 17; i++)
        p9_text("a");
    fails("walk-of-17-names");
    p9_begin(P9_TWALK, 1);
    p9_u32(P9_ROOT);
    p9_u32(FID);
    p9_u16(65535);
    fails("walk-of-names-that-are-not-there");
    walk(P9_ROOT, FID, "pipe");
    check("9pfs.cve-2023-2861.walk-to-a-fifo", p9_call(), P9_TWALK + 1);
    open_to(FID, 0);
    fails("cve-2023-2861.open-of-a-fifo");
    clunk(FID);
    answers("cve-2023-2861.clunk", P9_TCLUNK + 1);
}

/* Messages whose fields do not fit in them. */
static void short_messages(void)
{
    static const uint8_t types[] = {P9_TLOPEN, P9_TLCREATE,  P9_TSYMLINK, P9_TGETATTR, P9_TXATTRWALK,
                                    8,         18,           20,          22,          26,
                                    32,        P9_TREADDIR,  50,          52,          54,
                                    70,        72,           74,          76,          P9_TATTACH,
                                    P9_TREAD,  P9_TWRITE,    P9_TWALK,    122,         P9_TCLUNK};
    unsigned int well = 0;

    for (unsigned int i = 0; i < sizeof(types); i++) {
        p9_begin(types[i], 1);
        well += failed(p9_call());
    }
    check("9pfs.messages-without-a-body", well, sizeof(types));
    p9_begin(P9_TSYMLINK, 1);
    p9_u32(P9_ROOT);
    p9_u16(65535);
    fails("text-longer-than-its-message");
    p9_begin(255, 1);
    fails("operation-that-there-is-not");
    p9_begin(P9_RLERROR, 1);
    fails("an-answer-as-a-request");
    p9_begin(P9_TWRITE, 1);
    p9_u32(FID);
    p9_u64(0);
    p9_u32(~0u);
    fails("write-of-more-than-the-message");
}

static void fids(void)
{
    unsigned int refused = 0;

    p9_begin(P9_TGETATTR, 1);
    p9_u32(NO_FID);
    p9_u64(~0ull);
    answers("fid-that-there-is-not", -LINUX_EBADF);
    walk(P9_ROOT, P9_ROOT + FID, "file");
    answers("walk-to-a-file", P9_TWALK + 1);
    walk(P9_ROOT, FID, "file");
    fails("fid-taken-twice");
    read_from(P9_TREAD, FID, 0, 100);
    fails("read-of-what-is-not-open");
    open_to(FID, 0);
    answers("open", P9_TLOPEN + 1);
    open_to(FID, 0);
    fails("open-twice");
    read_from(P9_TREAD, FID, 0, ~0u);
    answers("cve-2026-9238.read-of-a-huge-count", P9_TREAD + 1);
    read_from(P9_TREAD, FID, ~0ull, 100);
    check("9pfs.read-beyond-any-file", p9_call() != NO_ANSWER, 1);
    read_from(P9_TREADDIR, FID, 0, ~0u);
    fails("names-of-a-file");
    clunk(FID);
    answers("clunk", P9_TCLUNK + 1);
    p9_begin(P9_TWALK, 1);
    p9_u32(P9_ROOT);
    p9_u32(FID);
    p9_u16(0);
    answers("another-root", P9_TWALK + 1);
    open_to(FID, 0200000);
    answers("open-of-the-root", P9_TLOPEN + 1);
    read_from(P9_TREADDIR, FID, 0, ~0u);
    answers("cve-2026-9238.names-of-a-huge-count", P9_TREADDIR + 1);
    read_from(P9_TREADDIR, FID, ~0ull, ~0u);
    check("9pfs.names-beyond-any-directory", p9_call() != NO_ANSWER, 1);
    clunk(FID);
    answers("clunk-of-the-root", P9_TCLUNK + 1);
    for (unsigned int i = 0; i < ATTRIBUTES; i++) {
        p9_begin(P9_TXATTRWALK, 1);
        p9_u32(P9_ROOT);
        p9_u32(100 + i);
        p9_text("");
        refused += failed(p9_call());
    }
    check("9pfs.cve-2026-8348.fids-of-attributes-end", refused > 0, 1);
    comes_back(&p9, "fids");
}

/* Tflush of nothing, of themselves, of each other; more than may wait. */
static void flushes(void)
{
    unsigned int answered = 0;

    for (unsigned int i = 0; i < FLUSHES; i++) {
        p9_begin(P9_TFLUSH, (uint16_t)i);
        p9_u16((uint16_t)(i ^ 1));
        p9_send();
        if (i % 50 == 49)
            while (answered <= i && p9_take(patience) == P9_TFLUSH + 1)
                answered++;
    }
    check("9pfs.flushes-in-circles", answered, FLUSHES);
    p9_begin(P9_TFLUSH, 5);
    p9_u16(5);
    answers("flush-of-itself", P9_TFLUSH + 1);
    check("9pfs.flushes.serves-again", p9.serves(), 0);
}

static void broken_ring(const char *name)
{
    if (skipped(name_of("9pfs", name, 0)))
        return;
    evtchn_send(p9.port);
    sleep_for(SILENCE);
    stays_silent(&p9, name, p9_has_answer());
}

static void send_size(uint32_t size, const char *name)
{
    p9_getattr(1);
    p9_put_size(size);
    p9_write_out(p9_ask.bytes, p9_ask.length);
    broken_ring(name);
}

static void indices(void)
{
    unsigned int bad = 0;

    send_size(0, "message-of-no-bytes");
    send_size(6, "message-shorter-than-its-header");
    send_size(P9_RING + 1, "message-larger-than-its-ring");
    send_size(~0u, "message-of-4-gib");
    p9_page->out_prod += 0x10000;
    broken_ring("xsa-39.requests-far-ahead");
    p9_page->out_prod += P9_RING + 1;
    broken_ring("xsa-39.requests-one-too-far");
    p9_page->out_prod--;
    broken_ring("xsa-39.requests-backwards");
    p9_page->in_cons++;
    p9_getattr(1);
    p9_write_out(p9_ask.bytes, p9_ask.length);
    evtchn_send(p9.port);
    sleep_for(SILENCE);
    comes_back(&p9, "xsa-39.answers-read-before-they-came");
    p9_start = 0xfffff000u;
    comes_back(&p9, "indices-that-wrap");
    for (unsigned int i = 0; i < 80; i++)
        bad += p9.serves() != 0;
    check("9pfs.indices-that-wrap", bad, 0);
    p9_start = 0;
    comes_back(&p9, "indices-from-0");
}

/* Half of a message, and nothing more; then an end. */
static void half_a_message(void)
{
    p9_getattr(1);
    p9_put_size(p9_ask.length);
    p9_write_out(p9_ask.bytes, p9_ask.length / 2);
    broken_ring("half-a-message");
}

/* Interface pages that lie. */
static void interface_page(void)
{
    static const uint32_t orders[] = {0, 10, 31, 32, ~0u};
    static grant_ref_t foreign, read_only;
    grant_ref_t bad[] = {NO_REF, 2000, 0, 0};

    if (!foreign) {
        foreign = grant_page(guarded_page(), 5, 0);
        read_only = grant_page(guarded_page(), 0, GTF_readonly);
    }
    bad[2] = foreign;
    bad[3] = read_only;
    restart(&p9.device);
    for (unsigned int i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        p9_override(P9_ORDER_WORD, orders[i]);
        is_refused(&p9, "order-that-there-is-not");
    }
    for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        p9_override(P9_REF_WORD + 2, bad[i]);
        is_refused(&p9, "xsa-361.page-of-the-ring-not-granted");
    }
    p9_override(P9_OUT_PROD_WORD, P9_RING + 1);
    is_refused(&p9, "xsa-39.ring-impossible-from-the-start");
    p9_override(0, 0);
    comes_back(&p9, "interface-page");
}

/* A page of the rings is the interface page, or another one of them. */
static void pages_twice(void)
{
    const grant_ref_t twice[] = {p9_page_ref, p9_refs[0], p9_refs[3]};

    for (unsigned int i = 0; i < sizeof(twice) / sizeof(twice[0]); i++) {
        restart(&p9.device);
        p9_override(P9_REF_WORD + 2, twice[i]);
        p9_begin_ring();
        p9_connect_as_it_is();
        for (unsigned int turn = 0; turn < 20; turn++) {
            p9_getattr(1);
            p9_send();
        }
        sleep_for(SILENCE / 3);
        p9_override(0, 0);
        comes_back(&p9, "pages-twice");
    }
}

/* Two rings in the same pages. */
static void one_ring_as_two(void)
{
    const struct device *device = &p9.device;
    evtchn_port_t other = open_port(0);

    restart(device);
    override_node("num-rings", "2");
    set_number(device, "ring-ref1", p9_page_ref);
    set_number(device, "event-channel-1", other);
    p9_begin_ring();
    p9_connect_as_it_is();
    for (unsigned int turn = 0; turn < 20; turn++) {
        p9_getattr((uint16_t)turn);
        p9_send();
        evtchn_send(other);
    }
    sleep_for(SILENCE / 3);
    override_node(0, 0);
    comes_back(&p9, "one-ring-as-two");
    close_port(other);
}

/* The bytes of a message, and the answer's place, until it is taken. */
static void message_rewritten(void)
{
    for (unsigned int i = 0; i < FLIPS; i++) {
        uint32_t at = p9_page->out_prod;

        p9_begin(P9_TREADDIR, 1);
        p9_u32(P9_ROOT);
        p9_u64(0);
        p9_u32(1000);
        p9_send();
        for (unsigned int turn = 0; turn < 200; turn++) {
            p9_out[(at + 4 + random_below(19)) & (P9_RING - 1)] = (uint8_t)random_below(256);
            p9_out[(at + 4) & (P9_RING - 1)] = (uint8_t)(turn % 2 ? P9_TFLUSH : P9_TWRITE);
            if (i % 4 == 3)
                p9_out[(at + random_below(2)) & (P9_RING - 1)] = (uint8_t)random_below(256);
        }
        p9_page->in_cons = p9_page->in_prod;
    }
    comes_back(&p9, "xsa-155.message-rewritten");
}

/* Asks until the ring of answers is full; they are all there. */
static void answers_not_read(void)
{
    unsigned int sent = 0, read = 0;

    p9_getattr(1);
    p9_put_size(p9_ask.length);
    for (; P9_RING - (p9_page->out_prod - p9_page->out_cons) >= p9_ask.length && sent < 1000; sent++) {
        p9_write_out(p9_ask.bytes, p9_ask.length);
        evtchn_send(p9.port);
    }
    sleep_for(SILENCE);
    while (read < sent && p9_take(patience) == P9_TGETATTR + 1)
        read++;
    check("9pfs.answers-not-read", read, sent);
    check("9pfs.answers-not-read.serves-again", p9.serves(), 0);
}

/* Makes files until it is no more worth it; they are as many as it says. */
static void files(void)
{
    unsigned int failures = 0;

    for (unsigned int i = 0; i < 10; i++) {
        p9_begin(P9_TWALK, 1);
        p9_u32(P9_ROOT);
        p9_u32(FID);
        p9_u16(0);
        failures += p9_call() != P9_TWALK + 1;
        p9_begin(P9_TLCREATE, 1);
        p9_u32(FID);
        p9_text("made");
        p9_u32(01102);
        p9_u32(0600);
        p9_u32(0);
        failures += p9_call() != P9_TLCREATE + 1;
        p9_begin(P9_TWRITE, 1);
        p9_u32(FID);
        p9_u64(0);
        p9_u32(8);
        p9_u64(~0ull);
        failures += p9_call() != P9_TWRITE + 1;
        p9_begin(P9_TREMOVE, 1);
        p9_u32(FID);
        failures += p9_call() != P9_TREMOVE + 1;
    }
    check("9pfs.files-made-and-removed", failures, 0);
}

const struct attack p9_attacks[] = {
    {"names", names},
    {"messages", short_messages},
    {"fids", fids},
    {"flushes", flushes},
    {"files", files},
    {"xsa-39.indices", indices},
    {"half-a-message", half_a_message},
    {"interface-page", interface_page},
    {"pages-twice", pages_twice},
    {"one-ring-as-two", one_ring_as_two},
    {"xsa-155.message-rewritten", message_rewritten},
    {"answers-not-read", answers_not_read},
};
const unsigned int p9_attack_count = sizeof(p9_attacks) / sizeof(p9_attacks[0]);
