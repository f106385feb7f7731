package io.xenemu.core.machine;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.cpuid.CannotOfferException;
import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.cpuid.CpuPolicy;
import io.xenemu.core.cpuid.HostPolicy;
import io.xenemu.core.cpuid.TscInfo;
import io.xenemu.core.cpuid.XenCpuid;
import io.xenemu.core.cpuid.XenLeaves;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.kvm.ioctl.CpuidEntry;
import io.xenemu.kvm.ioctl.KvmCapability;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.MsrEntry;
import java.util.List;

/// The processor of a domain's vCPUs, as this host's KVM offers it to them.
///
/// @param config the domain's configuration, with the policy that it is offered
/// @param policy that policy
/// @param x87FipWidth the initial value of HVM_PARAM_X87_FIP_WIDTH
public record VcpuModel(DomainConfig config, CpuPolicy policy, int x87FipWidth) {
    /// IA32_TIME_STAMP_COUNTER.
    private static final int MSR_TSC = 0x10;

    private static final int MSR_ARCH_CAPABILITIES = 0x10a;

    /// The model of a domain.
    ///
    /// @param config what the domain is to have
    /// @throws BootException if this host cannot offer it
    public static VcpuModel of(KvmSystem kvm, DomainConfig config) throws BootException {
        CpuConfig cpu = config.cpu();
        List<CpuidEntry> supported = kvm.supportedCpuid();
        try {
            if (cpu.viridian().isOn()) {
                cpu.viridian().check(kvm.supportedHvCpuid());
                if (kvm.checkExtension(KvmCapability.HYPERV_ENFORCE_CPUID) == 0) {
                    throw new CannotOfferException(
                            "viridian: this kernel's KVM cannot keep a guest from other groups");
                }
            }
            CpuPolicy policy = cpu.offered(offerable(kvm, supported));
            return new VcpuModel(
                    config.withCpu(cpu.offering(policy)), policy, XenCpuid.x87FipWidth(supported));
        } catch (CannotOfferException e) {
            throw new BootException(config.name() + ": " + e.getMessage(), e);
        }
    }

    /// All that this host can give a guest.
    public static CpuPolicy offerable(KvmSystem kvm) {
        return offerable(kvm, kvm.supportedCpuid());
    }

    private static CpuPolicy offerable(KvmSystem kvm, List<CpuidEntry> supported) {
        return HostPolicy.offerable(supported, kvm.featureMsr(MSR_ARCH_CAPABILITIES));
    }

    /// Whether the processor's hypercall instruction is VMMCALL.
    boolean isAmd() {
        return policy.isAmd();
    }

    /// The leaves of all vCPUs.
    ///
    /// @param boot a vCPU that has not run
    /// @param clock the VM's clock, in nanoseconds
    /// @param incarnation how often the guest was made
    /// @param apicIdStep the APIC id of each vCPU is its number times this
    XenCpuid leaves(KvmVcpu boot, long clock, int incarnation, int apicIdStep) {
        TscInfo tsc =
                TscInfo.at(
                        config.cpu().tscMode(),
                        boot.getTscKhz(),
                        clock,
                        boot.getMsrs(MSR_TSC).getFirst().data(),
                        HostTsc.isReliable(),
                        policy.hasRdtscp());
        int version = config.xenVersion();
        XenLeaves xen =
                new XenLeaves(config.cpu(), version >>> 16, version & 0xffff, tsc, incarnation);
        return new XenCpuid(policy, config.vcpus(), apicIdStep, config.cpu().viridian(), xen);
    }

    /// Gives a vCPU its leaves, and what goes with them.
    void applyTo(KvmVcpu vcpu, List<CpuidEntry> leaves) {
        // KVM's own interface, which has no leaves here, would have its MSRs nevertheless.
        vcpu.enableCap(KvmCapability.ENFORCE_PV_FEATURE_CPUID, 1);
        vcpu.setCpuid(leaves);
        if (config.cpu().viridian().isOn()) {
            vcpu.enableCap(KvmCapability.HYPERV_ENFORCE_CPUID, 1);
            if (config.cpu().viridian().hasSynic()) {
                vcpu.enableCap(KvmCapability.HYPERV_SYNIC2, 0);
            }
        }
        if (policy.hasArchCapabilities()) {
            vcpu.setMsrs(List.of(new MsrEntry(MSR_ARCH_CAPABILITIES, policy.archCapabilities())));
        }
    }
}
