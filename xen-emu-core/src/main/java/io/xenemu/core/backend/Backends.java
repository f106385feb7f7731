package io.xenemu.core.backend;

import com.google.common.primitives.Bytes;
import com.google.common.primitives.ImmutableIntArray;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.Part;
import io.xenemu.core.memory.ContiguousViews;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.toolstack.ServiceBackends;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import io.xenemu.xenstore.client.XenStoreClient;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The devices that the service serves, of all domains. Thread-safe.
public final class Backends implements ServiceBackends, AutoCloseable {
    /// The time that requests in flight get when a domain ends.
    static final Duration LIMIT = Duration.ofSeconds(10);

    /// The time that requests in flight get when a domain is held. Also the time after which a connection's end that
    /// takes longer is logged, and is begun again.
    static final Duration PATIENCE = Duration.ofSeconds(10);

    /// The end of a device that was removed by force takes so long, unless its requests are still in flight.
    private static final Duration REMOVAL = Duration.ofSeconds(1);

    private static final Logger log = LoggerFactory.getLogger(Backends.class);

    private final Map<PvDevice, ServedDevice> devices = new ConcurrentHashMap<>();

    /// The descriptors of devices that are not restored yet.
    private final Map<PvDevice, ImmutableIntArray> received = new ConcurrentHashMap<>();

    private final Function<DomId, @Nullable Domain> domains;
    private final XenStoreClient client;
    private final MeterRegistry registry;
    private final Frontend.ServedPlace place;
    private final StepThreads steps = new StepThreads();
    private final HostCalls hostCalls = new HostCalls(HostCalls.LIMIT);
    private final DeviceKinds kinds;
    private final DeviceMoves moves = new DeviceMoves(this, hostCalls);

    /// @param domains finds domains that are not closed
    /// @param client for these back ends alone
    /// @param ports domain 0's
    /// @param threads chooses the threads of queues
    /// @param kinds the kinds that are served, each once
    public Backends(
            Function<DomId, @Nullable Domain> domains,
            XenStoreClient client,
            ServicePorts ports,
            EngineThreads threads,
            MeterRegistry registry,
            List<BackendKind> kinds) {
        this(domains, client, ports, threads, registry, kinds, PATIENCE);
    }

    /// @param patience the time that requests in flight get when a domain is held, and after which a connection's end
    ///     that takes longer is begun again
    Backends(
            Function<DomId, @Nullable Domain> domains,
            XenStoreClient client,
            ServicePorts ports,
            EngineThreads threads,
            MeterRegistry registry,
            List<BackendKind> kinds,
            Duration patience) {
        this.domains = domains;
        this.client = client;
        this.registry = registry;
        place = new Frontend.ServedPlace(ports, new ContiguousViews(), threads, patience);
        this.kinds = new DeviceKinds(kinds, hostCalls);
    }

    /// The kinds that are served.
    public DeviceKinds kinds() {
        return kinds;
    }

    /// The moves of domains' devices to another host.
    public DeviceMoves moves() {
        return moves;
    }

    @Override
    public Opened open(DeviceSpec spec) throws Refused {
        BackendKind kind = kinds.get(spec.kind());
        if (kind == null) {
            throw ServiceBackends.notServed(spec.kind());
        }
        BackendDevice opened = hostCalls.make(() -> kind.open(spec), BackendDevice::close);
        return new Opened() {
            @Override
            public DeviceSpec completed(DeviceSpec given) {
                return Backends.completed(opened, given);
            }

            @Override
            public void serve(PvDevice device) throws Refused {
                requireGone(device);
                if (opened instanceof BackendDevice.Attaching attaching) {
                    attaching.attach(device);
                }
                Backends.this.serve(device, opened, kind.handshake());
            }

            @Override
            public void discard() {
                giveBack(opened);
            }
        };
    }

    private static DeviceSpec completed(BackendDevice opened, DeviceSpec given) {
        return opened instanceof BackendDevice.Completing completing
                ? completing.completed(given)
                : given;
    }

    /// Closes a device that was not served. Its file is free when this returns, unless the host does not answer.
    private void giveBack(BackendDevice opened) {
        try {
            hostCalls.make(opened::close);
        } catch (Refused e) {
            log.warn("a device that was not attached is not closed yet: {}", e.reason());
            if (e.kind() == Refused.Kind.BUSY) {
                steps.execute(opened::close);
            }
        }
    }

    /// A device that was removed by force is there until its requests have ended, since they use the guest's pages.
    private void requireGone(PvDevice device) throws Refused {
        try {
            if (!awaitEnd(device, REMOVAL)) {
                throw inFlight();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw inFlight();
        }
    }

    private static Refused inFlight() {
        return new Refused("requests of the detached device are still in flight");
    }

    private void serve(PvDevice device, BackendDevice opened, Handshake handshake) throws Refused {
        Domain domain = domains.apply(device.frontend());
        if (domain == null) {
            // It has ended just now, and its nodes go with it.
            giveBack(opened);
            return;
        }
        add(device, domain, opened, handshake).start();
    }

    private ServedDevice add(
            PvDevice device, Domain domain, BackendDevice opened, Handshake handshake)
            throws Refused {
        Started started = new Started();
        ServedDevice served =
                new ServedDevice(
                        device,
                        domain,
                        opened,
                        handshake,
                        place,
                        new DeviceDirectory(client, device),
                        steps,
                        started::gone);
        if (devices.putIfAbsent(device, served) != null) {
            throw inFlight();
        }
        started.metrics = new BackendMetrics(registry, device, () -> served.phase().shown());
        return served;
    }

    /// Serves the devices of a restored domain again, whose nodes are there. They stand still until [#resume]. After a
    /// failure, [#end] ends those that were made.
    ///
    /// @return their specifications, with what the host has chosen
    /// @throws Refused if the state cannot be used, or the host has not what a device needs
    public Map<PvDevice, DeviceSpec> restore(Domain domain, BackendsState state) throws Refused {
        Map<PvDevice, DeviceSpec> specs = new LinkedHashMap<>();
        for (DeviceState one : state.devices()) {
            PvDevice device = new PvDevice(one.kind(), domain.id(), DomId.DOM0, one.id());
            BackendDevice.Savable opened = reopen(device, one);
            boolean added = false;
            try {
                if (opened instanceof BackendDevice.Attaching attaching) {
                    attaching.attach(device);
                }
                ServedDevice served = add(device, domain, opened, kinds.handshake(one.kind()));
                added = true;
                served.restore(one, opened);
                served.start();
            } catch (XenError e) {
                throw Refused.byXenStore(e);
            } catch (KvmException e) {
                throw new Refused(
                        "%s cannot be restored: %s".formatted(device.name(), e.getMessage()));
            } finally {
                if (!added) {
                    opened.close();
                }
            }
            specs.put(device, completed(opened, opened.spec()));
        }
        return specs;
    }

    private BackendDevice.Savable reopen(PvDevice device, DeviceState state) throws Refused {
        if (!(kinds.get(state.kind()) instanceof BackendKind.Savable kind)) {
            throw new Refused(device.name() + " cannot be restored");
        }
        try {
            BodyReader body = new BodyReader(Bytes.toArray(state.body()));
            ImmutableIntArray descriptors = received.remove(device);
            BackendDevice.Savable opened =
                    descriptors != null && kind instanceof BackendKind.Received here
                            ? here.receive(state.version(), body, descriptors)
                            : kind.reopen(state.version(), body);
            if (!opened.spec().id().equals(OptionalInt.of(device.id()))) {
                opened.close();
                throw new Refused(device.name() + " cannot be restored: it has another number");
            }
            return opened;
        } catch (WireException e) {
            throw new Refused(device.name() + " cannot be restored: " + e.getMessage());
        }
    }

    /// Lets the devices of a restored domain go on.
    public void resume(DomId domain) {
        of(domain).forEach(ServedDevice::resume);
    }

    /// What goes with a device.
    private final class Started {
        private @Nullable BackendMetrics metrics;

        private void gone(ServedDevice served) {
            if (metrics != null) {
                metrics.close();
            }
            devices.remove(served.device(), served);
        }
    }

    @Override
    public boolean awaitEnd(PvDevice device, Duration limit) throws InterruptedException {
        ServedDevice served = devices.get(device);
        return served == null || served.end().await(limit);
    }

    @Override
    public void resize(PvDevice device) throws Refused {
        ServedDevice served = devices.get(device);
        if (served == null || !(served.served() instanceof BackendDevice.Resizable resizable)) {
            throw new Refused(device + " has no size that the service could change");
        }
        hostCalls.make(resizable::resize);
    }

    @Override
    public Optional<String> use(PvDevice device) {
        ServedDevice served = devices.get(device);
        return served != null && served.served() instanceof BackendDevice.Used used
                ? used.use()
                : Optional.empty();
    }

    /// The reasons for which another process cannot have a domain's devices; empty if it can.
    public List<String> stays(DomId domain) {
        List<String> reasons = new ArrayList<>();
        for (ServedDevice device : of(domain)) {
            device.stays().ifPresent(why -> reasons.add(device.device().name() + ": " + why));
        }
        return reasons;
    }

    /// The descriptors of a domain's devices, which stand still.
    ///
    /// @throws Refused if one cannot be handed over now
    public Map<PvDevice, ImmutableIntArray> descriptors(DomId domain) throws Refused {
        Map<PvDevice, ImmutableIntArray> all = new LinkedHashMap<>();
        for (ServedDevice device : of(domain)) {
            all.put(device.device(), device.descriptors());
        }
        return all;
    }

    /// Another process has a domain's devices now. What ends here leaves what that uses as it is.
    public void handedOver(DomId domain) {
        of(domain).forEach(ServedDevice::handedOver);
    }

    /// Keeps descriptors of a device that another process has had, until [#restore] takes them. More of the same device
    /// are put behind them.
    public void receive(PvDevice device, ImmutableIntArray descriptors) {
        received.merge(
                device,
                descriptors,
                (first, more) ->
                        ImmutableIntArray.builder(first.length() + more.length())
                                .addAll(first)
                                .addAll(more)
                                .build());
    }

    /// The devices of a domain, by kind and number.
    List<ServedDevice> of(DomId domain) {
        return devices.values().stream()
                .filter(served -> served.device().frontend().equals(domain))
                .sorted(Comparator.comparing(ServedDevice::device, PvDevice.BY_KIND))
                .toList();
    }

    /// The time that requests in flight get when a domain is held.
    Duration patience() {
        return place.patience();
    }

    /// The part of a domain that is its devices here.
    public Part part(DomId domain) {
        return new BackendPart(this, domain);
    }

    /// Ends the devices of a domain, whose vCPUs may still run. When it returns true, the service touches no page of
    /// the guest for them any more. Otherwise some requests are still in flight; the pages that they use stay until
    /// they end, even if the domain ends before ([io.xenemu.core.memory.DeadMemory]).
    ///
    /// @return false if that took longer than [#LIMIT] after the first call for these devices
    public boolean end(DomId domain) {
        List<ServedDevice> ending = of(domain);
        long deadline = System.nanoTime() + LIMIT.toNanos();
        ending.forEach(served -> served.end(deadline));
        boolean all = true;
        try {
            for (ServedDevice served : ending) {
                all &= served.end().await();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            all = false;
        }
        if (!all) {
            log.warn("{}: devices still have requests in flight; their pages stay", domain);
        }
        return all;
    }

    /// Stops following the store. Every domain has ended.
    @Override
    public void close() {
        client.close();
        steps.close();
    }
}
