package io.xenemu.kvm.ioctl;

import io.xenemu.kvm.abi.KvmException;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// KVM's ioctls. The request number is computed from direction, number and the argument's size, as in
/// `asm-generic/ioctl.h`. Only this class turns a failure into a [KvmException] with the request's name.
enum KvmIoctl {
    // On /dev/kvm.
    KVM_GET_API_VERSION(io(0x00)),
    KVM_CREATE_VM(io(0x01)),
    KVM_GET_MSR_INDEX_LIST(iowr(0x02, VcpuStructs.KVM_MSR_LIST)),
    KVM_CHECK_EXTENSION(io(0x03)),
    KVM_GET_VCPU_MMAP_SIZE(io(0x04)),
    KVM_GET_SUPPORTED_CPUID(iowr(0x05, VcpuStructs.KVM_CPUID2)),
    KVM_GET_SUPPORTED_HV_CPUID(iowr(0xc1, VcpuStructs.KVM_CPUID2)),

    // On a VM.
    KVM_CREATE_VCPU(io(0x41)),
    KVM_GET_DIRTY_LOG(iow(0x42, VmStructs.KVM_DIRTY_LOG)),
    KVM_SET_USER_MEMORY_REGION(iow(0x46, VmStructs.KVM_USERSPACE_MEMORY_REGION)),
    KVM_SET_TSS_ADDR(io(0x47)),
    KVM_SET_IDENTITY_MAP_ADDR(iow(0x48, ValueLayout.JAVA_LONG)),
    KVM_CREATE_IRQCHIP(io(0x60)),
    KVM_IRQ_LINE(iow(0x61, VmStructs.KVM_IRQ_LEVEL)),
    KVM_GET_IRQCHIP(iowr(0x62, VmStructs.KVM_IRQCHIP)),
    KVM_SET_IRQCHIP(ior(0x63, VmStructs.KVM_IRQCHIP)),
    KVM_SET_GSI_ROUTING(iow(0x6a, VmStructs.KVM_IRQ_ROUTING)),
    KVM_IRQFD(iow(0x76, VmStructs.KVM_IRQFD)),
    KVM_CREATE_PIT2(iow(0x77, VmStructs.KVM_PIT_CONFIG)),
    KVM_IOEVENTFD(iow(0x79, VmStructs.KVM_IOEVENTFD)),
    KVM_XEN_HVM_CONFIG(iow(0x7a, XenStructs.KVM_XEN_HVM_CONFIG)),
    KVM_SET_CLOCK(iow(0x7b, VmStructs.KVM_CLOCK_DATA)),
    KVM_GET_CLOCK(ior(0x7c, VmStructs.KVM_CLOCK_DATA)),
    KVM_GET_PIT2(ior(0x9f, VmStructs.KVM_PIT_STATE2)),
    KVM_SET_PIT2(iow(0xa0, VmStructs.KVM_PIT_STATE2)),
    KVM_ENABLE_CAP(iow(0xa3, VmStructs.KVM_ENABLE_CAP)),
    KVM_SIGNAL_MSI(iow(0xa5, VmStructs.KVM_MSI)),
    KVM_CLEAR_DIRTY_LOG(iowr(0xc0, VmStructs.KVM_CLEAR_DIRTY_LOG)),
    KVM_X86_SET_MSR_FILTER(iow(0xc6, VmStructs.KVM_MSR_FILTER)),
    KVM_XEN_HVM_GET_ATTR(iowr(0xc8, XenStructs.KVM_XEN_HVM_ATTR)),
    KVM_XEN_HVM_SET_ATTR(iow(0xc9, XenStructs.KVM_XEN_HVM_ATTR)),
    KVM_XEN_HVM_EVTCHN_SEND(iow(0xd0, XenStructs.KVM_IRQ_ROUTING_XEN_EVTCHN)),

    // On a vCPU.
    KVM_RUN(io(0x80)),
    KVM_GET_REGS(ior(0x81, VcpuStructs.KVM_REGS)),
    KVM_SET_REGS(iow(0x82, VcpuStructs.KVM_REGS)),
    KVM_GET_SREGS(ior(0x83, VcpuStructs.KVM_SREGS)),
    KVM_SET_SREGS(iow(0x84, VcpuStructs.KVM_SREGS)),
    KVM_TRANSLATE(iowr(0x85, VcpuStructs.KVM_TRANSLATION)),
    KVM_GET_MSRS(iowr(0x88, VcpuStructs.KVM_MSRS)),
    KVM_SET_MSRS(iow(0x89, VcpuStructs.KVM_MSRS)),
    KVM_SET_SIGNAL_MASK(iow(0x8b, VcpuStructs.KVM_SIGNAL_MASK)),
    KVM_GET_FPU(ior(0x8c, VcpuStructs.KVM_FPU)),
    KVM_SET_FPU(iow(0x8d, VcpuStructs.KVM_FPU)),
    KVM_GET_LAPIC(ior(0x8e, VcpuStructs.KVM_LAPIC_STATE)),
    KVM_SET_LAPIC(iow(0x8f, VcpuStructs.KVM_LAPIC_STATE)),
    KVM_SET_CPUID2(iow(0x90, VcpuStructs.KVM_CPUID2)),
    KVM_GET_CPUID2(iowr(0x91, VcpuStructs.KVM_CPUID2)),
    KVM_GET_MP_STATE(ior(0x98, VcpuStructs.KVM_MP_STATE)),
    KVM_SET_MP_STATE(iow(0x99, VcpuStructs.KVM_MP_STATE)),
    KVM_NMI(io(0x9a)),
    KVM_GET_VCPU_EVENTS(ior(0x9f, VcpuStructs.KVM_VCPU_EVENTS)),
    KVM_SET_VCPU_EVENTS(iow(0xa0, VcpuStructs.KVM_VCPU_EVENTS)),
    KVM_GET_DEBUGREGS(ior(0xa1, VcpuStructs.KVM_DEBUGREGS)),
    KVM_SET_DEBUGREGS(iow(0xa2, VcpuStructs.KVM_DEBUGREGS)),
    KVM_SET_TSC_KHZ(io(0xa2)),
    KVM_GET_TSC_KHZ(io(0xa3)),
    KVM_GET_XSAVE(ior(0xa4, VcpuStructs.KVM_XSAVE)),
    KVM_SET_XSAVE(iow(0xa5, VcpuStructs.KVM_XSAVE)),
    KVM_GET_XCRS(ior(0xa6, VcpuStructs.KVM_XCRS)),
    KVM_SET_XCRS(iow(0xa7, VcpuStructs.KVM_XCRS)),
    KVM_XEN_VCPU_GET_ATTR(iowr(0xca, XenStructs.KVM_XEN_VCPU_ATTR)),
    KVM_XEN_VCPU_SET_ATTR(iow(0xcb, XenStructs.KVM_XEN_VCPU_ATTR)),
    KVM_GET_SREGS2(ior(0xcc, VcpuStructs.KVM_SREGS2)),
    KVM_SET_SREGS2(iow(0xcd, VcpuStructs.KVM_SREGS2)),
    KVM_GET_XSAVE2(ior(0xcf, VcpuStructs.KVM_XSAVE)),
    KVM_SET_DEVICE_ATTR(iow(0xe1, VcpuStructs.KVM_DEVICE_ATTR)),
    KVM_GET_DEVICE_ATTR(iow(0xe2, VcpuStructs.KVM_DEVICE_ATTR)),
    KVM_HAS_DEVICE_ATTR(iow(0xe3, VcpuStructs.KVM_DEVICE_ATTR));

    private final long request;

    KvmIoctl(long request) {
        this.request = request;
    }

    /// The request number, unsigned 32 bits.
    long request() {
        return request;
    }

    /// Issues the request with a number as its argument.
    ///
    /// @return the kernel's result, 0 or greater
    /// @throws KvmException if the kernel refuses
    int call(KvmDescriptor on, long argument) {
        return checked(on.ioctl(request, argument));
    }

    /// Issues the request with a structure as its argument, or a null pointer for [MemorySegment#NULL].
    ///
    /// @return the kernel's result, 0 or greater
    /// @throws KvmException if the kernel refuses
    int call(KvmDescriptor on, MemorySegment argument) {
        return checked(on.ioctl(request, argument));
    }

    /// Issues the request with a structure that names memory or descriptors of this process.
    ///
    /// @return the kernel's result, 0 or greater
    /// @throws KvmException if the kernel refuses
    int call(KvmDescriptor on, MemorySegment argument, KvmDescriptor.Link... links) {
        return checked(on.ioctl(request, argument, links));
    }

    /// Like [#call], but returns a failure as the negated errno.
    int tryCall(KvmDescriptor on, long argument) {
        return on.ioctl(request, argument);
    }

    /// Like [#call], but returns a failure as the negated errno.
    int tryCall(KvmDescriptor on, MemorySegment argument) {
        return on.ioctl(request, argument);
    }

    /// Like [#call], but returns a failure as the negated errno.
    int tryCall(KvmDescriptor on, MemorySegment argument, KvmDescriptor.Link... links) {
        return on.ioctl(request, argument, links);
    }

    private int checked(int result) {
        if (result < 0) {
            throw new KvmException(name(), -result);
        }
        return result;
    }

    private static long io(int number) {
        return request(Direction.NONE, number, 0);
    }

    private static long ior(int number, MemoryLayout argument) {
        return request(Direction.READ, number, argument.byteSize());
    }

    private static long iow(int number, MemoryLayout argument) {
        return request(Direction.WRITE, number, argument.byteSize());
    }

    private static long iowr(int number, MemoryLayout argument) {
        return request(Direction.READ | Direction.WRITE, number, argument.byteSize());
    }

    private static long request(int direction, int number, long size) {
        return (long) direction << 30 | size << 16 | (long) Direction.KVMIO << 8 | number;
    }

    /// `_IOC_WRITE` and `_IOC_READ` as user space sees them, and KVM's type. A class of its own, because an enum's
    /// constants cannot use the enum's static fields.
    private static final class Direction {
        static final int NONE = 0;
        static final int WRITE = 1;
        static final int READ = 2;
        static final int KVMIO = 0xae;

        private Direction() {}
    }
}
