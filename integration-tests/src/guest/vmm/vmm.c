/*
 * A small VMM whose guest is served by xen-emu: an example for authors of VMMs, and the machine of tests. It boots a PVH
 * image, writes its serial port to stdout, and serves nothing else.
 *
 *     vmm SOCKET SETTINGS MEMORY-MiB VCPUS GUEST.elf [COMMAND LINE]
 *
 * SETTINGS is a list such as name=web,max_event_channels=4095.
 *
 * It ends with 0 when the guest has powered off, 3 for a reboot and 4 for a crash.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xen/elfnote.h>
#include <xen/arch-x86/hvm/start_info.h>

#include "xen_attach.h"

#define START_INFO_GPA 0x1000
#define MEMORY_MAP_GPA 0x1800
#define COMMAND_LINE_GPA 0x2000
#define COMMAND_LINE_BYTES 2048
#define SPECIAL_GPA 0xfeff8000ul
#define SPECIAL_BYTES 0x8000
#define MAX_VCPUS 128
#define MAX_CPUID_ENTRIES 256
#define COM1 0x3f8
#define LINE_STATUS (COM1 + 5)
#define LINE_STATUS_EMPTY 0x60
#define EXIT_REBOOT 3
#define EXIT_CRASH 4

static char *ram;
static uint64_t ram_bytes;
static struct xen_attach *attach;
static int vcpus[MAX_VCPUS];
static struct kvm_run *runs[MAX_VCPUS];

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

/* A result of the library. */
static void require(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "vmm: %s: %s\n", what, strerror(-result));
        exit(1);
    }
}

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

static void place(const char *file, uint32_t type, uint64_t offset, uint64_t at, uint64_t bytes, uint32_t *entry)
{
    if (type == PT_LOAD && at + bytes <= ram_bytes)
        memcpy(ram + at, file + offset, bytes);
    if (type == PT_NOTE && !*entry)
        *entry = entry_note(file + offset, bytes);
}

static uint32_t load(const char *path)
{
    int fd = check(open(path, O_RDONLY), path);
    off_t size = lseek(fd, 0, SEEK_END);
    char *file = mmap(0, size, PROT_READ, MAP_PRIVATE, fd, 0);
    const Elf64_Ehdr *elf = (void *)file;
    const Elf32_Ehdr *elf32 = (void *)file;
    uint32_t entry = 0;

    if (file == MAP_FAILED)
        die(path);
    if (elf->e_ident[EI_CLASS] == ELFCLASS64) {
        const Elf64_Phdr *segments = (void *)(file + elf->e_phoff);

        for (int i = 0; i < elf->e_phnum; i++)
            place(file, segments[i].p_type, segments[i].p_offset, segments[i].p_paddr, segments[i].p_filesz, &entry);
    } else {
        const Elf32_Phdr *segments = (void *)(file + elf32->e_phoff);

        for (int i = 0; i < elf32->e_phnum; i++)
            place(file, segments[i].p_type, segments[i].p_offset, segments[i].p_paddr, segments[i].p_filesz, &entry);
    }
    if (!entry) {
        fprintf(stderr, "vmm: %s: no PVH entry\n", path);
        exit(1);
    }
    return entry;
}

static void describe(const char *command_line)
{
    struct hvm_start_info *info = (void *)(ram + START_INFO_GPA);
    struct hvm_memmap_table_entry *map = (void *)(ram + MEMORY_MAP_GPA);

    strncpy(ram + COMMAND_LINE_GPA, command_line, COMMAND_LINE_BYTES - 1);
    map[0] = (struct hvm_memmap_table_entry){.size = ram_bytes, .type = XEN_HVM_MEMMAP_TYPE_RAM};
    map[1] = (struct hvm_memmap_table_entry){
        .addr = SPECIAL_GPA, .size = SPECIAL_BYTES, .type = XEN_HVM_MEMMAP_TYPE_RESERVED};
    *info = (struct hvm_start_info){
        .magic = XEN_HVM_START_MAGIC_VALUE,
        .version = 1,
        .cmdline_paddr = COMMAND_LINE_GPA,
        .memmap_paddr = MEMORY_MAP_GPA,
        .memmap_entries = 2,
    };
}

static int make_memory(int vm)
{
    struct kvm_userspace_memory_region region = {.memory_size = ram_bytes};
    struct xen_attach_ram range = {.bytes = ram_bytes};
    int fd = check(memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create");

    check(ftruncate(fd, ram_bytes + XEN_ATTACH_SPARE_BYTES), "ftruncate");
    check(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), "F_ADD_SEALS");
    ram = mmap(0, ram_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ram == MAP_FAILED)
        die("mmap");
    region.userspace_addr = (uintptr_t)ram;
    check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
    range.address = (uintptr_t)ram;
    require(xen_attach_memory(attach, fd, &range, 1), "memory");
    return fd;
}

static void make_vcpu(int kvm, int vm, int number)
{
    struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + MAX_CPUID_ENTRIES * sizeof(cpuid->entries[0]));
    int size = check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");

    vcpus[number] = check(ioctl(vm, KVM_CREATE_VCPU, number), "KVM_CREATE_VCPU");
    runs[number] = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpus[number], 0);
    cpuid->nent = MAX_CPUID_ENTRIES;
    check(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
    for (uint32_t i = 0; i < cpuid->nent; i++)
        if (cpuid->entries[i].function == 1)
            cpuid->entries[i].ebx = (cpuid->entries[i].ebx & 0x00ffffff) | (uint32_t)number << 24;
    check(ioctl(vcpus[number], KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
    free(cpuid);
    require(xen_attach_vcpu(attach, vcpus[number], number, runs[number], size), "vCPU");
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

    if (run->io.direction == KVM_EXIT_IO_OUT && run->io.port == COM1) {
        fwrite(data, run->io.size, run->io.count, stdout);
        fflush(stdout);
    } else if (run->io.direction == KVM_EXIT_IO_IN) {
        memset(data, run->io.port == LINE_STATUS ? LINE_STATUS_EMPTY : 0xff, run->io.size * run->io.count);
    }
}

static int outcome(const struct kvm_run *run)
{
    switch (run->system_event.type) {
    case KVM_SYSTEM_EVENT_RESET:
        return EXIT_REBOOT;
    case KVM_SYSTEM_EVENT_CRASH:
        return EXIT_CRASH;
    default:
        return 0;
    }
}

static void *run_vcpu(void *of)
{
    int number = (int)(intptr_t)of;
    struct kvm_run *run = runs[number];

    for (;;) {
        int result = xen_attach_run(attach, vcpus[number]);

        if (result == -EINTR || result == -EAGAIN)
            continue;
        require(result, "KVM_RUN");
        switch (run->exit_reason) {
        case KVM_EXIT_IO:
            serial(run);
            break;
        case KVM_EXIT_MMIO:
            memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
            break;
        case KVM_EXIT_SYSTEM_EVENT:
            exit(outcome(run));
        default:
            fprintf(stderr, "vmm: exit reason %u of vCPU %d\n", run->exit_reason, number);
            exit(1);
        }
    }
    return NULL;
}

static void on_signal(int number)
{
    (void)number;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct xen_attach_options options = {.signal = SIGUSR1};
    char settings[256], message[512];
    int kvm, vm, count;
    uint32_t entry;

    if (argc < 6 || argc > 7) {
        fprintf(stderr, "usage: vmm SOCKET SETTINGS MEMORY-MiB VCPUS GUEST.elf [COMMAND LINE]\n");
        return 2;
    }
    ram_bytes = strtoull(argv[3], NULL, 10) << 20;
    count = atoi(argv[4]);
    if (count < 1 || count > MAX_VCPUS) {
        fprintf(stderr, "vmm: %s vCPUs\n", argv[4]);
        return 2;
    }
    sigaction(SIGUSR1, &action, NULL);
    kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    snprintf(settings, sizeof(settings), "%s", argv[2]);
    for (char *comma = settings; (comma = strchr(comma, ','));)
        *comma = '\n';
    options.socket = argv[1];
    options.settings = settings;
    if (xen_attach_open(&options, vm, &attach, message, sizeof(message)) < 0) {
        fprintf(stderr, "vmm: %s: %s\n", argv[1], message[0] ? message : "no service there");
        return 1;
    }
    make_memory(vm);
    entry = load(argv[5]);
    describe(argc == 7 ? argv[6] : "");
    check(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000ul), "KVM_SET_TSS_ADDR");
    check(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
    for (int i = 0; i < count; i++)
        make_vcpu(kvm, vm, i);
    set_registers(vcpus[0], entry);
    for (int i = 1; i < count; i++) {
        pthread_t thread;

        pthread_create(&thread, NULL, run_vcpu, (void *)(intptr_t)i);
    }
    run_vcpu(0);
    return 0;
}
