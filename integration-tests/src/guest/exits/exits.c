/*
 * What exits cost without a service: the same loops as xen-emu's, with nothing in them.
 *
 *     exits out|hypercall
 *
 * Each line of the input is a number of exits to make; the answer is the CPU time of them all, in ns. "out" runs a vCPU in
 * real mode that writes to a port again and again. "hypercall" has KVM_RUN return at once (see never_enter), with a page
 * kvm_run that says a hypercall was made.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#define RAM_SIZE 0x10000
#define CODE 0x5000

static int vcpu;
static struct kvm_run *run;

static int check(int result, const char *what)
{
    if (result < 0) {
        perror(what);
        exit(1);
    }
    return result;
}

static void make_vcpu(void)
{
    static const unsigned char code[] = {0xe6, 0x80, 0xeb, 0xfc}; /* out %al, $0x80; jmp to it */
    int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    int size = check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    char *ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct kvm_userspace_memory_region region = {.memory_size = RAM_SIZE, .userspace_addr = (uintptr_t)ram};
    struct kvm_regs registers = {.rip = CODE, .rflags = 2};
    struct kvm_sregs segments;

    check(ram == MAP_FAILED ? -1 : 0, "mmap");
    memcpy(ram + CODE, code, sizeof(code));
    check(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
    check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
    vcpu = check(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    check(run == MAP_FAILED ? -1 : 0, "mmap of kvm_run");
    check(ioctl(vcpu, KVM_GET_SREGS, &segments), "KVM_GET_SREGS");
    segments.cs.base = 0;
    segments.cs.selector = 0;
    check(ioctl(vcpu, KVM_SET_SREGS, &segments), "KVM_SET_SREGS");
    check(ioctl(vcpu, KVM_SET_REGS, &registers), "KVM_SET_REGS");
}

/* From now on KVM_RUN is a system call that the kernel answers with 0 before it comes to KVM. */
static void never_enter(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KVM_RUN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(filter) / sizeof(*filter), .filter = filter};

    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
    check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "PR_SET_SECCOMP");
}

static uint64_t cpu_time(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static void make(unsigned long exits)
{
    for (unsigned long i = 0; i < exits; i++) {
        check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
        switch (run->exit_reason) {
        case KVM_EXIT_IO:
            break;
        case KVM_EXIT_XEN:
            run->xen.u.hcall.result = 0;
            break;
        default:
            fprintf(stderr, "exit %u\n", run->exit_reason);
            exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    unsigned long exits;

    make_vcpu();
    if (argc > 1 && !strcmp(argv[1], "hypercall")) {
        never_enter();
        run->exit_reason = KVM_EXIT_XEN;
        run->xen.type = KVM_EXIT_XEN_HCALL;
    }
    while (scanf("%lu", &exits) == 1) {
        uint64_t start = cpu_time();

        make(exits);
        printf("%llu\n", (unsigned long long)(cpu_time() - start));
        fflush(stdout);
    }
    return 0;
}
