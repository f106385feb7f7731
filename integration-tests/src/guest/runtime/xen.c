#include "xen.h"

#include "cpu.h"
#include "memory.h"
#include "print.h"

extern char hypercall_vmcall[], hypercall_vmmcall[];

static char command_line[512];

void *hypercall_entry;
uint32_t xen_cpuid_base;

static void __attribute__((noreturn)) halt(void)
{
    for (;;)
        asm volatile("cli; hlt");
}

/* Early: start_info and what it points to lie in memory that the guest uses later. */
static void copy_command_line(void)
{
    const struct hvm_start_info *info = (void *)(unsigned long)start_info_gpa;
    const char *from = (const char *)(unsigned long)info->cmdline_paddr;

    for (size_t i = 0; from && from[i] && i < sizeof(command_line) - 1; i++)
        command_line[i] = from[i];
}

/* Called by entry.S. */
void runtime_main(void);

void runtime_main(void)
{
    copy_command_line();
    xen_detect();
    cpu_init();
    if (!xen_cpuid_base) {
        print("FAIL no Xen\n");
        halt();
    }
    guest_main();
    guest_shutdown(SHUTDOWN_poweroff);
}

static int is_signature(const uint32_t out[4], const char *text)
{
    return memcmp(&out[1], text, 12) == 0;
}

void xen_detect(void)
{
    uint32_t out[4];
    uint32_t vendor[4];

    cpuid(0, 0, out);
    vendor[1] = out[1];
    vendor[2] = out[3];
    vendor[3] = out[2];
    hypercall_entry = hypercall_vmcall;
    if (is_signature(vendor, "AuthenticAMD") || is_signature(vendor, "HygonGenuine"))
        hypercall_entry = hypercall_vmmcall;

    for (uint32_t base = 0x40000000; base < 0x40010000; base += 0x100) {
        cpuid(base, 0, out);
        if (is_signature(out, "XenVMMXenVMM") && out[0] >= base + 2) {
            xen_cpuid_base = base;
            return;
        }
    }
}

uint64_t hvm_param(uint32_t index)
{
    struct xen_hvm_param param = {.domid = DOMID_SELF, .index = index};

    return hvm_op(HVMOP_get_param, &param) == 0 ? param.value : ~0ull;
}

long evtchn_send(evtchn_port_t port)
{
    struct evtchn_send send = {.port = port};

    return event_channel_op(EVTCHNOP_send, &send);
}

long map_shared_info(unsigned long gfn)
{
    struct xen_add_to_physmap add = {.domid = DOMID_SELF, .space = XENMAPSPACE_shared_info, .gpfn = gfn};

    return memory_op(XENMEM_add_to_physmap, &add);
}

void guest_shutdown(unsigned int reason)
{
    struct sched_shutdown shutdown = {.reason = reason};

    sched_op(SCHEDOP_shutdown, &shutdown);
    halt();
}

int command_line_word(const char *word, uint32_t *value)
{
    size_t length = strlen(word);

    for (const char *at = command_line; *at; at++) {
        if (memcmp(at, word, length) != 0)
            continue;
        at += length;
        if (value && *at == '=')
            for (*value = 0, at++; *at >= '0' && *at <= '9'; at++)
                *value = *value * 10 + (uint32_t)(*at - '0');
        return 1;
    }
    return 0;
}

/* (delta * mul) >> 32 of a 64-bit delta, in 32-bit pieces that a 32-bit guest can multiply. */
static uint64_t scale(uint64_t delta, uint32_t mul)
{
    return (delta >> 32) * mul + (((delta & 0xffffffff) * mul) >> 32);
}

uint64_t pvclock_nanoseconds(const volatile struct vcpu_time_info *time)
{
    uint32_t version;
    uint64_t result;

    do {
        uint64_t delta;

        version = time->version & ~1u;
        asm volatile("" : : : "memory");
        delta = rdtsc() - time->tsc_timestamp;
        delta = time->tsc_shift < 0 ? delta >> -time->tsc_shift : delta << time->tsc_shift;
        result = time->system_time + scale(delta, time->tsc_to_system_mul);
        asm volatile("" : : : "memory");
    } while (time->version != version);
    return result;
}
