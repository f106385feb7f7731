package io.xenemu.core.startup;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.BootModule;
import io.xenemu.core.boot.KernelImage;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.DomainEnvironment;
import io.xenemu.core.domain.DomainOrigin;
import io.xenemu.core.domain.OwnPart;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.machine.AttachedDomain;
import io.xenemu.core.machine.DomainSource;
import io.xenemu.core.machine.ImportedDomain;
import io.xenemu.core.machine.SavedDomain;
import io.xenemu.core.machine.state.GuestTime;
import io.xenemu.core.machine.state.KvmState;
import io.xenemu.core.machine.state.VcpuState;
import io.xenemu.core.machine.state.VmState;
import io.xenemu.core.vm.StillVcpu;
import io.xenemu.core.vm.StillVm;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.XenCapability;
import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;

/// Domains of one vCPU on [StillVm]s, which can be saved and restored. Their vCPUs run no code, and park when they are
/// held.
///
/// @param environment of the domains
record TrainingDomains(DomainEnvironment environment) implements DomainSource {
    private static final long NAP_NANOS = 1_000_000;
    private static final GuestTime TIME = new GuestTime(1, 1, 1, 1_000_000);

    @Override
    public Domain build(
            DomId id,
            DomainConfig config,
            KernelImage kernel,
            List<BootModule> modules,
            String commandLine,
            Function<Domain, PortBus> devices)
            throws BootException {
        return domain(new DomainOrigin.Boot(id, config), devices);
    }

    @Override
    public void requireOffer(DomainConfig config) {}

    @Override
    public void requireTsc(int khz) {}

    @Override
    public Prepared prepare(DomainConfig config) {
        return unprepared();
    }

    @Override
    public Domain restore(SavedDomain saved, Function<Domain, PortBus> devices)
            throws BootException {
        Domain domain = domain(saved.origin(), devices);
        domain.restored(saved.origin().state());
        return domain;
    }

    @Override
    public Domain resume(ImportedDomain imported, Function<Domain, PortBus> devices)
            throws BootException {
        return domain(imported.origin(), devices);
    }

    private Domain domain(DomainOrigin origin, Function<Domain, PortBus> devices)
            throws BootException {
        Domain domain =
                new Domain(
                        origin,
                        origin.memoryMap(),
                        new StillVm(System::nanoTime),
                        EnumSet.allOf(XenCapability.class),
                        environment);
        KvmState state =
                new KvmState(
                        VmState.withoutChips(TIME, 1), List.of(VcpuState.blank(MpState.RUNNABLE)));
        domain.add(OwnPart.passive("kvm", state::saved));
        PortBus _ = devices.apply(domain);
        domain.add(
                new Vcpu(
                        domain,
                        new VcpuId(0),
                        new StillVcpu(MpState.RUNNABLE),
                        TrainingDomains::run));
        return domain;
    }

    private static void run(Vcpu vcpu) {
        vcpu.park();
        while (!vcpu.isStopping()) {
            LockSupport.parkNanos(NAP_NANOS);
            vcpu.serveMailbox();
            if (vcpu.isHeld()) {
                vcpu.park();
            }
        }
    }

    @Override
    public Domain attach(AttachedDomain attached, Function<Domain, PortBus> devices) {
        throw new UnsupportedOperationException("no VMM is attached in a training");
    }
}
