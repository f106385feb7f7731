package io.xenemu.kvm.ioctl;

/// The capabilities that this project checks with KVM_CHECK_EXTENSION (`KVM_CAP_*` in `linux/kvm.h`).
public enum KvmCapability {
    IRQCHIP(0),
    USER_MEMORY(3),
    SET_TSS_ADDR(4),
    NR_VCPUS(9),
    NR_MEMSLOTS(10),
    MP_STATE(14),
    SYNC_MMU(16),
    IRQ_ROUTING(25),
    IRQFD(32),
    PIT2(33),
    IOEVENTFD(36),
    SET_IDENTITY_MAP_ADDR(37),
    XEN_HVM(38),
    ADJUST_CLOCK(39),
    VCPU_EVENTS(41),
    DEBUGREGS(50),
    XSAVE(55),
    XCRS(56),
    TSC_CONTROL(60),
    GET_TSC_KHZ(61),
    MAX_VCPUS(66),
    TSC_DEADLINE_TIMER(72),
    SYNC_REGS(74),
    SIGNAL_MSI(77),
    IRQFD_RESAMPLE(82),
    ENABLE_CAP_VM(98),
    SPLIT_IRQCHIP(121),
    VCPU_ATTRIBUTES(127),
    MAX_VCPU_ID(128),
    X2APIC_API(129),
    IMMEDIATE_EXIT(136),
    X86_DISABLE_EXITS(143),
    HYPERV_SYNIC2(148),
    GET_MSR_FEATURES(153),
    MANUAL_DIRTY_LOG_PROTECT2(168),
    X86_USER_SPACE_MSR(188),
    ENFORCE_PV_FEATURE_CPUID(190),
    SYS_HYPERV_CPUID(191),
    HYPERV_ENFORCE_CPUID(199),
    SREGS2(200),
    XSAVE2(208),
    DISABLE_QUIRKS2(213);

    private final int number;

    KvmCapability(int number) {
        this.number = number;
    }

    /// The value of `KVM_CAP_` and this name.
    public int number() {
        return number;
    }
}
