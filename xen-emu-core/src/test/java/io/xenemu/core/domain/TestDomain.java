package io.xenemu.core.domain;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallDispatcher;
import io.xenemu.core.hypercall.HypercallMetrics;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.memory.HostResources;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.core.vm.VcpuPort;
import io.xenemu.core.vm.VmPort;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.PortAccount;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.gnttab.GrantTable;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.XenCapability;
import io.xenemu.kvm.memory.CpuState;
import io.xenemu.kvm.memory.GuestArgument;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.util.EnumSet;
import java.util.Set;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// A domain on a [FakeVm], or for a [KvmDomain] on a real VM. Its vCPUs never run: tests make hypercalls in their
/// place. Two MiB from address 0 on are mapped to themselves by page tables in 64-bit mode; in 32-bit mode there is no
/// paging.
public final class TestDomain implements AutoCloseable {
    /// The domain's id.
    public static final DomId ID = new DomId(1);

    /// Where a test may put a hypercall's argument.
    public static final long ARGUMENT = 0x8_0000;

    private static final GrantLimits GRANTS = new GrantLimits(4, 1, 2);

    /// Xen 4.19.
    private static final int VERSION = 0x0004_0013;

    private static final long TOP_TABLE = 0x1000;
    private static final int LEVELS = 4;
    private static final int RIGHTS = 0x63;
    private static final int TABLE_ENTRIES = 512;

    private final Arena arena = Arena.ofShared();
    private final HypercallTable table = HypercallTable.standard();
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final HostResources resources = HostResources.ofThisHost();
    private final ServicePorts servicePorts = new ServicePorts(this::find, registry);
    private final Domain domain;
    private final HypercallMetrics hypercallMetrics;

    public TestDomain(int vcpus) throws BootException, XenError {
        this(new FakeVm(), vcpus);
    }

    /// @param vm its VM, to be looked at
    public TestDomain(FakeVm vm, int vcpus) throws BootException, XenError {
        this(vm, vcpus, EventChannelConfig.DEFAULT);
    }

    /// @param vm its VM, to be looked at
    /// @param events the limits of its event channels
    public TestDomain(FakeVm vm, int vcpus, EventChannelConfig events)
            throws BootException, XenError {
        this(vm, vm::createVcpu, vcpus, events, GRANTS, VERSION, vcpu -> {});
    }

    /// @param grants how much it may grant and map
    public TestDomain(int vcpus, GrantLimits grants) throws BootException, XenError {
        this(new FakeVm(), vcpus, EventChannelConfig.DEFAULT, grants, VERSION, vcpu -> {});
    }

    /// @param events the limits of its event channels
    public TestDomain(int vcpus, EventChannelConfig events) throws BootException, XenError {
        this(new FakeVm(), vcpus, events);
    }

    /// @param loop the vCPUs' threads run it, if they are started
    public TestDomain(int vcpus, Consumer<Vcpu> loop) throws BootException, XenError {
        this(new FakeVm(), vcpus, loop);
    }

    /// @param vm its VM, to be looked at
    public TestDomain(FakeVm vm, int vcpus, Consumer<Vcpu> loop) throws BootException, XenError {
        this(vm, vcpus, EventChannelConfig.DEFAULT, GRANTS, VERSION, loop);
    }

    /// A domain of two vCPUs that is told of a release of Xen.
    public static TestDomain ofXen(EventChannelConfig events, int major, int minor)
            throws BootException, XenError {
        return new TestDomain(new FakeVm(), 2, events, GRANTS, major << 16 | minor, vcpu -> {});
    }

    /// A domain on a host that accounts runstates.
    public static TestDomain ofXenWithRunstates(FakeVm vm, int major, int minor)
            throws BootException, XenError {
        return of(
                new DomainOrigin.Boot(
                        ID, config(2, EventChannelConfig.DEFAULT, GRANTS, major << 16 | minor)),
                vm,
                EnumSet.of(XenCapability.RUNSTATE, XenCapability.RUNSTATE_UPDATE_FLAG));
    }

    private TestDomain(
            FakeVm vm,
            int vcpus,
            EventChannelConfig events,
            GrantLimits grants,
            int xenVersion,
            Consumer<Vcpu> loop)
            throws BootException, XenError {
        this(vm, vm::createVcpu, vcpus, events, grants, xenVersion, loop);
    }

    /// A domain on a VM that a [KvmDomain] has made.
    TestDomain(
            VmPort vm,
            Function<VcpuId, VcpuPort> newVcpu,
            int vcpus,
            EventChannelConfig events,
            Consumer<Vcpu> loop)
            throws BootException, XenError {
        this(vm, newVcpu, vcpus, events, GRANTS, VERSION, loop);
    }

    private TestDomain(
            VmPort vm,
            Function<VcpuId, VcpuPort> newVcpu,
            int vcpus,
            EventChannelConfig events,
            GrantLimits grants,
            int xenVersion,
            Consumer<Vcpu> loop)
            throws BootException, XenError {
        this(
                vm,
                newVcpu,
                new DomainOrigin.Boot(ID, config(vcpus, events, grants, xenVersion)),
                EnumSet.noneOf(XenCapability.class),
                loop);
    }

    /// A restored domain on a fake VM.
    public static TestDomain restored(DomainOrigin.Saved origin, FakeVm vm)
            throws BootException, XenError {
        return of(origin, vm, EnumSet.noneOf(XenCapability.class));
    }

    /// A new or a restored domain on a fake VM with capabilities of KVM. Its vCPUs do nothing if they are started.
    static TestDomain of(DomainOrigin origin, FakeVm vm, Set<XenCapability> capabilities)
            throws BootException, XenError {
        return of(origin, vm, capabilities, _ -> {});
    }

    /// A new or a restored domain on a fake VM with capabilities of KVM.
    ///
    /// @param loop the vCPUs' threads run it, if they are started
    static TestDomain of(
            DomainOrigin origin, FakeVm vm, Set<XenCapability> capabilities, Consumer<Vcpu> loop)
            throws BootException, XenError {
        return new TestDomain(vm, vm::createVcpu, origin, capabilities, loop);
    }

    /// A domain of one vCPU with a name that no other test has, for a test that looks at all of this process.
    public static TestDomain named(String name) throws BootException, XenError {
        return of(
                new DomainOrigin.Boot(
                        ID, config(name, 1, EventChannelConfig.DEFAULT, GRANTS, VERSION)),
                new FakeVm(),
                EnumSet.noneOf(XenCapability.class));
    }

    private static DomainConfig config(
            int vcpus, EventChannelConfig events, GrantLimits grants, int xenVersion) {
        return config("test", vcpus, events, grants, xenVersion);
    }

    private static DomainConfig config(
            String name, int vcpus, EventChannelConfig events, GrantLimits grants, int xenVersion) {
        return new DomainConfig(
                name,
                new UUID(0x0123_4567_89ab_cdefL, 0xfedc_ba98_7654_3210L),
                GuestMemoryMap.MIN_BYTES,
                vcpus,
                xenVersion,
                grants,
                events);
    }

    private TestDomain(
            VmPort vm,
            Function<VcpuId, VcpuPort> newVcpu,
            DomainOrigin origin,
            Set<XenCapability> capabilities,
            Consumer<Vcpu> loop)
            throws BootException, XenError {
        DomainConfig config = origin.config();
        domain =
                new Domain(
                        origin,
                        new GuestMemoryMap(config.memoryBytes()),
                        vm,
                        capabilities,
                        new DomainEnvironment(
                                registry,
                                this::find,
                                servicePorts,
                                this::findGrants,
                                resources,
                                new PortAccount(ServicePorts.LIMIT)));
        hypercallMetrics = new HypercallMetrics(registry, ID, table);
        domain.alsoClose("hypercall meters", hypercallMetrics::close);
        for (int i = 0; i < config.vcpus(); i++) {
            VcpuId id = new VcpuId(i);
            domain.add(new Vcpu(domain, id, newVcpu.apply(id), loop));
        }
        switch (origin) {
            case DomainOrigin.Boot _ -> writePageTables();
            case DomainOrigin.Saved(XenState state, _) -> domain.restored(state);
            case DomainOrigin.Imported _, DomainOrigin.Attached _ -> {}
        }
    }

    private @Nullable EventChannels find(DomId id) {
        if (id.equals(DomId.DOM0)) {
            return servicePorts.channels();
        }
        return id.equals(ID) ? domain.eventChannels() : null;
    }

    private @Nullable GrantTable findGrants(DomId id) {
        return id.equals(ID) ? domain.grantTable() : null;
    }

    private void writePageTables() throws XenError {
        GuestMemory memory = memory();
        for (int level = 0; level < LEVELS - 1; level++) {
            long table = TOP_TABLE + 0x1000L * level;
            memory.write64(table, (table + 0x1000) | RIGHTS);
        }
        for (int i = 0; i < TABLE_ENTRIES; i++) {
            map(i, 0x1000L * i);
        }
    }

    private void map(long page, long address) throws XenError {
        long lowest = TOP_TABLE + 0x1000L * (LEVELS - 1);
        memory().write64(lowest + 8L * page, address | RIGHTS);
    }

    /// Maps the page at linear address [#ARGUMENT] to another one.
    ///
    /// @param address guest physical, of the page
    public void mapArgument(long address) throws XenError {
        map(ARGUMENT / 0x1000, address);
    }

    /// The domain.
    public Domain domain() {
        return domain;
    }

    /// Where its meters are.
    public SimpleMeterRegistry registry() {
        return registry;
    }

    /// Domain 0's ends of its channels.
    public ServicePorts servicePorts() {
        return servicePorts;
    }

    /// The host's resources, of which it takes its share.
    public HostResources resources() {
        return resources;
    }

    /// Its memory as the guest sees it.
    public GuestMemory memory() {
        return domain.memory().guest();
    }

    /// vCPU `number` as a caller in 64-bit or 32-bit mode.
    public HypercallContext caller(int number, boolean longMode) {
        return new HypercallContext(
                domain,
                domain.vcpus().get(number),
                new GuestArgument(memory(), new Registers(longMode), arena));
    }

    /// A dispatcher with counters of its own.
    public HypercallDispatcher dispatcher() {
        return new HypercallDispatcher(table, hypercallMetrics.newVcpu(), domain::crash);
    }

    @Override
    public void close() {
        try {
            domain.close();
        } finally {
            resources.close();
            arena.close();
        }
    }

    /// The control registers of a kernel in 64-bit mode with 4-level paging, or in 32-bit mode without.
    private record Registers(boolean longMode) implements CpuState {
        private static final long PAGING = 1L << 31;
        private static final long WRITE_PROTECT = 1L << 16;
        private static final long PHYSICAL_ADDRESS_EXTENSION = 1L << 5;
        private static final long LONG_MODE_ACTIVE = 1L << 10;

        @Override
        public long cr0() {
            return longMode ? PAGING | WRITE_PROTECT : 0;
        }

        @Override
        public long cr3() {
            return TOP_TABLE;
        }

        @Override
        public long cr4() {
            return longMode ? PHYSICAL_ADDRESS_EXTENSION : 0;
        }

        @Override
        public long efer() {
            return longMode ? LONG_MODE_ACTIVE : 0;
        }
    }
}
