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
import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.cpuid.XenCpuid;
import io.xenemu.core.delivery.GsiRoutes;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.DomainEnvironment;
import io.xenemu.core.domain.DomainOrigin;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.core.domain.OwnPart;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.host.Teardown;
import io.xenemu.core.hypercall.HypercallTable;
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

    /// The reason why no domain can be saved yet. KVM has state of a VM that is not Xen's: registers, local APICs,
    /// interrupt chips, timer chip, clock. KVM's timer chip runs on while the vCPUs stand still, and
    /// its interrupts wait in the chips.
    private static final String UNSAVED =
            "the registers and interrupt chips of its VM cannot be saved yet";

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
        GuestMemoryMap map = new GuestMemoryMap(config.maxMemoryBytes());
        map.requireAddressable(AddressWidth.of(model.policy().entries()));
        requireVcpus(config);
        LocalVm vm = new LocalVm(newVm(config), config.cpu().hypercallMsr());
        Domain domain = new Domain(id, model.config(), map, vm, capabilities, environment);
        try {
            domain.add(OwnPart.unsaved("kvm", UNSAVED));
            CpuEntry entry =
                    kernel.load(new BootRequest(map, domain.memory(), commandLine, modules));
            AcpiTables.write(domain.memory(), config.vcpus());
            BootVcpu.enter(addVcpus(vm, domain, model, devices.apply(domain)), entry);
            return domain;
        } catch (BootException | RuntimeException | Error e) {
            Teardown made = new Teardown();
            made.add(domain::close);
            made.closeAfter(e);
            throw e;
        }
    }

    private void requireVcpus(DomainConfig config) throws BootException {
        int most = kvm.checkExtension(KvmCapability.MAX_VCPUS);
        if (config.vcpus() > most) {
            throw new BootException(
                    "%s: %d vCPUs are more than this host's KVM allows (%d)"
                            .formatted(config.name(), config.vcpus(), most));
        }
    }

    /// Refuses: KVM's half of the state is not saved yet ([#UNSAVED]), and no guest runs without its registers.
    @Override
    public Domain restore(DomainOrigin.Saved saved, Function<Domain, PortBus> devices)
            throws BootException {
        throw new BootException(
                "%s cannot be restored on KVM yet: its state has no registers"
                        .formatted(saved.config().name()));
    }

    private KvmVm newVm(DomainConfig config) {
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

    /// Adds the domain's vCPUs.
    ///
    /// @return the boot vCPU
    private KvmVcpu addVcpus(LocalVm vm, Domain domain, VcpuModel model, PortBus ports) {
        int count = domain.config().vcpus();
        LocalVcpu[] vcpus = new LocalVcpu[count];
        for (int i = 0; i < count; i++) {
            vcpus[i] = vm.createVcpu(new VcpuId(i));
        }
        KvmVcpu boot = vcpus[0].kvm();
        domain.params().set(HvmParams.X87_FIP_WIDTH, model.x87FipWidth());
        XenCpuid cpuid = model.leaves(boot, vm.clock());
        VcpuLoop loop =
                new VcpuLoop(
                        domain,
                        environment.registry(),
                        hypercalls,
                        new HypercallPage(model.isAmd()),
                        ports,
                        traces);
        for (LocalVcpu vcpu : vcpus) {
            KvmVcpu own = vcpu.kvm();
            model.applyTo(own, cpuid.leavesOf(own.id(), domain.id()));
            own.xen().vcpuId(own.id().value());
            BootVcpu.enableMtrrs(own);
            domain.add(new Vcpu(domain, own.id(), vcpu, v -> loop.run(v, own)));
        }
        return boot;
    }
}
