/*
 * A guest that does with grants what it is told: one command in a line, numbers as decimal or 0x hexadecimal, and one line
 * as the answer, "=" and numbers. It says "ready" first, and sleeps until VIRQ_DEBUG says that there is a line.
 *
 *  own                          -> this domain's id
 *  page N                       -> the address of page N of 256
 *  fill N VALUE                 fills page N with words
 *  unlike N VALUE               -> how many words of page N are something else
 *  grant REF DOMID ADDRESS FLAGS  grants the page at that address with flags beside GTF_permit_access
 *  publish DOMID REF COUNT N STEP  grants by COUNT references pages N, N + STEP and so on, filled with what is not secret
 *  in-use REF COUNT             -> how many of so many references have flags in use
 *  changed N COUNT              -> how many of so many pages are no longer the secrets that pages are at first
 *  revoke REF                   -> 1 if it could be taken back, 0 if it is in use
 *  flags REF                    -> the entry's flags
 *  map DOMID REF ADDRESS FLAGS  -> result or status, handle
 *  unmap HANDLE ADDRESS         -> result or status
 *  fillup DOMID REF REFS ADDRESS  maps until refused, each of so many references again and again -> status, how many
 *  read ADDRESS                 -> a word
 *  write ADDRESS VALUE          -> 0, or the vector of an exception
 *  copy DOMID REF N             copies a whole granted page to page N -> result or status
 *  recycle ...                  see recycle.c
 *  attack ...                   see attack.c
 *  version N                    -> result of set_version; after 2, only:
 *  transitive REF DOMID BEHIND REF-BEHIND  lets DOMID use what domain BEHIND grants this one
 *  status REF                   -> the status word, of which the frame is put where page 255 was
 *  triple-fault, off            end the domain
 */
#include "share.h"

#include "../runtime/cpu.h"
#include "../runtime/memory.h"
#include "../runtime/print.h"

#define CALLBACK_VECTOR 0x30
#define MAX_ARGUMENTS 6
#define MAX_LINE 120
#define BATCH 32

static volatile struct shared_info *shared_info;
volatile grant_entry_v1_t *entries;
volatile uint32_t *pages[PAGES];
static int answered;

/* After the command's work, as the host forgets what was printed before it told something. */
static void begin_answer(void)
{
    if (!answered)
        print("=");
    answered = 1;
}

void answer(uint64_t value)
{
    begin_answer();
    print(" ");
    print_unsigned(value);
}

void answer_signed(int64_t value)
{
    begin_answer();
    print(" ");
    print_signed(value);
}

void fill_page(unsigned int number, uint32_t value)
{
    for (unsigned int i = 0; i < PAGE / 4; i++)
        pages[number][i] = value;
}

unsigned int words_unlike(unsigned int number, uint32_t value)
{
    unsigned int unlike = 0;

    for (unsigned int i = 0; i < PAGE / 4; i++)
        unlike += pages[number][i] != value;
    return unlike;
}

void grant_to(grant_ref_t ref, domid_t domid, unsigned long frame, uint16_t flags)
{
    entries[ref].frame = (uint32_t)frame;
    entries[ref].domid = domid;
    __atomic_store_n(&entries[ref].flags, GTF_permit_access | flags, __ATOMIC_SEQ_CST);
}

int try_revoke(grant_ref_t ref)
{
    uint16_t flags = entries[ref].flags & (uint16_t)~(GTF_reading | GTF_writing);

    return __atomic_compare_exchange_n(&entries[ref].flags, &flags, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static void own(const uint64_t *a)
{
    (void)a;
    answer(own_domid());
}

static void page(const uint64_t *a)
{
    answer((unsigned long)pages[a[0] % PAGES]);
}

static void fill(const uint64_t *a)
{
    fill_page(a[0] % PAGES, (uint32_t)a[1]);
}

static void unlike(const uint64_t *a)
{
    answer(words_unlike(a[0] % PAGES, (uint32_t)a[1]));
}

static void grant(const uint64_t *a)
{
    grant_to((grant_ref_t)a[0], (domid_t)a[1], a[2] / PAGE, (uint16_t)a[3]);
}

static void publish(const uint64_t *a)
{
    for (unsigned int i = 0; i < a[2]; i++) {
        unsigned int number = (unsigned int)(a[3] + i * a[4]) % PAGES;

        fill_page(number, PUBLIC | number);
        grant_to((grant_ref_t)a[1] + i, (domid_t)a[0], (unsigned long)pages[number] / PAGE, 0);
    }
}

static void in_use(const uint64_t *a)
{
    uint64_t count = 0;

    for (unsigned int i = 0; i < a[1]; i++)
        count += (entries[a[0] + i].flags & (GTF_reading | GTF_writing)) != 0;
    answer(count);
}

static void changed(const uint64_t *a)
{
    uint64_t count = 0;

    for (unsigned int i = 0; i < a[1]; i++)
        count += words_unlike((unsigned int)(a[0] + i) % PAGES, SECRET | (uint32_t)(a[0] + i)) != 0;
    answer(count);
}

static void revoke(const uint64_t *a)
{
    answer((uint64_t)try_revoke((grant_ref_t)a[0]));
}

static void flags(const uint64_t *a)
{
    answer(entries[a[0]].flags);
}

static void map(const uint64_t *a)
{
    struct mapping mapping;

    answer_signed(map_grant((domid_t)a[0], (grant_ref_t)a[1], a[2], (uint32_t)a[3], &mapping));
    answer(mapping.handle);
}

static void unmap(const uint64_t *a)
{
    answer_signed(unmap_handle((grant_handle_t)a[0], a[1], 0));
}

static void fillup(const uint64_t *a)
{
    static struct gnttab_map_grant_ref batch[BATCH];
    uint64_t mapped = 0;
    int64_t status = 0;

    while (!status) {
        for (unsigned int i = 0; i < BATCH; i++)
            batch[i] = map_request((domid_t)a[0], (grant_ref_t)(a[1] + (mapped + i) % a[2]), a[3] + (mapped + i) * PAGE,
                                   GNTMAP_host_map | GNTMAP_readonly);
        status = grant_op(GNTTABOP_map_grant_ref, batch, BATCH);
        for (unsigned int i = 0; i < BATCH && !status; i++) {
            status = batch[i].status;
            mapped += !status;
        }
    }
    answer_signed(status);
    answer(mapped);
}

static void read(const uint64_t *a)
{
    answer(*(volatile uint32_t *)a[0]);
}

static void write(const uint64_t *a)
{
    answer(try_store((volatile uint32_t *)a[0], (uint32_t)a[1]));
}

static void copy(const uint64_t *a)
{
    struct gnttab_copy op = {.flags = GNTCOPY_source_gref, .len = PAGE, .status = 99};
    long result;

    op.source.domid = (domid_t)a[0];
    op.source.u.ref = (grant_ref_t)a[1];
    op.dest.domid = DOMID_SELF;
    op.dest.u.gmfn = (unsigned long)pages[a[2] % PAGES] / PAGE;
    result = grant_op(GNTTABOP_copy, &op, 1);
    answer_signed(result ? result : op.status);
}

static void version(const uint64_t *a)
{
    struct gnttab_set_version set = {.version = (uint32_t)a[0]};

    answer_signed(grant_op(GNTTABOP_set_version, &set, 1));
    map_grant_frame(XENMAPIDX_grant_table_status, (unsigned long)pages[PAGES - 1] / PAGE);
}

static void transitive(const uint64_t *a)
{
    volatile grant_entry_v2_t *entry = (volatile grant_entry_v2_t *)entries + a[0];

    entry->transitive.trans_domid = (domid_t)a[2];
    entry->transitive.gref = (grant_ref_t)a[3];
    entry->hdr.domid = (domid_t)a[1];
    __atomic_store_n(&entry->hdr.flags, GTF_transitive, __ATOMIC_SEQ_CST);
}

static void status(const uint64_t *a)
{
    answer(((volatile grant_status_t *)pages[PAGES - 1])[a[0]]);
}

/* An exception without an IDT. */
static void triple_fault(const uint64_t *a)
{
    struct {
        uint16_t limit;
        unsigned long base;
    } __attribute__((packed)) none = {0, 0};

    (void)a;
    asm volatile("lidt %0; int3" : : "m"(none));
}

static void off(const uint64_t *a)
{
    (void)a;
    guest_shutdown(SHUTDOWN_poweroff);
}

static const struct {
    const char *name;
    void (*run)(const uint64_t *arguments);
} commands[] = {
    {"own", own},     {"page", page},   {"fill", fill},       {"unlike", unlike}, {"grant", grant},
    {"revoke", revoke}, {"flags", flags}, {"map", map},         {"unmap", unmap},   {"fillup", fillup},
    {"read", read},   {"write", write}, {"copy", copy},       {"recycle", recycle}, {"attack", attack},
    {"publish", publish}, {"in-use", in_use}, {"changed", changed},
    {"version", version}, {"transitive", transitive}, {"status", status},
    {"triple-fault", triple_fault},     {"off", off},
};

/* All events mean the same. */
static void upcall(void)
{
    shared_info->vcpu_info[0].evtchn_upcall_pending = 0;
    __atomic_exchange_n(&shared_info->vcpu_info[0].evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
    for (unsigned int i = 0; i < sizeof(shared_info->evtchn_pending) / sizeof(xen_ulong_t); i++)
        __atomic_exchange_n(&shared_info->evtchn_pending[i], 0, __ATOMIC_SEQ_CST);
}

static int take_events(void)
{
    struct evtchn_bind_virq virq = {.virq = VIRQ_DEBUG};
    struct xen_hvm_param callback = {.domid = DOMID_SELF,
                                     .index = HVM_PARAM_CALLBACK_IRQ,
                                     .value = (uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | CALLBACK_VECTOR};

    apic_init();
    shared_info = alloc_page();
    handle_vector(CALLBACK_VECTOR, upcall);
    return map_shared_info((unsigned long)shared_info / PAGE) == 0 && hvm_op(HVMOP_set_param, &callback) == 0
        && event_channel_op(EVTCHNOP_bind_virq, &virq) == 0;
}

static char next_byte(void)
{
    while (!has_input())
        halt_until_interrupt();
    return read_input();
}

static void read_line(char *line)
{
    unsigned int length = 0;
    char c;

    while ((c = next_byte()) != '\n')
        if (length < MAX_LINE)
            line[length++] = c;
    line[length] = 0;
}

static uint64_t number(const char **text)
{
    unsigned int base = 10;
    uint64_t value = 0;

    if ((*text)[0] == '0' && (*text)[1] == 'x') {
        base = 16;
        *text += 2;
    }
    for (; **text && **text != ' '; (*text)++)
        value = value * base + (uint64_t)(**text <= '9' ? **text - '0' : **text - 'a' + 10);
    return value;
}

static void run_line(const char *line)
{
    uint64_t arguments[MAX_ARGUMENTS] = {0};
    unsigned int count = 0;
    size_t length = 0;

    while (line[length] && line[length] != ' ')
        length++;
    for (const char *at = line + length; *at && count < MAX_ARGUMENTS;)
        if (*at == ' ')
            at++;
        else
            arguments[count++] = number(&at);
    for (unsigned int i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strlen(commands[i].name) == length && memcmp(commands[i].name, line, length) == 0) {
            answered = 0;
            commands[i].run(arguments);
            begin_answer();
            print("\n");
            return;
        }
    print("unknown command\n");
}

void guest_main(void)
{
    static char line[MAX_LINE + 1];

    entries = alloc_page();
    if (!take_events() || map_grant_frame(0, (unsigned long)entries / PAGE) != 0) {
        print("neither events nor grants\n");
        return;
    }
    for (unsigned int i = 0; i < PAGES; i++) {
        pages[i] = alloc_page();
        fill_page(i, SECRET | i);
    }
    print("ready\n");
    for (;;) {
        read_line(line);
        run_line(line);
    }
}
