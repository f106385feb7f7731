package io.xenemu.core.backend;

import com.google.common.primitives.Bytes;
import com.google.common.primitives.ImmutableIntArray;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.Part;
import io.xenemu.core.memory.ContiguousViews;
import io.xenemu.core.toolstack.DeviceKind;
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
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SortedMap;
import java.util.TreeMap;
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

    /// The longest wait for a device that is flushed, given up or claimed: an image has much to be written, or its
    /// process ends or starts.
    private static final Duration HAND_OVER = Duration.ofSeconds(60);

    /// What is done with saved devices, for messages.
    private static final String RESTORED = "restored";

    private static final String COPIED = "copied";

    /// The end of a device that was removed by force takes so long, unless its requests are still in flight.
    private static final Duration REMOVAL = Duration.ofSeconds(1);

    private static final Logger log = LoggerFactory.getLogger(Backends.class);

    private final Map<DeviceKind, BackendKind> kinds = new EnumMap<>(DeviceKind.class);
    private final Map<PvDevice, ServedDevice> devices = new ConcurrentHashMap<>();

    /// The descriptors of devices that are not restored yet.
    private final Map<PvDevice, ImmutableIntArray> received = new ConcurrentHashMap<>();

    private final Function<DomId, @Nullable Domain> domains;
    private final XenStoreClient client;
    private final MeterRegistry registry;
    private final Frontend.ServedPlace place;
    private final StepThreads steps = new StepThreads();
    private final HostCalls hostCalls = new HostCalls(HostCalls.LIMIT);

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
        for (BackendKind kind : kinds) {
            if (this.kinds.put(kind.kind(), kind) != null) {
                throw new IllegalArgumentException("two kinds of " + kind.kind());
            }
        }
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
                ServedDevice served = add(device, domain, opened, handshake(one.kind()));
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

    private Handshake handshake(DeviceKind kind) {
        return Objects.requireNonNull(kinds.get(kind)).handshake();
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

    /// The saved form of a device's specification.
    ///
    /// @param spec of a device that any domain serves
    /// @throws Refused if its kind cannot be saved
    public SavedSpec saved(DeviceSpec spec) throws Refused {
        if (kinds.get(spec.kind()) instanceof BackendKind.Savable kind) {
            byte[] body = kind.encode(spec).toBytes();
            SavedSpec saved = new SavedSpec(spec.kind(), kind.version(), Bytes.asList(body));
            if (spec(saved).equals(spec)) {
                return saved;
            }
        }
        throw new Refused(
                "a device of the kind %s from %s cannot be saved"
                        .formatted(spec.kind().directory(), spec.backend()));
    }

    /// The specification in its saved form.
    ///
    /// @throws Refused if it cannot be used
    public DeviceSpec spec(SavedSpec saved) throws Refused {
        BackendKind.Savable kind = kind(saved, BackendKind.Savable.class, RESTORED);
        return decoded(saved, RESTORED, () -> kind.decode(saved.version(), saved.reader()));
    }

    /// The kind of a saved device.
    ///
    /// @param done what cannot be done with other kinds
    private <T> T kind(SavedSpec saved, Class<T> type, String done) throws Refused {
        BackendKind kind = kinds.get(saved.kind());
        if (kind == null || !type.isInstance(kind)) {
            throw new Refused(
                    "a device of the kind %s cannot be %s"
                            .formatted(saved.kind().directory(), done));
        }
        return type.cast(kind);
    }

    /// A use of a saved device's body.
    @FunctionalInterface
    private interface Decoding<T> {
        T get() throws WireException, Refused;
    }

    private static <T> T decoded(SavedSpec saved, String done, Decoding<T> decoding)
            throws Refused {
        try {
            return decoding.get();
        } catch (WireException e) {
            throw new Refused(
                    "a device of the kind %s cannot be %s: %s"
                            .formatted(saved.kind().directory(), done, e.getMessage()));
        }
    }

    /// Lets the devices of a restored domain go on.
    public void resume(DomId domain) {
        of(domain).forEach(ServedDevice::resume);
    }

    /// A domain's devices, in the order of [#needs].
    public List<PvDevice> devices(DomId domain) {
        return of(domain).stream().map(ServedDevice::device).toList();
    }

    /// What a domain's devices need where it goes on: their specifications, and the sizes of disks. The domain runs.
    ///
    /// @throws Refused if one cannot be saved
    public List<SavedSpec> needs(DomId domain) throws Refused {
        List<SavedSpec> needs = new ArrayList<>();
        for (ServedDevice device : of(domain)) {
            if (!(device.served() instanceof BackendDevice.Savable savable)) {
                throw new Refused(device.device().name() + " cannot be saved");
            }
            if (savable instanceof BackendDevice.Claimed) {
                BackendDevice.Saved now = savable.save(device.device(), null);
                needs.add(
                        new SavedSpec(
                                device.device().kind(),
                                now.version(),
                                Bytes.asList(now.body().toBytes())));
            } else {
                needs.add(saved(savable.spec().numbered(device.device().id())));
            }
        }
        return needs;
    }

    /// Checks that a device of another host could be had here.
    ///
    /// @param trusts whether the operator answers for it that both hosts see the same storage
    /// @return what was found, in one line for an operator
    /// @throws Refused with one line for the operator: the host has not what it needs
    public String check(SavedSpec saved, boolean trusts) throws Refused {
        BackendKind.Savable kind = kind(saved, BackendKind.Savable.class, RESTORED);
        String found =
                hostCalls.make(
                        () ->
                                decoded(
                                        saved,
                                        RESTORED,
                                        () -> kind.check(saved.version(), saved.reader(), trusts)),
                        _ -> {});
        return saved.kind().directory() + ": " + found;
    }

    private static Optional<BackendDevice.Copied> copied(ServedDevice device) {
        return device.served() instanceof BackendDevice.Copied copied && copied.isHere()
                ? Optional.of(copied)
                : Optional.empty();
    }

    /// The disks of a domain whose content is on this host, by their places in [#needs], with the bytes that they take.
    ///
    /// @throws Refused if one cannot be copied
    public SortedMap<Integer, Long> copied(DomId domain) throws Refused {
        SortedMap<Integer, Long> disks = new TreeMap<>();
        List<ServedDevice> all = of(domain);
        for (int place = 0; place < all.size(); place++) {
            Optional<BackendDevice.Copied> disk = copied(all.get(place));
            if (disk.isPresent()) {
                disks.put(place, hostCalls.make(disk.get()::copiedBytes, _ -> {}));
            }
        }
        return disks;
    }

    /// Begins to copy these disks, in this order.
    ///
    /// @return to be closed
    public List<BackendDevice.DiskCopy> copy(DomId domain) {
        return of(domain).stream()
                .flatMap(device -> copied(device).stream())
                .map(BackendDevice.Copied::copy)
                .toList();
    }

    /// Checks that a copy of a disk of another host could be made here.
    ///
    /// @param bytes that it takes there, without its holes
    /// @param replaces whether the copy may take the place of a file that is there
    /// @throws Refused with one line for the operator
    public BackendKind.CopyPlace place(SavedSpec saved, long bytes, boolean replaces)
            throws Refused {
        BackendKind.Copied kind = kind(saved, BackendKind.Copied.class, COPIED);
        return hostCalls.make(
                () ->
                        decoded(
                                saved,
                                COPIED,
                                () -> kind.place(saved.version(), saved.reader(), bytes, replaces)),
                _ -> {});
    }

    /// Begins a copy of a disk of another host.
    ///
    /// @param replaces as for [#place]
    /// @throws Refused with one line for the operator
    public BackendKind.IncomingDisk incoming(SavedSpec saved, boolean replaces) throws Refused {
        BackendKind.Copied kind = kind(saved, BackendKind.Copied.class, COPIED);
        return hostCalls.make(
                () ->
                        decoded(
                                saved,
                                COPIED,
                                () -> kind.copy(saved.version(), saved.reader(), replaces)),
                BackendKind.IncomingDisk::close);
    }

    /// Flushes the devices of a domain of which one host alone may have a part. The guest runs.
    ///
    /// @param copies whether disks are copied that are on this host: then they are not flushed
    /// @throws Refused if that fails
    public void flush(DomId domain, boolean copies) throws Refused, InterruptedException {
        for (ServedDevice device : of(domain)) {
            if (device.served() instanceof BackendDevice.Claimed claimed
                    && !(copies && copied(device).isPresent())) {
                claimed.flush(HAND_OVER);
            }
        }
    }

    /// Gives up what one host alone may have of a domain's devices, which stand still and stay so until [#claim].
    ///
    /// @param copies whether disks are copied that are on this host: then they stay here, and all that the guest has
    ///     written can be read
    /// @throws Refused if one cannot be given up; others may have been
    public void release(DomId domain, boolean copies) throws Refused, InterruptedException {
        for (ServedDevice device : of(domain)) {
            device.change(
                    HAND_OVER,
                    (claimed, connection) -> {
                        Optional<BackendDevice.Copied> stays =
                                copies ? copied(device) : Optional.empty();
                        if (stays.isPresent()) {
                            connection.requireQuiet(stays.get());
                        } else {
                            connection.release(claimed, HAND_OVER);
                        }
                    });
        }
    }

    /// Claims again what was given up of a domain's devices.
    ///
    /// @throws Refused if one cannot be claimed; others may have been
    public void claim(DomId domain) throws Refused, InterruptedException {
        for (ServedDevice device : of(domain)) {
            device.change(HAND_OVER, (claimed, connection) -> connection.claim(claimed));
        }
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

    /// Keeps the descriptors of a device that another process has had, until [#restore] takes them.
    ///
    /// @throws IllegalArgumentException if there are some already
    public void receive(PvDevice device, ImmutableIntArray descriptors) {
        if (received.putIfAbsent(device, descriptors) != null) {
            throw new IllegalArgumentException(device + " came twice");
        }
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
