package io.xenemu.core.toolstack;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.client.XenStoreClient;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Paravirtual devices, whose back end is the service or another domain (a driver domain). A device lives as long as
/// its front end's domain and is re-created when the guest reboots. If the back end's domain ends, the device stays
/// until it is detached. All this is the same as with xl.
public final class PvDevices implements AutoCloseable {
    /// Time limit for a back end, as in xl (`LIBXL_INIT_TIMEOUT`, `LIBXL_DESTROY_TIMEOUT`).
    private static final Duration LIMIT = Duration.ofSeconds(10);

    /// The waits for a back end that a removal makes one after the other, and one more.
    private static final int REMOVAL_WAITS = 4;

    /// Between two looks whether a guest still uses a device that is to be detached.
    private static final Duration USE_POLL = Duration.ofMillis(50);

    private static final Logger log = LoggerFactory.getLogger(PvDevices.class);

    private final XenStoreClient client;
    private final DeviceNodes nodes;
    private final DeviceList list;
    private final XenbusWait wait;
    private final Duration limit;
    private final DeviceEvents events;
    private final ServiceBackends service;

    /// Devices for which an operator's command is waiting.
    private final Set<PvDevice> busy = ConcurrentHashMap.newKeySet();

    /// The specifications of devices that their back ends have taken.
    private final Map<PvDevice, DeviceSpec> specs = new ConcurrentHashMap<>();

    private final DeviceRemovals removals = new DeviceRemovals();

    private final ExecutorService background =
            Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("pv-device").factory());

    /// @param events told of each device that is attached or removed
    /// @param service serves the devices whose back end is domain 0
    public PvDevices(XenStoreServer xenstore, DeviceEvents events, ServiceBackends service) {
        this(xenstore, events, service, LIMIT);
    }

    /// @param limit the longest time to wait for a back end
    PvDevices(XenStoreServer xenstore, DeviceEvents events, Duration limit) {
        this(xenstore, events, ServiceBackends.NONE, limit);
    }

    /// @param limit the longest time to wait for a back end
    public PvDevices(
            XenStoreServer xenstore, DeviceEvents events, ServiceBackends service, Duration limit) {
        this.service = service;
        this.events = events;
        this.limit = limit;
        client = xenstore.client();
        nodes = new DeviceNodes(client);
        list = new DeviceList(nodes);
        wait = new XenbusWait(nodes, limit);
    }

    /// The devices that exist.
    public DeviceList list() {
        return list;
    }

    /// Creates a device. Returns before its ends have seen it.
    ///
    /// @throws Refused if there is such a device already, one of the domains is ending, XenStore refuses its values, or
    ///     the service cannot have what it needs
    public PvDevice create(DomId frontend, DomId backend, DeviceSpec spec) throws Refused {
        if (!backend.equals(DomId.DOM0)) {
            return createNodes(frontend, backend, spec);
        }
        ServiceBackends.Opened opened = service.open(spec);
        boolean served = false;
        try {
            PvDevice device = createNodes(frontend, backend, opened.completed(spec));
            serve(opened, device);
            served = true;
            return device;
        } finally {
            if (!served) {
                opened.discard();
            }
        }
    }

    private void serve(ServiceBackends.Opened opened, PvDevice device) throws Refused {
        boolean served = false;
        try {
            opened.serve(device);
            served = true;
        } finally {
            if (!served) {
                remove(device);
            }
        }
    }

    private PvDevice createNodes(DomId frontend, DomId backend, DeviceSpec spec) throws Refused {
        try {
            return nodes.create(frontend, backend, spec);
        } catch (XenError e) {
            if (e == XenError.EEXIST) {
                throw new Refused("the domain has such a device already");
            }
            if (e == XenError.ENOENT) {
                throw new Refused("one of the two domains is starting or ending");
            }
            if (e == XenError.ERANGE) {
                throw new Refused(
                        "the domain has %d further consoles already, the most that Linux takes"
                                .formatted(ConsoleSpec.LAST));
            }
            throw Refused.byXenStore(e);
        }
    }

    /// Waits until the back end has taken a new device. Removes the device if that does not happen in time.
    ///
    /// @param spec the specification that it was created from
    /// @throws Refused if the back end has not taken it
    public void awaitBackend(PvDevice device, DeviceSpec spec)
            throws Refused, InterruptedException {
        awaitBackend(device, spec, "attached");
    }

    /// @param told the text to log when it has been taken
    private void awaitBackend(PvDevice device, DeviceSpec spec, String told)
            throws Refused, InterruptedException {
        take(device);
        boolean taken = false;
        try {
            boolean _ =
                    wait.state(
                            device,
                            state ->
                                    state.isEmpty()
                                            || state.get().isUp()
                                            || state.get() == XenbusState.CLOSED);
            taken = nodes.state(device).filter(XenbusState::isUp).isPresent();
            if (!taken) {
                throw notTaken(device);
            }
            keep(device, spec);
            log.info("{}: {}", device, told);
            events.attached(device);
        } catch (XenError e) {
            throw Refused.byXenStore(e);
        } finally {
            if (!taken) {
                log.info("{}: not taken by the back end, so removed", device);
                remove(device);
            }
            busy.remove(device);
        }
    }

    private Refused notTaken(PvDevice device) {
        String line =
                "%s has not taken the device within %d s"
                        .formatted(device.backend(), limit.toSeconds());
        return device.isByService()
                ? new Refused(line)
                : new Refused(line + ": does it run, with " + device.kind().driver() + "?");
    }

    private void keep(PvDevice device, DeviceSpec spec) throws XenError {
        specs.put(device, spec.numbered(device.id()));
        if (!nodes.hasRecord(device)) {
            // The domain has ended meanwhile.
            specs.remove(device);
        }
    }

    /// Knows a device of a restored domain, whose nodes are there, so that it is made again when the guest reboots.
    /// Nodes that tell what the host has chosen anew are written.
    public void restored(PvDevice device, DeviceSpec spec) {
        specs.put(device, spec.numbered(device.id()));
        try {
            nodes.renew(device, spec);
        } catch (XenError e) {
            log.warn("{}: {}", device, Refused.byXenStore(e).reason());
        }
    }

    private void take(PvDevice device) throws Refused {
        if (!busy.add(device)) {
            throw new Refused("the device is being attached or detached already");
        }
    }

    private void remove(PvDevice device) throws Refused {
        try {
            nodes.remove(device);
        } catch (XenError e) {
            throw Refused.byXenStore(e);
        }
    }

    /// Closes both ends of a device, and removes it.
    ///
    /// @throws Refused if the back end does not close it in time and removal is not forced
    public void detach(PvDevice device, DetachMode mode) throws Refused, InterruptedException {
        take(device);
        try {
            if (mode == DetachMode.ORDERLY) {
                awaitUnused(device);
            }
            boolean hasBackend = nodes.close(device, mode == DetachMode.FORCED);
            boolean letGo = !hasBackend || awaitClosed(device);
            if (!letGo && mode != DetachMode.FORCED) {
                if (mode == DetachMode.ORDERLY) {
                    throw new Refused(
                            "%s has not let go of the device within %d s; --force removes it"
                                    .formatted(device.backend(), limit.toSeconds()));
                }
                letGo = !nodes.close(device, true) || awaitClosed(device);
            }
            nodes.remove(device);
            specs.remove(device);
            log.info("{}: {}", device, detached(letGo));
            events.detached(device);
        } catch (XenError e) {
            throw Refused.byXenStore(e);
        } finally {
            busy.remove(device);
        }
    }

    /// Waits until the guest does not use a device of the service in a way that an orderly detach would break.
    private void awaitUnused(PvDevice device) throws Refused, InterruptedException {
        if (!device.isByService()) {
            return;
        }
        long deadline = System.nanoTime() + limit.toNanos();
        Optional<String> use = service.use(device);
        while (use.isPresent()) {
            if (System.nanoTime() - deadline >= 0) {
                throw new Refused(use.get() + "; --force removes it");
            }
            Thread.sleep(USE_POLL);
            use = service.use(device);
        }
    }

    private static String detached(boolean letGo) {
        return letGo ? "detached" : "removed, though its back end has not let go of it";
    }

    /// Waits until a back end has closed a device, and then until its domain, or the service, has cleaned up.
    private boolean awaitClosed(PvDevice device) throws XenError, InterruptedException {
        boolean closed =
                wait.state(device, state -> state.isEmpty() || state.get() == XenbusState.CLOSED);
        if (closed && device.isByService()) {
            return service.awaitEnd(device, limit);
        }
        if (closed) {
            wait.removal(device);
        }
        return closed;
    }

    /// Tells a guest that a device of the service has become larger on the host.
    ///
    /// @throws Refused if it has not, or if another domain serves it
    public void resize(PvDevice device) throws Refused {
        if (!device.isByService()) {
            throw new Refused(device.backend() + " serves it, and tells the guest itself");
        }
        service.resize(device);
    }

    /// Removes the devices of a domain that ends. Their back ends get [#LIMIT] to close them; this does not wait.
    public void frontendEnds(DomId frontend) {
        var _ = end(frontend);
    }

    /// The specifications of a domain's devices, in the order in which the domain has them.
    public List<DeviceSpec> specs(DomId frontend) {
        return specs.entrySet().stream()
                .filter(entry -> entry.getKey().frontend().equals(frontend))
                .sorted(Map.Entry.comparingByKey(PvDevice.BY_KIND))
                .map(Map.Entry::getValue)
                .toList();
    }

    /// Removes the devices of a domain that reboots, as [#frontendEnds] does. Keeps their specifications for
    /// [#reattach].
    public DevicesOverReboot frontendReboots(DomId frontend) {
        List<DeviceSpec> kept = specs(frontend);
        return new DevicesOverReboot(kept, end(frontend), false);
    }

    /// @return completes when they are removed
    private CompletableFuture<Void> end(DomId frontend) {
        List<PvDevice> closing = List.of();
        try {
            closing = nodes.closeAll(frontend);
        } catch (XenError e) {
            log.warn("the devices of {} cannot be removed: {}", frontend, e.getMessage());
        }
        specs.keySet().removeIf(device -> device.frontend().equals(frontend));
        CompletableFuture<Void> removed = forEach(closing, this::removeClosed);
        removals.add(frontend, removed);
        return removed;
    }

    /// Waits until nothing is left of the devices of an earlier domain of this id: a restored domain has the id that it
    /// had.
    ///
    /// @throws Refused if that takes too long
    public void awaitRemoved(DomId frontend) throws Refused {
        // Not Duration#multipliedBy, whose first use prepares all of BigDecimal: a guest that moves
        // stands still.
        removals.await(frontend, Duration.ofNanos(limit.toNanos() * REMOVAL_WAITS));
    }

    private <T> CompletableFuture<Void> forEach(List<T> all, Consumer<T> work) {
        return CompletableFuture.allOf(
                all.stream()
                        .map(one -> CompletableFuture.runAsync(() -> work.accept(one), background))
                        .toArray(CompletableFuture[]::new));
    }

    /// Creates a device for the next boot of a guest.
    public interface Maker {
        /// See [PvDevices#create].
        PvDevice create(DeviceSpec spec) throws Refused;
    }

    private record Made(PvDevice device, DeviceSpec spec) {}

    /// Creates the devices that a guest has at its start, or had before a reboot, and waits until their back ends have
    /// taken them.
    ///
    /// @return completes when all possible devices exist; with [Refused] if a required one does not. The wait is up to
    ///     [#LIMIT] for the end of the old ones, and up to [#LIMIT] for all new ones together.
    public CompletableFuture<Void> reattach(DevicesOverReboot kept, Maker maker) {
        return kept.removed().thenCompose(_ -> attachAll(kept, maker));
    }

    private CompletableFuture<Void> attachAll(DevicesOverReboot kept, Maker maker) {
        try {
            List<Made> all = makeAll(kept, maker);
            return forEach(all, made -> awaitBackend(made, kept.isRequired()));
        } catch (Refused e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    /// Creates one device after the other, since the guest finds them in this order.
    ///
    /// @throws Refused if a required one cannot be created
    private static List<Made> makeAll(DevicesOverReboot kept, Maker maker) throws Refused {
        List<Made> all = new ArrayList<>();
        for (DeviceSpec spec : kept.specs()) {
            try {
                all.add(new Made(maker.create(spec), spec));
            } catch (Refused e) {
                if (kept.isRequired()) {
                    throw e;
                }
                log.warn(
                        "device {} cannot be created again after the reboot: {}", spec, e.reason());
            }
        }
        return all;
    }

    private void awaitBackend(Made made, boolean required) {
        String told = required ? "attached" : "attached again after the reboot";
        try {
            awaitBackend(made.device(), made.spec(), told);
        } catch (Refused e) {
            if (required) {
                throw new CompletionException(e);
            }
            log.warn("{} is missing after the reboot: {}", made.device(), e.reason());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void removeClosed(PvDevice device) {
        try {
            boolean closed = awaitClosed(device);
            nodes.remove(device);
            log.info("{}: its domain has ended: {}", device, detached(closed));
            events.detached(device);
        } catch (XenError e) {
            log.warn("{} cannot be removed: {}", device, Refused.byXenStore(e).reason());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// Stops waiting for back ends.
    @Override
    public void close() {
        background.shutdownNow();
        background.close();
        client.close();
    }
}
