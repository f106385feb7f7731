package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;

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
import io.xenemu.core.machine.state.KvmStates;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.XenCapability;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Domains on fake VMs, for guests that run no code. Their vCPUs park when they are held.
final class FakeDomains implements DomainSource {
    private static final long NAP_NANOS = 1_000_000;

    private final DomainEnvironment environment;

    /// The domains in the order in which they were built.
    private final BlockingQueue<Domain> built;

    private final Map<Domain, PortBus> ports = new ConcurrentHashMap<>();

    private final Map<Domain, FakeVm> vms = new ConcurrentHashMap<>();
    private volatile Consumer<Domain> code = _ -> {};
    private volatile boolean stuck;
    private volatile boolean lacksFeature;
    private volatile int leastKhz;
    private final AtomicBoolean fails = new AtomicBoolean();
    private final AtomicInteger prepared = new AtomicInteger();
    private volatile boolean refusesVms;

    FakeDomains(DomainEnvironment environment) {
        this.environment = environment;
        this.built = new LinkedBlockingQueue<>();
    }

    /// The next domain that is built.
    Domain next() throws InterruptedException {
        return built.take();
    }

    /// The next domain that is built, if there is one already.
    @Nullable Domain built() {
        return built.poll();
    }

    /// Lets the vCPUs not park from now on.
    void stick() {
        stuck = true;
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
        Domain domain = domain(new DomainOrigin.Boot(id, config), devices);
        built.add(domain);
        return domain;
    }

    @Override
    public void requireOffer(DomainConfig config) throws BootException {
        if (lacksFeature) {
            throw new BootException(config.name() + ": a guest of this host cannot have avx512f");
        }
    }

    @Override
    public void requireTsc(int khz) throws BootException {
        if (khz < leastKhz) {
            throw new BootException("this host's counter is not as slow as %d kHz".formatted(khz));
        }
    }

    /// Lets the host have a faster time stamp counter, which it cannot slow down.
    void countFaster() {
        leastKhz = Integer.MAX_VALUE;
    }

    /// Lets the host have fewer features of the processor from now on.
    void loseFeature() {
        lacksFeature = true;
    }

    /// Lets the next restore fail by a bug.
    void failNext() {
        fails.set(true);
    }

    /// What was made before a domain's state has come, and was not closed.
    int prepared() {
        return prepared.get();
    }

    /// Lets the host have no room for a VM from now on.
    void refuseVms() {
        refusesVms = true;
    }

    @Override
    public Prepared prepare(DomainConfig config) throws BootException {
        if (refusesVms) {
            throw new BootException(config.name() + ": the host has no room for a VM");
        }
        prepared.incrementAndGet();
        return new Prepared() {
            private boolean closed;

            @Override
            public Domain restore(SavedDomain saved, Function<Domain, PortBus> devices)
                    throws BootException {
                assertEquals(config, saved.origin().config());
                return FakeDomains.this.restore(saved, devices);
            }

            @Override
            public void close() {
                if (!closed) {
                    closed = true;
                    prepared.decrementAndGet();
                }
            }
        };
    }

    @Override
    public Domain restore(SavedDomain saved, Function<Domain, PortBus> devices)
            throws BootException {
        if (fails.getAndSet(false)) {
            throw new IllegalStateException("a bug");
        }
        requireOffer(saved.origin().config());
        Domain domain = domain(saved.origin(), devices);
        domain.restored(saved.origin().state());
        built.add(domain);
        return domain;
    }

    @Override
    public Domain resume(ImportedDomain imported, Function<Domain, PortBus> devices)
            throws BootException {
        Domain domain = domain(imported.origin(), devices);
        built.add(domain);
        return domain;
    }

    private Domain domain(DomainOrigin origin, Function<Domain, PortBus> devices)
            throws BootException {
        FakeVm vm = new FakeVm();
        DomainConfig config = origin.config();
        Domain domain =
                new Domain(
                        origin,
                        origin.memoryMap(),
                        vm,
                        EnumSet.noneOf(XenCapability.class),
                        environment);
        domain.add(OwnPart.passive("kvm", () -> KvmStates.of(config.vcpus()).saved()));
        vms.put(domain, vm);
        ports.put(domain, devices.apply(domain));
        for (int i = 0; i < config.vcpus(); i++) {
            VcpuId vcpu = new VcpuId(i);
            domain.add(
                    new Vcpu(domain, vcpu, vm.createVcpu(vcpu), running -> loop(domain, running)));
        }
        return domain;
    }

    /// The VM of a domain.
    FakeVm vm(Domain domain) {
        return Objects.requireNonNull(vms.get(domain));
    }

    /// What each domain's first vCPU does again and again from now on.
    void runs(Consumer<Domain> program) {
        code = program;
    }

    /// The I/O space of a domain.
    PortBus ports(Domain domain) {
        return Objects.requireNonNull(ports.get(domain));
    }

    private void loop(Domain domain, Vcpu vcpu) {
        vcpu.park();
        while (!vcpu.isStopping()) {
            LockSupport.parkNanos(NAP_NANOS);
            vcpu.serveMailbox();
            if (vcpu.id().value() == 0 && !vcpu.isHeld()) {
                code.accept(domain);
            }
            if (vcpu.isHeld() && !stuck) {
                vcpu.park();
            }
        }
    }

    @Override
    public Domain attach(AttachedDomain attached, Function<Domain, PortBus> devices)
            throws BootException {
        Domain domain = domain(attached.origin(), devices);
        built.add(domain);
        return domain;
    }
}
