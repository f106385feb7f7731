/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * For LD_PRELOAD: a VMM that knows nothing of Xen has its guest served by xen-emu. Its KVM ioctls are watched, and those
 * that matter are told to the service.
 *
 *     XEN_EMU_ATTACH    path of the service's attach socket; without it nothing is done
 *     XEN_EMU_SETTINGS  settings of the domain, lines of name=value
 */
#define _GNU_SOURCE
#include "preload_pci.h"
#include "xen_attach.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MAX_VCPUS 128
#define MAX_SLOTS 512
#define HIGH_RAM (1ull << 32)

/*
 * Where processors that need them have their TSS and their identity map. QEMU's own place is among Xen's special pages.
 */
#define TSS_ADDRESS 0xfffbd000ul
#define IDENTITY_MAP_ADDRESS 0xfffbc000ul

#define RESET_SELECTOR 0xf000

static int (*real_ioctl)(int fd, unsigned long request, ...);

static struct {
    pthread_mutex_t lock;
    int kvm, vm;
    struct xen_attach *attach;
    int vcpus[MAX_VCPUS];
    int nr_vcpus;
    struct kvm_userspace_memory_region slots[MAX_SLOTS];
    int memory_told, memory_result;
    volatile int started;
    int signal;
    int memfd; /* the last one that was made */
} vmm = {.lock = PTHREAD_MUTEX_INITIALIZER, .kvm = -1, .vm = -1, .memfd = -1};

static __thread int unblocked;

static void complain(const char *what, int result)
{
    fprintf(stderr, "xen-emu: %s: %s\n", what, strerror(-result));
}

/* As ioctl(2) has it. */
static int returned(int result)
{
    if (result >= 0)
        return result;
    errno = -result;
    return -1;
}

static void on_signal(int number)
{
    (void)number;
}

static void on_unplug(void *context, unsigned mask)
{
    (void)context;
    pci_unplug(mask);
}

static int is_vcpu(int fd)
{
    int n = __atomic_load_n(&vmm.nr_vcpus, __ATOMIC_ACQUIRE);

    for (int i = 0; i < n; i++)
        if (vmm.vcpus[i] == fd)
            return i + 1;
    return 0;
}

static int create_vm(int kvm, int vm)
{
    struct xen_attach_options options = {
        .socket = getenv("XEN_EMU_ATTACH"),
        .settings = getenv("XEN_EMU_SETTINGS"),
        .signal = SIGRTMIN + 4,
        .ioctl = real_ioctl,
        .unplug = on_unplug,
    };
    struct sigaction action = {.sa_handler = on_signal};
    char message[512];
    int result;

    if (!options.socket || vmm.attach)
        return 0;
    sigaction(options.signal, &action, NULL);
    vmm.signal = options.signal;
    vmm.kvm = kvm;
    result = xen_attach_open(&options, vm, &vmm.attach, message, sizeof(message));
    if (result < 0) {
        complain(message[0] ? message : options.socket, result);
        return result;
    }
    vmm.vm = vm;
    return 0;
}

/* A descriptor of this process for the memory at an address, and where that is in it; -1 if it is not shared. */
static int memory_at(uint64_t address, uint64_t bytes, uint64_t *offset)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    int found = -1;

    while (maps && found < 0 && fgets(line, sizeof(line), maps)) {
        unsigned long from, to, at, inode;
        unsigned major_number, minor_number;
        char rights[5];

        if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu", &from, &to, rights, &at, &major_number, &minor_number, &inode) !=
                7 ||
            address < from || address >= to)
            continue;
        if (rights[3] != 's' || address + bytes > to || !inode)
            break;
        for (int fd = 0; fd < 1024 && found < 0; fd++) {
            struct stat status;

            if (!fstat(fd, &status) && status.st_ino == inode && major(status.st_dev) == major_number &&
                minor(status.st_dev) == minor_number)
                found = fd;
        }
        *offset = at + (address - from);
        break;
    }
    if (maps)
        fclose(maps);
    return found;
}

/* The slots that KVM has, of shared memory. */
static int set_memory(int fd, unsigned long request, struct kvm_userspace_memory_region *region)
{
    int result = real_ioctl(fd, request, region);

    if (result < 0)
        return result;
    pthread_mutex_lock(&vmm.lock);
    if (region->slot < MAX_SLOTS)
        vmm.slots[region->slot] = *region;
    pthread_mutex_unlock(&vmm.lock);
    return result;
}

/*
 * Tells where the guest's memory is. A machine of QEMU has one memory, in which what is below 4 GiB comes first; other
 * slots of it repeat parts of that.
 */
static int tell_memory(void)
{
    struct xen_attach_ram ranges[2] = {{.guest_address = 0}, {.guest_address = HIGH_RAM}};
    int fd = -1;

    for (int i = 0; i < MAX_SLOTS; i++) {
        const struct kvm_userspace_memory_region *slot = &vmm.slots[i];
        struct xen_attach_ram *range = &ranges[slot->guest_phys_addr >= HIGH_RAM];
        uint64_t offset = 0;
        int of = slot->memory_size ? memory_at(slot->userspace_addr, slot->memory_size, &offset) : -1;
        uint64_t before = slot->guest_phys_addr - range->guest_address;

        if (of < 0 || before + slot->memory_size <= range->bytes)
            continue;
        if (range->bytes && (slot->userspace_addr - before != range->address || offset - before != range->offset))
            continue;
        fd = of;
        range->bytes = before + slot->memory_size;
        range->address = slot->userspace_addr - before;
        range->offset = offset - before;
    }
    if (fd < 0) {
        fprintf(stderr, "xen-emu: the guest's memory is not shared: QEMU needs -object "
                        "memory-backend-memfd,id=ram,size=...,share=on -machine memory-backend=ram\n");
        return -ENOENT;
    }
    return xen_attach_memory(vmm.attach, fd, ranges, ranges[1].bytes ? 2 : 1);
}

static int create_vcpu(int fd, unsigned long apic_id)
{
    int vcpu = real_ioctl(fd, KVM_CREATE_VCPU, apic_id);
    int bytes = real_ioctl(vmm.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    struct kvm_run *run;
    int result;

    if (vcpu < 0 || bytes < 0)
        return vcpu;
    run = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED) {
        close(vcpu);
        return -1;
    }
    result = xen_attach_vcpu(vmm.attach, vcpu, apic_id, run, bytes);
    pthread_mutex_lock(&vmm.lock);
    if (!result && vmm.nr_vcpus < MAX_VCPUS) {
        vmm.vcpus[vmm.nr_vcpus] = vcpu;
        __atomic_store_n(&vmm.nr_vcpus, vmm.nr_vcpus + 1, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&vmm.lock);
    if (result < 0) {
        complain("a vCPU", result);
        close(vcpu);
        return returned(result);
    }
    return vcpu;
}

/* The state of a vCPU after a reset is set when the machine runs: it was reset. */
static void notice_reset(int fd, const struct kvm_sregs *sregs)
{
    int result;

    if (is_vcpu(fd) != 1 || !vmm.started || sregs->cs.selector != RESET_SELECTOR || sregs->cs.base >> 16 != 0xffff)
        return;
    vmm.started = 0;
    pci_reset();
    result = xen_attach_reset(vmm.attach);
    if (result < 0)
        complain("reset", result);
}

static int run(int fd)
{
    struct kvm_run *shared = xen_attach_kvm_run(vmm.attach, fd);
    int result;

    if (!unblocked) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, vmm.signal);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        unblocked = 1;
    }
    pthread_mutex_lock(&vmm.lock);
    if (!vmm.memory_told) {
        vmm.memory_told = 1;
        vmm.memory_result = tell_memory();
    }
    result = vmm.memory_result;
    pthread_mutex_unlock(&vmm.lock);
    if (result < 0)
        return returned(result);
    vmm.started = 1;
    pci_completed(shared);
    do
        result = xen_attach_run(vmm.attach, fd);
    while (!result && pci_exit(shared));
    return returned(result);
}

static int on_vm(int fd, unsigned long request, void *argument)
{
    uint64_t address = IDENTITY_MAP_ADDRESS;

    switch (request) {
    case KVM_SET_USER_MEMORY_REGION:
#ifdef KVM_SET_USER_MEMORY_REGION2
    case KVM_SET_USER_MEMORY_REGION2:
#endif
        return set_memory(fd, request, argument);
    case KVM_CREATE_VCPU:
        return create_vcpu(fd, (unsigned long)argument);
    case KVM_SET_GSI_ROUTING:
        return returned(xen_attach_routing(vmm.attach, argument));
    case KVM_X86_SET_MSR_FILTER:
        return returned(xen_attach_msr_filter(vmm.attach, argument));
    case KVM_SET_TSS_ADDR:
        return real_ioctl(fd, request, TSS_ADDRESS);
    case KVM_SET_IDENTITY_MAP_ADDR:
        return real_ioctl(fd, request, &address);
    default:
        return real_ioctl(fd, request, argument);
    }
}

static int on_vcpu(int fd, unsigned long request, void *argument)
{
    switch (request) {
    case KVM_RUN:
        return run(fd);
    case KVM_SET_SREGS:
#ifdef KVM_SET_SREGS2
    case KVM_SET_SREGS2: /* begins with the same segments */
#endif
        notice_reset(fd, argument);
        return real_ioctl(fd, request, argument);
    default:
        return real_ioctl(fd, request, argument);
    }
}

__attribute__((visibility("default"))) int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    void *argument;
    int result;

    va_start(arguments, request);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    if (!real_ioctl)
        real_ioctl = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    if (fd == vmm.vm && fd >= 0)
        return on_vm(fd, request, argument);
    if (_IOC_TYPE(request) == KVMIO && is_vcpu(fd))
        return on_vcpu(fd, request, argument);
    result = real_ioctl(fd, request, argument);
    if (request == KVM_CREATE_VM && result >= 0) {
        int attached = create_vm(fd, result);

        if (attached < 0) {
            close(result);
            return returned(attached);
        }
    }
    return result;
}

/* The service needs some pages at the end of the guest's memory. */
__attribute__((visibility("default"))) int memfd_create(const char *name, unsigned flags)
{
    int fd = syscall(SYS_memfd_create, name, flags);

    if (getenv("XEN_EMU_ATTACH") && fd >= 0)
        vmm.memfd = fd;
    return fd;
}

static int lengthen(int fd, off_t length)
{
    if (fd >= 0 && fd == vmm.memfd) {
        vmm.memfd = -1;
        length += XEN_ATTACH_SPARE_BYTES;
    }
    return syscall(SYS_ftruncate, fd, length);
}

__attribute__((visibility("default"))) int ftruncate(int fd, off_t length)
{
    return lengthen(fd, length);
}

__attribute__((visibility("default"))) int ftruncate64(int fd, off_t length)
{
    return lengthen(fd, length);
}
