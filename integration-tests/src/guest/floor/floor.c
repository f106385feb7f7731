/*
 * The floor: the least that a VMM can do for a hypercall. Boots one PVH guest on KVM's Xen interface,
 * writes its serial port to stdout, and returns 0 from every hypercall at once.
 *
 *     floor GUEST.elf [COMMAND LINE]
 */
#include <elf.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xen/elfnote.h>
#include <xen/arch-x86/hvm/start_info.h>

#define RAM_SIZE (64ul << 20)
#define START_INFO_GPA 0x1000
#define COMMAND_LINE_GPA 0x2000
#define XEN_LEAF 0x40000000
#define MAX_CPUID_ENTRIES 256
#define COM1 0x3f8
#define LINE_STATUS (COM1 + 5)
#define LINE_STATUS_EMPTY 0x60
#define HYPERCALL_SCHED_OP 29
#define SCHEDOP_SHUTDOWN 2

static char *ram;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int check(int result, const char *what)
{
    if (result < 0)
        die(what);
    return result;
}

/* The entry from a PT_NOTE segment: the first note of type XEN_ELFNOTE_PHYS32_ENTRY. */
static uint32_t entry_note(const char *notes, size_t size)
{
    for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= size;) {
        const Elf64_Nhdr *note = (const void *)(notes + at);
        size_t descriptor = at + sizeof(*note) + ((note->n_namesz + 3) & ~3ul);

        if (note->n_type == XEN_ELFNOTE_PHYS32_ENTRY)
            return *(const uint32_t *)(notes + descriptor);
        at = descriptor + ((note->n_descsz + 3) & ~3ul);
    }
    return 0;
}

static uint32_t load(const char *path)
{
    int fd = check(open(path, O_RDONLY), path);
    off_t size = lseek(fd, 0, SEEK_END);
    char *file = mmap(0, size, PROT_READ, MAP_PRIVATE, fd, 0);
    const Elf64_Ehdr *elf = (void *)file;
    uint32_t entry = 0;

    if (file == MAP_FAILED)
        die(path);
    for (int i = 0; i < elf->e_phnum; i++) {
        const Elf64_Phdr *segment = (void *)(file + elf->e_phoff + i * elf->e_phentsize);

        if (segment->p_type == PT_LOAD)
            memcpy(ram + segment->p_paddr, file + segment->p_offset, segment->p_filesz);
        if (segment->p_type == PT_NOTE && !entry)
            entry = entry_note(file + segment->p_offset, segment->p_filesz);
    }
    if (!entry) {
        fprintf(stderr, "%s: no PVH entry\n", path);
        exit(1);
    }
    return entry;
}

static void set_cpuid(int kvm, int vcpu)
{
    struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + MAX_CPUID_ENTRIES * sizeof(cpuid->entries[0]));
    struct kvm_cpuid_entry2 *leaf;
    uint32_t kept = 0;

    cpuid->nent = MAX_CPUID_ENTRIES - 5;
    check(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
    for (uint32_t i = 0; i < cpuid->nent; i++)
        if (cpuid->entries[i].function >> 8 != XEN_LEAF >> 8)
            cpuid->entries[kept++] = cpuid->entries[i];
    leaf = &cpuid->entries[kept];
    leaf[0] = (struct kvm_cpuid_entry2){
        .function = XEN_LEAF, .eax = XEN_LEAF + 4, .ebx = 0x566e6558, .ecx = 0x65584d4d, .edx = 0x4d4d566e};
    leaf[1] = (struct kvm_cpuid_entry2){.function = XEN_LEAF + 1, .eax = 0x40011};
    leaf[2] = (struct kvm_cpuid_entry2){.function = XEN_LEAF + 2, .eax = 1, .ebx = XEN_LEAF};
    leaf[3] = (struct kvm_cpuid_entry2){.function = XEN_LEAF + 3};
    leaf[4] = (struct kvm_cpuid_entry2){.function = XEN_LEAF + 4, .eax = 8};
    cpuid->nent = kept + 5;
    check(ioctl(vcpu, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
    free(cpuid);
}

/* Xen docs/misc/pvh: 32-bit protected mode, flat segments, no paging, EBX = start_info. */
static void set_registers(int vcpu, uint32_t entry)
{
    struct kvm_regs regs = {.rip = entry, .rbx = START_INFO_GPA, .rflags = 2};
    struct kvm_sregs sregs;
    struct kvm_segment flat = {.limit = 0xffffffff, .selector = 0x10, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1};

    check(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
    sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat;
    flat.selector = 8;
    flat.type = 11;
    sregs.cs = flat;
    sregs.cr0 = 0x11;
    check(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
    check(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void serial(struct kvm_run *run)
{
    char *data = (char *)run + run->io.data_offset;

    if (run->io.direction == KVM_EXIT_IO_OUT && run->io.port == COM1)
        fwrite(data, run->io.size, run->io.count, stdout);
    else if (run->io.direction == KVM_EXIT_IO_IN)
        memset(data, run->io.port == LINE_STATUS ? LINE_STATUS_EMPTY : 0xff, run->io.size * run->io.count);
}

static int run_guest(int vcpu, struct kvm_run *run)
{
    for (;;) {
        check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
        switch (run->exit_reason) {
        case KVM_EXIT_XEN:
            if (run->xen.u.hcall.input == HYPERCALL_SCHED_OP && run->xen.u.hcall.params[0] == SCHEDOP_SHUTDOWN)
                return 0;
            run->xen.u.hcall.result = 0;
            break;
        case KVM_EXIT_IO:
            serial(run);
            break;
        default:
            fprintf(stderr, "floor: exit reason %u\n", run->exit_reason);
            return 1;
        }
    }
}

int main(int argc, char **argv)
{
    int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    int size = check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    struct kvm_xen_hvm_config config = {.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL, .msr = XEN_LEAF};
    struct kvm_userspace_memory_region region = {.memory_size = RAM_SIZE};
    struct hvm_start_info *info;
    struct kvm_run *run;
    uint32_t entry;
    int vcpu;

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: floor GUEST.elf [COMMAND LINE]\n");
        return 2;
    }
    ram = mmap(0, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    region.userspace_addr = (uintptr_t)ram;
    entry = load(argv[1]);
    strncpy(ram + COMMAND_LINE_GPA, argc == 3 ? argv[2] : "", 1000);
    info = (void *)(ram + START_INFO_GPA);
    *info = (struct hvm_start_info){.magic = XEN_HVM_START_MAGIC_VALUE, .cmdline_paddr = COMMAND_LINE_GPA};

    check(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000ul), "KVM_SET_TSS_ADDR");
    check(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
    check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
    if (ioctl(vm, KVM_XEN_HVM_CONFIG, &config) < 0 && !getenv("FLOOR_WITHOUT_XEN"))
        die("KVM_XEN_HVM_CONFIG");
    vcpu = check(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    run = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    set_cpuid(kvm, vcpu);
    set_registers(vcpu, entry);
    return run_guest(vcpu, run);
}
