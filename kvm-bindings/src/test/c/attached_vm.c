/*
 * An attached VMM without devices, for a KVM with or without Xen: its guest, in real mode, reads port 0x10 some times,
 * and then writes the last byte to port 0xf4, which ends the VMM with that exit code. With the word `loop` it runs in a
 * circle until somebody puts its instruction pointer at 0x1100.
 *
 *     attached_vm SOCKET TIMES|loop
 */
#define _GNU_SOURCE
#include "xen_attach.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM_BYTES (1ul << 20)
#define START 0x1000
#define END_CODE 0x1100
#define EXIT_PORT 0xf4

static void require(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, strerror(result == -1 ? errno : -result));
        exit(255);
    }
}

static void on_signal(int number)
{
    (void)number;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct xen_attach_options options = {.signal = SIGUSR1, .settings = "name=test\n"};
    struct xen_attach_ram range = {.bytes = RAM_BYTES};
    struct kvm_userspace_memory_region region = {.memory_size = RAM_BYTES};
    struct kvm_regs regs = {.rip = START, .rflags = 2};
    struct kvm_sregs sregs;
    struct xen_attach *attach;
    struct kvm_run *run;
    char message[256];
    int kvm, vm, vcpu, memory, size, times;
    uint8_t *ram;

    if (argc != 3)
        return 2;
    times = strcmp(argv[2], "loop") ? atoi(argv[2]) : 0;
    sigaction(SIGUSR1, &action, NULL);
    require(kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    require(vm = ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    options.socket = argv[1];
    require(xen_attach_open(&options, vm, &attach, message, sizeof(message)), "xen_attach_open");

    require(memory = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create");
    require(ftruncate(memory, RAM_BYTES + XEN_ATTACH_SPARE_BYTES), "ftruncate");
    require(fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK), "F_ADD_SEALS");
    ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    region.userspace_addr = range.address = (uintptr_t)ram;
    require(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
    require(xen_attach_memory(attach, memory, &range, 1), "xen_attach_memory");

    if (times) {
        /* mov dx, 0x10; mov cx, times; 1: in al, dx; loop 1b; out 0xf4, al */
        const uint8_t code[] = {0xba, 0x10, 0, 0xb9, times & 0xff, times >> 8, 0xec, 0xe2, 0xfd, 0xe6, EXIT_PORT};

        memcpy(ram + START, code, sizeof(code));
    } else {
        /* jmp . */
        memcpy(ram + START, "\xeb\xfe", 2);
    }
    /* mov al, 7; out 0xf4, al */
    memcpy(ram + END_CODE, "\xb0\x07\xe6\xf4", 4);

    require(vcpu = ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    require(size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    require(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    require(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
    require(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
    require(xen_attach_vcpu(attach, vcpu, 0, run, size), "xen_attach_vcpu");
    for (;;) {
        int result = xen_attach_run(attach, vcpu);

        if (result == -EINTR)
            continue;
        require(result, "xen_attach_run");
        if (run->exit_reason == KVM_EXIT_IO && run->io.port == EXIT_PORT)
            return *((uint8_t *)run + run->io.data_offset);
        if (run->exit_reason == KVM_EXIT_SYSTEM_EVENT)
            return 100 + run->system_event.type;
        fprintf(stderr, "exit reason %u\n", run->exit_reason);
        return 254;
    }
}
