/* Roles about granted pages. */
#include "hostile.h"

#include "../runtime/grants.h"
#include "../runtime/memory.h"
#include "../runtime/print.h"

#define REF 16
#define MAX_GRANT_FRAMES 64
/* Above all RAM: what is mapped at each step is in a KVM slot of its own. */
#define FAR 0x100000000ull
#define STEP 0x200000ull
#define MAX_PLACES 20000
#define KEPT_GPA 0x60000000ull

static volatile grant_entry_v1_t *entries;

static void grant_page_to(domid_t domid, unsigned long frame)
{
    entries[REF].frame = (uint32_t)frame;
    entries[REF].domid = domid;
    __atomic_store_n(&entries[REF].flags, GTF_permit_access, __ATOMIC_SEQ_CST);
}

static void grant_a_page_to(domid_t domid)
{
    entries = alloc_page();
    if (map_grant_frame(0, (unsigned long)entries / PAGE) != 0)
        print("FAIL no grants\n");
    grant_page_to(domid, (unsigned long)alloc_page() / PAGE);
}

/* alloc_page() zeroes what it gives, and is asked for so much and no more. */
static void touch_ram(uint32_t mebibytes)
{
    for (uint32_t i = 0; i < mebibytes << 8; i++)
        *(volatile uint32_t *)alloc_page() = i + 1;
}

void grant_one(void)
{
    touch_ram(option("touch"));
    report("touched", 1);
    grant_a_page_to((domid_t)await_order("for"));
    report("ready", 1);
    await_order("reboot");
    guest_shutdown(SHUTDOWN_reboot);
}

void keeper(void)
{
    struct mapping mapping;

    report("ready", 1);
    for (unsigned int kept = 0;; kept++) {
        long result = map_grant((domid_t)await_order("map"), REF, KEPT_GPA + kept * PAGE, GNTMAP_host_map, &mapping);

        report("kept", result);
    }
}

void windows(void)
{
    struct mapping mapping;
    int64_t places = 0;
    long result = 0;

    grant_a_page_to(own_domid());
    for (unsigned long i = 1; i < MAX_GRANT_FRAMES; i++)
        map_grant_frame(i, (KEPT_GPA + i * STEP) / PAGE);
    while (places < MAX_PLACES && result == 0) {
        result = map_grant(own_domid(), REF, FAR + (uint64_t)places * STEP, GNTMAP_host_map | GNTMAP_readonly, &mapping);
        places += result == 0;
    }
    report("refused", result);
    report("places", places);
}
