package io.xenemu.core.domain;

import com.google.common.util.concurrent.Uninterruptibles;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.boot.HypercallPage;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.machine.LocalVcpu;
import io.xenemu.core.machine.LocalVm;
import io.xenemu.core.machine.VcpuLoop;
import io.xenemu.core.memory.HostResources;
import io.xenemu.core.trace.TracePoints;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.PortAccount;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.gnttab.GrantTable;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.ExitReason;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.KvmVm;
import io.xenemu.kvm.ioctl.XenCapability;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import org.jspecify.annotations.NullMarked;
import org.jspecify.annotations.Nullable;

/// A domain of one vCPU that runs in the service's own exit loop, on a KVM that need not have Xen. [DomainBuilder]
/// cannot make it there, so this class makes it, in the domain's package. Calls that need KVM's Xen fail, and so does
/// the end of the domain, which says so in the log.
@NullMarked
public final class LoneVcpu implements AutoCloseable {
    /// A port with a device behind it that does nothing.
    public static final int PORT = 0x80;

    private static final GrantLimits GRANTS = new GrantLimits(4, 1, 2);

    /// Xen 4.19.
    private static final int VERSION = 0x0004_0013;

    private final KvmSystem system = KvmSystem.open(KvmSystem.DEVICE);
    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final HostResources resources = HostResources.ofThisHost();
    private final DomId id;
    private final Domain domain;
    private final Vcpu vcpu;
    private final KvmVcpu kvm;

    /// The vCPU's thread waits for this while it is held.
    private CountDownLatch released = new CountDownLatch(0);

    /// @param first what the vCPU's thread does before it enters the loop
    public LoneVcpu(DomId id, Consumer<LoneVcpu> first) throws BootException {
        this.id = id;
        KvmVm kvm = system.createVm();
        kvm.createIrqchip();
        LocalVm vm = new LocalVm(kvm);
        ServicePorts servicePorts = new ServicePorts(this::find, registry);
        DomainConfig config =
                new DomainConfig(
                        "bench" + id.value(),
                        new UUID(0, id.value()),
                        GuestMemoryMap.MIN_BYTES,
                        1,
                        VERSION,
                        GRANTS,
                        EventChannelConfig.DEFAULT);
        DomainEnvironment environment =
                new DomainEnvironment(
                        registry,
                        this::find,
                        servicePorts,
                        this::findGrants,
                        resources,
                        new PortAccount(ServicePorts.LIMIT));
        domain =
                new Domain(
                        id,
                        config,
                        new GuestMemoryMap(config.memoryBytes()),
                        vm,
                        EnumSet.noneOf(XenCapability.class),
                        environment);
        VcpuLoop loop =
                new VcpuLoop(
                        domain,
                        registry,
                        HypercallTable.standard(),
                        new HypercallPage(true),
                        ports(),
                        new TracePoints());
        VcpuId number = new VcpuId(0);
        LocalVcpu local = vm.createVcpu(number);
        this.kvm = local.kvm();
        vcpu =
                new Vcpu(
                        domain,
                        number,
                        local,
                        v -> {
                            first.accept(this);
                            loop.run(v, local.kvm());
                        });
        domain.add(vcpu);
    }

    private static PortBus ports() {
        return new PortBus(List.of(new PortBus.Range(PORT, PORT, new NoDevice())));
    }

    private @Nullable EventChannels find(DomId other) {
        return other.equals(id) ? domain.eventChannels() : null;
    }

    private @Nullable GrantTable findGrants(DomId other) {
        return other.equals(id) ? domain.grantTable() : null;
    }

    /// The domain.
    public Domain domain() {
        return domain;
    }

    /// The vCPU.
    public Vcpu vcpu() {
        return vcpu;
    }

    /// Its descriptor.
    public KvmVcpu kvm() {
        return kvm;
    }

    /// Keeps the vCPU's thread between two entries until [#release]. [Domain#pause] would also wait until KVM has
    /// completed the last exit, and a KVM_RUN that never enters the guest does not say so.
    public void hold() {
        CountDownLatch held = new CountDownLatch(1);
        CountDownLatch until = new CountDownLatch(1);
        released = until;
        Thread.ofVirtual()
                .start(() ->
                        vcpu.call(_ -> {
                            held.countDown();
                            Uninterruptibles.awaitUninterruptibly(until);
                        }));
        Uninterruptibles.awaitUninterruptibly(held);
    }

    /// Lets it go on.
    public void release() {
        released.countDown();
    }

    /// How many exits it has made for this reason.
    public long exits(ExitReason reason) {
        return (long)
                registry.get("xen.vcpu.exits")
                        .tag("reason", reason.name().toLowerCase(Locale.ROOT))
                        .functionCounter()
                        .count();
    }

    @Override
    public void close() {
        release();
        try (system;
                resources) {
            domain.close();
        }
    }
}
