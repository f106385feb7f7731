package io.xenemu.core.startup;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.boot.AcpiTables;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.BootRequest;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.boot.KernelImage;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.DomainEnvironment;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallDispatcher;
import io.xenemu.core.hypercall.HypercallMetrics;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.memory.HostResources;
import io.xenemu.core.vm.StillVcpu;
import io.xenemu.core.vm.StillVm;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.PortAccount;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.gnttab.GrantTable;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.XenCapability;
import io.xenemu.kvm.memory.CpuState;
import io.xenemu.kvm.memory.GuestArgument;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.util.EnumSet;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// A domain of one vCPU on a [StillVm], with a kernel in its memory. The caller makes hypercalls for the guest, as a
/// kernel in 64-bit mode whose 4-level page tables map the first 2 MiB to themselves.
final class TrainingDomain implements AutoCloseable {
    static final DomId ID = new DomId(1);

    /// Xen 4.20.
    private static final int VERSION = 0x0004_0014;

    private static final int PAGE_SIZE = GuestMemory.PAGE_SIZE;
    private static final int LEVELS = 4;
    private static final int ENTRIES = 512;

    /// Present, writable, accessed, dirty.
    private static final int RIGHTS = 0x63;

    private final Arena arena = Arena.ofConfined();
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final HostResources resources = HostResources.ofThisHost();
    private final ServicePorts servicePorts = new ServicePorts(this::channels, registry);
    private final Domain domain;
    private final HypercallDispatcher dispatcher;
    private final HypercallContext context;

    TrainingDomain(KernelImage kernel) throws BootException, XenError {
        DomainConfig config =
                new DomainConfig(
                        "training",
                        new UUID(0, 1),
                        GuestMemoryMap.MIN_BYTES,
                        1,
                        VERSION,
                        GrantLimits.defaults(),
                        EventChannelConfig.DEFAULT);
        GuestMemoryMap map = new GuestMemoryMap(config.maxMemoryBytes());
        domain =
                new Domain(
                        ID,
                        config,
                        map,
                        new StillVm(System::nanoTime),
                        EnumSet.allOf(XenCapability.class),
                        new DomainEnvironment(
                                registry,
                                this::channels,
                                servicePorts,
                                this::grants,
                                resources,
                                new PortAccount(ServicePorts.LIMIT)));
        AcpiTables.write(domain.memory(), config.vcpus());
        var _ = kernel.load(new BootRequest(map, domain.memory(), "", List.of()));
        Vcpu vcpu = new Vcpu(domain, new VcpuId(0), new StillVcpu(MpState.RUNNABLE), _ -> {});
        domain.add(vcpu);
        HypercallTable table = HypercallTable.standard();
        HypercallMetrics metrics = new HypercallMetrics(registry, ID, table);
        domain.alsoClose("hypercall meters", metrics::close);
        dispatcher = new HypercallDispatcher(table, metrics.newVcpu(), domain::crash);
        context =
                new HypercallContext(
                        domain, vcpu, new GuestArgument(memory(), new Kernel(), arena));
        writePageTables();
    }

    private @Nullable EventChannels channels(DomId id) {
        return id.equals(ID) ? domain.eventChannels() : null;
    }

    private @Nullable GrantTable grants(DomId id) {
        return id.equals(ID) ? domain.grantTable() : null;
    }

    private void writePageTables() throws XenError {
        GuestMemory memory = memory();
        for (int level = 1; level < LEVELS; level++) {
            memory.write64((long) PAGE_SIZE * level, (long) PAGE_SIZE * (level + 1) | RIGHTS);
        }
        for (int i = 0; i < ENTRIES; i++) {
            memory.write64((long) PAGE_SIZE * LEVELS + 8L * i, (long) PAGE_SIZE * i | RIGHTS);
        }
    }

    /// Domain 0's ends of its event channels.
    ServicePorts servicePorts() {
        return servicePorts;
    }

    /// The guest's memory.
    GuestMemory memory() {
        return domain.memory().guest();
    }

    /// Makes a hypercall of two parameters, or three.
    long call(int number, long first, long second, long third) {
        context.begin(number, 0);
        context.setParameter(0, first);
        context.setParameter(1, second);
        context.setParameter(2, third);
        return dispatcher.dispatch(context);
    }

    @Override
    public void close() {
        try (arena;
                resources) {
            domain.close();
        } finally {
            registry.close();
        }
    }

    /// The control registers: CR0.PG and WP, CR4.PAE, EFER.LMA.
    private record Kernel() implements CpuState {
        @Override
        public long cr0() {
            return 1L << 31 | 1L << 16;
        }

        @Override
        public long cr3() {
            return PAGE_SIZE;
        }

        @Override
        public long cr4() {
            return 1L << 5;
        }

        @Override
        public long efer() {
            return 1L << 10;
        }

        @Override
        public boolean longMode() {
            return true;
        }
    }
}
