package io.xenemu.core.machine;

import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Sets;
import io.xenemu.core.boot.AcpiTables;
import io.xenemu.core.boot.AddressWidth;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.BootModule;
import io.xenemu.core.boot.BootRequest;
import io.xenemu.core.boot.CpuEntry;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.boot.HypercallPage;
import io.xenemu.core.boot.KernelImage;
import io.xenemu.core.boot.MachineLayout;
import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.cpuid.XenCpuid;
import io.xenemu.core.delivery.GsiRoutes;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.device.UnplugPorts;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.DomainEnvironment;
import io.xenemu.core.domain.DomainOrigin;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.host.Teardown;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.machine.state.GuestTime;
import io.xenemu.core.machine.state.KvmState;
import io.xenemu.core.machine.state.KvmStateException;
import io.xenemu.core.machine.state.SavedMsrs;
import io.xenemu.core.trace.TracePoints;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.KvmCapability;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.KvmVm;
import io.xenemu.kvm.ioctl.XenCapability;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/// Builds a domain from its configuration and a kernel: VM, memory, vCPUs, boot structures.
public final class DomainBuilder implements DomainSource {
    /// The capabilities without which KVM cannot serve Xen guests.
    public static final ImmutableSet<XenCapability> REQUIRED =
            Sets.immutableEnumSet(
                    XenCapability.INTERCEPT_HCALL,
                    XenCapability.SHARED_INFO,
                    XenCapability.EVTCHN_2LEVEL,
                    XenCapability.EVTCHN_SEND);

    /// Pages that KVM on Intel needs below 4 GiB, above everything in the guest's memory map.
    private static final long TSS_ADDRESS = 0xfffb_d000L;

    private static final long IDENTITY_MAP_ADDRESS = 0xfffb_c000L;

    /// The number of a guest that boots.
    private static final int FIRST_INCARNATION = 1;

    private final KvmSystem kvm;
    private final EnumSet<XenCapability> capabilities;
    private final DomainEnvironment environment;
    private final HypercallTable hypercalls;
    private final TracePoints traces;

    /// @param hypercalls the hypercalls of its domains
    /// @param traces the places where they can be recorded
    public DomainBuilder(
            KvmSystem kvm,
            EnumSet<XenCapability> capabilities,
            DomainEnvironment environment,
            HypercallTable hypercalls,
            TracePoints traces) {
        this.kvm = kvm;
        this.capabilities = capabilities;
        this.environment = environment;
        this.hypercalls = hypercalls;
        this.traces = traces;
    }

    @Override
    public Domain build(
            DomId id,
            DomainConfig config,
            KernelImage kernel,
            List<BootModule> modules,
            String commandLine,
            Function<Domain, PortBus> devices)
            throws BootException {
        VcpuModel model = VcpuModel.of(kvm, config);
        DomainOrigin origin = new DomainOrigin.Boot(id, model.config());
        return make(
                origin,
                model,
                newVm(origin),
                FIRST_INCARNATION,
                (vm, domain) -> {
                    CpuEntry entry =
                            kernel.load(
                                    new BootRequest(
                                            domain.memoryMap(),
                                            domain.memory(),
                                            commandLine,
                                            modules));
                    AcpiTables.write(domain.memory(), config.vcpus());
                    addVcpus(vm, domain, devices.apply(domain), model);
                    domain.params().set(HvmParams.X87_FIP_WIDTH, model.x87FipWidth());
                    giveLeaves(vm, domain, model, FIRST_INCARNATION);
                    vm.vcpus().forEach(BootVcpu::enableMtrrs);
                    BootVcpu.enter(vm.vcpus().getFirst(), entry);
                });
    }

    /// Makes a domain, and closes it if a step fails.
    ///
    /// @param vm taken over, even if this fails
    private Domain make(
            DomainOrigin origin, VcpuModel model, LocalVm vm, int incarnation, Steps steps)
            throws BootException {
        DomainConfig config = origin.config();
        GuestMemoryMap map = mapOf(origin, model, vm);
        Domain domain = new Domain(origin, map, vm, capabilities, environment);
        return filled(
                domain,
                () -> {
                    int[] msrs = SavedMsrs.of(kvm.msrIndexList());
                    domain.add(new KvmPart(vm, config.cpu(), msrs, incarnation));
                    steps.run(vm, domain);
                });
    }

    /// What a new domain is filled with.
    @FunctionalInterface
    private interface Filling {
        void run() throws BootException;
    }

    /// Fills a domain, which is closed if that fails.
    private static Domain filled(Domain domain, Filling filling) throws BootException {
        try {
            filling.run();
            return domain;
        } catch (BootException | RuntimeException | Error e) {
            Teardown made = new Teardown();
            made.add(domain::close);
            made.closeAfter(e);
            throw e;
        }
    }

    /// @param vm closed if there is no such map
    private static GuestMemoryMap mapOf(DomainOrigin origin, VcpuModel model, LocalVm vm)
            throws BootException {
        boolean done = false;
        try {
            GuestMemoryMap map = origin.memoryMap();
            map.requireAddressable(AddressWidth.of(model.policy().entries()));
            done = true;
            return map;
        } finally {
            if (!done) {
                vm.close();
            }
        }
    }

    private static int apicIdStep(Optional<MachineLayout> layout) {
        return layout.map(MachineLayout::apicIdStep).orElse(1);
    }

    /// The steps from a domain without vCPUs to one that can be started.
    @FunctionalInterface
    private interface Steps {
        void run(LocalVm vm, Domain domain) throws BootException;
    }

    private void requireVcpus(DomainConfig config) throws BootException {
        int most = kvm.checkExtension(KvmCapability.MAX_VCPUS);
        if (config.vcpus() > most) {
            throw new BootException(
                    "%s: %d vCPUs are more than this host's KVM allows (%d)"
                            .formatted(config.name(), config.vcpus(), most));
        }
    }

    @Override
    public void requireOffer(DomainConfig config) throws BootException {
        requireVcpus(config);
        VcpuModel _ = VcpuModel.of(kvm, config);
    }

    /// Only KVM knows whether it scales, or what it catches up with. So a VM that never runs is asked.
    @Override
    public void requireTsc(int khz) throws BootException {
        try (KvmVm vm = kvm.createVm()) {
            try (KvmVcpu vcpu = vm.createVcpu(new VcpuId(0))) {
                GuestTime.applyFrequency(vcpu, khz);
            }
        } catch (KvmStateException e) {
            throw new BootException(String.valueOf(e.getMessage()));
        }
    }

    @Override
    public Domain restore(SavedDomain saved, Function<Domain, PortBus> devices)
            throws BootException {
        DomainOrigin.Saved origin = saved.origin();
        // The policy that was saved is all that the guest may have seen: this host offers just
        // that, or refuses.
        return restore(saved, devices, VcpuModel.of(kvm, origin.config()), newVm(origin));
    }

    @Override
    public Prepared prepare(DomainConfig config) throws BootException {
        VcpuModel model = VcpuModel.of(kvm, config);
        LocalVm vm = newVm(config, Optional.empty());
        boolean done = false;
        try {
            for (int i = 0; i < config.vcpus(); i++) {
                LocalVcpu _ = vm.createVcpu(new VcpuId(i));
            }
            done = true;
            return new PreparedVm(this, config, model, vm);
        } finally {
            if (!done) {
                vm.close();
            }
        }
    }

    /// Builds a saved domain in a VM.
    ///
    /// @param vm with all of its vCPUs, or none; taken over, even if this fails
    Domain restore(
            SavedDomain saved, Function<Domain, PortBus> devices, VcpuModel model, LocalVm vm)
            throws BootException {
        DomainOrigin.Saved origin = saved.origin();
        KvmState state = saved.kvm();
        int incarnation = state.vm().incarnation() + 1;
        return make(
                origin,
                model,
                vm,
                incarnation,
                (made, domain) -> {
                    // Devices first: lines that they hold up are no new edges for chips that come
                    // later.
                    addVcpus(made, domain, devices.apply(domain), model);
                    apply(state, saved.clock(), made, domain, model, incarnation);
                    // Xen's half last: its events need local APICs, and end in the chips.
                    domain.restored(origin.state());
                });
    }

    @Override
    public Domain resume(ImportedDomain imported, Function<Domain, PortBus> devices)
            throws BootException {
        DomainOrigin.Imported origin = imported.origin();
        VcpuModel model = VcpuModel.of(kvm, origin.config());
        DomainOrigin offered = origin.withConfig(model.config());
        int incarnation = imported.kvm().vm().incarnation() + 1;
        return make(
                offered,
                model,
                newVm(offered),
                incarnation,
                (vm, domain) -> {
                    addVcpus(vm, domain, devices.apply(domain), model);
                    domain.params().set(HvmParams.X87_FIP_WIDTH, model.x87FipWidth());
                    KvmState state = imported.kvm();
                    apply(
                            imported.isNativeTsc()
                                    ? state.atFrequency(vm.vcpus().getFirst().getTscKhz())
                                    : state,
                            ClockPolicy.STAND_STILL,
                            vm,
                            domain,
                            model,
                            incarnation);
                });
    }

    @Override
    public Domain attach(AttachedDomain attached, Function<Domain, PortBus> devices)
            throws BootException {
        DomainOrigin.Attached origin = attached.origin();
        DomainConfig config = origin.config();
        int msr = config.cpu().hypercallMsr();
        List<KvmVcpu> own = attached.vm().vcpus();
        KvmVm kvmVm = attached.vm().kvm();
        attached.vm().clean();
        attached.connection().claim(UnplugPorts.FIRST_PORT, UnplugPorts.PORTS, msr);
        LocalVm.configure(kvmVm, msr, true);
        kvmVm.xen().longMode(true);
        kvmVm.xen().xenVersion(config.xenVersion());
        EnumSet<XenCapability> offered = EnumSet.copyOf(capabilities);
        // This process has no address of the VMM.
        offered.remove(XenCapability.SHARED_INFO_HVA);
        LocalVm vm =
                new LocalVm(
                        kvmVm,
                        msr,
                        new AttachedHome(attached.vm(), attached.ranges(), origin.ram(), kvmVm),
                        own.stream().map(KvmVcpu::id).toList());
        Domain domain = new Domain(origin, origin.memoryMap(), vm, offered, environment);
        return filled(domain, () -> addVcpus(attached, domain, vm, devices));
    }

    private void addVcpus(
            AttachedDomain attached, Domain domain, LocalVm vm, Function<Domain, PortBus> devices) {
        domain.add(new AttachedPart());
        List<KvmVcpu> own = attached.vm().vcpus();
        AttachedLeaves leaves = AttachedLeaves.of(own.getFirst(), vm.clock(), domain.config());
        VcpuLoop loop = loop(domain, leaves.isAmd(), devices.apply(domain));
        for (int i = 0; i < own.size(); i++) {
            KvmVcpu kvmVcpu = own.get(i);
            if (!attached.hasLeaves()) {
                leaves.give(kvmVcpu, new VcpuId(i), domain.id());
            }
            Vcpu vcpu = add(domain, i, new LocalVcpu(kvmVcpu), loop);
            attached.vm().stopsWhen(i, vcpu::isStopping);
        }
    }

    /// Gives a VM its state.
    private static void apply(
            KvmState state,
            ClockPolicy clock,
            LocalVm vm,
            Domain domain,
            VcpuModel model,
            int incarnation)
            throws BootException {
        try {
            // The clock when RAM has been filled, which takes time, and before Xen's half, which is
            // in this time.
            state.applyTime(vm.kvm(), vm.vcpus(), clock);
            // Leaves before registers, which KVM checks against them.
            giveLeaves(vm, domain, model, incarnation);
            int xsave = vm.kvm().checkExtension(KvmCapability.XSAVE2);
            state.applyTo(vm.kvm(), vm.vcpus(), xsave);
        } catch (KvmStateException e) {
            throw new BootException(
                    "%s cannot be restored: %s".formatted(domain.config().name(), e.getMessage()),
                    e);
        }
    }

    private LocalVm newVm(DomainOrigin origin) throws BootException {
        return newVm(origin.config(), origin.layout());
    }

    private LocalVm newVm(DomainConfig config, Optional<MachineLayout> layout)
            throws BootException {
        requireVcpus(config);
        return new LocalVm(newKvm(config), config.cpu().hypercallMsr(), apicIdStep(layout));
    }

    private KvmVm newKvm(DomainConfig config) {
        KvmVm vm = kvm.createVm();
        try {
            LocalVm.configure(vm, config.cpu().hypercallMsr(), true);
            takeOverWidth(vm, config.cpu());
            vm.xen().xenVersion(config.xenVersion());
            createInterruptChips(vm);
            return vm;
        } catch (RuntimeException e) {
            vm.close();
            throw e;
        }
    }

    /// Gives a VM without vCPUs its PICs, I/O APIC and PIT, connected as the MADT says.
    static void createInterruptChips(KvmVm vm) {
        vm.setTssAddr(TSS_ADDRESS);
        vm.setIdentityMapAddr(IDENTITY_MAP_ADDRESS);
        vm.createIrqchip();
        vm.createPit2(KvmVm.PIT_SPEAKER_DUMMY);
        vm.events().setGsiRouting(GsiRoutes.PINS);
    }

    /// Sets KVM's width of a new domain to ours: 64-bit, as in Xen, until `SharedInfo.latchWidth` changes it. The
    /// guest's writes to the hypercall MSR do not change it in KVM.
    public static void takeOverWidth(KvmVm vm, CpuConfig cpu) {
        vm.trapMsr(cpu.hypercallMsr());
        vm.xen().longMode(true);
    }

    /// Adds the domain's vCPUs. They have no leaves yet.
    private void addVcpus(LocalVm vm, Domain domain, PortBus ports, VcpuModel model) {
        VcpuLoop loop = loop(domain, model.isAmd(), ports);
        for (int i = 0; i < domain.config().vcpus(); i++) {
            Vcpu _ = add(domain, i, vm.vcpu(new VcpuId(i)), loop);
        }
    }

    private VcpuLoop loop(Domain domain, boolean isAmd, PortBus ports) {
        return new VcpuLoop(
                domain,
                environment.registry(),
                hypercalls,
                new HypercallPage(isAmd),
                ports,
                traces);
    }

    private static Vcpu add(Domain domain, int number, LocalVcpu port, VcpuLoop loop) {
        KvmVcpu own = port.kvm();
        own.xen().vcpuId(number);
        Vcpu vcpu = new Vcpu(domain, new VcpuId(number), port, v -> loop.run(v, own));
        domain.add(vcpu);
        return vcpu;
    }

    /// Gives the vCPUs their leaves.
    private static void giveLeaves(LocalVm vm, Domain domain, VcpuModel model, int incarnation) {
        XenCpuid cpuid =
                model.leaves(
                        vm.vcpus().getFirst(),
                        vm.clock(),
                        incarnation,
                        apicIdStep(domain.layout()));
        for (int i = 0; i < vm.vcpus().size(); i++) {
            model.applyTo(vm.vcpus().get(i), cpuid.leavesOf(new VcpuId(i), domain.id()));
        }
    }
}
