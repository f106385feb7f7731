package io.xenemu.core.pv;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.XenStoreClient;
import io.xenemu.xenstore.XenStoreServer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The devices that domains have from each other. A device ends with the domain that uses it, and is made again for the domain that
/// comes after that by a reboot; when the domain that serves it ends, it stays until it is detached. All this is as under xl.
public final class PvDevices implements AutoCloseable {
    /// How long xl waits for a back end (`LIBXL_INIT_TIMEOUT`, `LIBXL_DESTROY_TIMEOUT`).
    private static final Duration LIMIT = Duration.ofSeconds(10);

    private static final Logger log = LoggerFactory.getLogger(PvDevices.class);

    private final XenStoreClient client;
    private final DeviceNodes nodes;
    private final BackendWait wait;
    private final Duration limit;

    /// Those that an operator's command is waiting for.
    private final Set<PvDevice> busy = ConcurrentHashMap.newKeySet();

    /// How those were asked for that have been taken.
    private final Map<PvDevice, DeviceSpec> specs = new ConcurrentHashMap<>();

    private final ExecutorService background =
            Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("pv-device").factory());

    public PvDevices(XenStoreServer xenstore) {
        this(xenstore, LIMIT);
    }

    /// @param limit how long a back end may take
    PvDevices(XenStoreServer xenstore, Duration limit) {
        this.limit = limit;
        client = xenstore.client();
        nodes = new DeviceNodes(client);
        wait = new BackendWait(nodes, limit);
    }

    /// Makes a device, whose two domains must not end meanwhile. Its ends have not seen it yet.
    ///
    /// @throws DeviceRefused when there is such a device, or XenStore does not take its values
    public PvDevice create(DomId frontend, DomId backend, DeviceSpec spec) throws DeviceRefused {
        try {
            return nodes.create(frontend, backend, spec);
        } catch (XenError e) {
            if (e == XenError.EEXIST) {
                throw new DeviceRefused("the domain has such a device already");
            }
            if (e == XenError.ENOENT) {
                throw new DeviceRefused("one of the domains is just starting or ending");
            }
            throw refused(e);
        }
    }

    /// Waits until the other domain has taken a new device; if it does not, the device is removed.
    ///
    /// @param spec what it was made from
    /// @throws DeviceRefused when it does not
    public void awaitBackend(PvDevice device, DeviceSpec spec)
            throws DeviceRefused, InterruptedException {
        awaitBackend(device, spec, "attached");
    }

    /// @param told what the log says when it has been taken
    private void awaitBackend(PvDevice device, DeviceSpec spec, String told)
            throws DeviceRefused, InterruptedException {
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
                throw new DeviceRefused(
                        "%s has not taken the device within %d s: does it run, with %s?"
                                .formatted(
                                        device.backend(),
                                        limit.toSeconds(),
                                        device.kind().driver()));
            }
            keep(device, spec);
            log.info("{}: {}", device, told);
        } catch (XenError e) {
            throw refused(e);
        } finally {
            if (!taken) {
                log.info("{}: not taken, and removed", device);
                remove(device);
            }
            busy.remove(device);
        }
    }

    private void keep(PvDevice device, DeviceSpec spec) throws XenError {
        specs.put(device, spec.numbered(device.id()));
        if (!nodes.hasRecord(device)) {
            // Its domain ended meanwhile.
            specs.remove(device);
        }
    }

    private void take(PvDevice device) throws DeviceRefused {
        if (!busy.add(device)) {
            throw new DeviceRefused("the device is being attached or detached already");
        }
    }

    private void remove(PvDevice device) throws DeviceRefused {
        try {
            nodes.remove(device);
        } catch (XenError e) {
            throw refused(e);
        }
    }

    /// The device that an operator means: a disk by its name or number, a network interface by its number or address.
    ///
    /// @throws DeviceRefused when there is none
    public PvDevice find(DeviceKind kind, DomId frontend, String which) throws DeviceRefused {
        try {
            OptionalInt id = VirtualDisk.number(which);
            for (PvDevice device : nodes.devices(kind, frontend)) {
                boolean numbered = id.isPresent() && id.getAsInt() == device.id();
                if (numbered || hasAddress(device, which)) {
                    return device;
                }
            }
        } catch (XenError e) {
            throw refused(e);
        }
        throw new DeviceRefused("no such device: " + which);
    }

    private boolean hasAddress(PvDevice device, String which) throws XenError {
        return device.kind() == DeviceKind.VIF
                && which.contains(":")
                && nodes.read(device.recordPath() + "/mac")
                        .flatMap(MacAddress::parse)
                        .equals(MacAddress.parse(which));
    }

    /// Has both ends let go of a device, and removes it.
    ///
    /// @throws DeviceRefused when its back end does not close it in time, and it is not to be removed nevertheless
    public void detach(PvDevice device, Removal removal)
            throws DeviceRefused, InterruptedException {
        take(device);
        try {
            boolean hasBackend = nodes.close(device, removal == Removal.FORCED);
            boolean letGo = !hasBackend || awaitClosed(device);
            if (!letGo && removal != Removal.FORCED) {
                if (removal == Removal.ORDERLY) {
                    throw new DeviceRefused(
                            "%s has not let go of the device within %d s; --force removes it"
                                    .formatted(device.backend(), limit.toSeconds()));
                }
                letGo = !nodes.close(device, true) || awaitClosed(device);
            }
            nodes.remove(device);
            specs.remove(device);
            log.info("{}: {}", device, detached(letGo));
        } catch (XenError e) {
            throw refused(e);
        } finally {
            busy.remove(device);
        }
    }

    private static String detached(boolean letGo) {
        return letGo ? "detached" : "removed, though its back end has not let go of it";
    }

    /// Waits until a back end has closed a device, and then until its domain has cleaned up.
    private boolean awaitClosed(PvDevice device) throws XenError, InterruptedException {
        boolean closed =
                wait.state(device, state -> state.isEmpty() || state.get() == XenbusState.CLOSED);
        if (closed) {
            wait.removal(device);
        }
        return closed;
    }

    /// A header and a row for each device of some domains, as xl shows them.
    public List<String> table(DeviceKind kind, List<DomId> frontends) throws DeviceRefused {
        try {
            DeviceRow row = new DeviceRow(nodes, kind);
            List<String> rows = new ArrayList<>(List.of(row.header()));
            for (DomId frontend : frontends) {
                for (PvDevice device : nodes.devices(kind, frontend)) {
                    rows.add(row.of(device));
                }
            }
            return rows;
        } catch (XenError e) {
            throw refused(e);
        }
    }

    /// Takes the devices that a domain used from those who serve them, who have [#LIMIT] for it: nobody waits.
    public void frontendEnds(DomId frontend) {
        var _ = end(frontend);
    }

    /// The same, but keeps what the devices were, for [#makeAgain].
    public KeptDevices frontendReboots(DomId frontend) {
        List<DeviceSpec> kept =
                specs.entrySet().stream()
                        .filter(entry -> entry.getKey().frontend().equals(frontend))
                        .sorted(
                                Comparator.comparing(
                                        Map.Entry::getKey,
                                        Comparator.comparing(PvDevice::kind)
                                                .thenComparingInt(PvDevice::id)))
                        .map(Map.Entry::getValue)
                        .toList();
        return new KeptDevices(kept, end(frontend));
    }

    /// @return complete when nothing is left of them
    private CompletableFuture<Void> end(DomId frontend) {
        List<PvDevice> closing = List.of();
        try {
            closing = nodes.closeAll(frontend);
        } catch (XenError e) {
            log.warn("the devices of {} cannot be removed: {}", frontend, e.getMessage());
        }
        specs.keySet().removeIf(device -> device.frontend().equals(frontend));
        return forEach(closing, this::removeClosed);
    }

    private <T> CompletableFuture<Void> forEach(List<T> all, Consumer<T> work) {
        return CompletableFuture.allOf(
                all.stream()
                        .map(one -> CompletableFuture.runAsync(() -> work.accept(one), background))
                        .toArray(CompletableFuture[]::new));
    }

    /// Makes a device for the domain that comes after a reboot.
    public interface Maker {
        /// See [PvDevices#create].
        PvDevice create(DeviceSpec spec) throws DeviceRefused;
    }

    private record Made(PvDevice device, DeviceSpec spec) {}

    /// Makes the devices that a guest had before a reboot, and waits until they have been taken. What cannot be had any more is
    /// missing then, and the log says so.
    ///
    /// @return complete when all that can be had is there: after up to [#LIMIT] for the end of the old ones, and as much again
    ///     for the new ones, all at once
    public CompletableFuture<Void> makeAgain(KeptDevices kept, Maker maker) {
        return kept.removed()
                .thenCompose(_ -> forEach(makeAll(kept.specs(), maker), this::awaitBackend));
    }

    /// One after the other: in this order the guest finds them.
    private static List<Made> makeAll(List<DeviceSpec> specs, Maker maker) {
        List<Made> all = new ArrayList<>();
        for (DeviceSpec spec : specs) {
            try {
                all.add(new Made(maker.create(spec), spec));
            } catch (DeviceRefused e) {
                log.warn("not made again after a reboot: {}: {}", spec, e.reason());
            }
        }
        return all;
    }

    private void awaitBackend(Made made) {
        try {
            awaitBackend(made.device(), made.spec(), "attached again after the reboot");
        } catch (DeviceRefused e) {
            log.warn("not there after a reboot: {}: {}", made.device(), e.reason());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void removeClosed(PvDevice device) {
        try {
            boolean closed = awaitClosed(device);
            nodes.remove(device);
            log.info("{}: its domain has ended: {}", device, detached(closed));
        } catch (XenError e) {
            log.warn("{} cannot be removed: {}", device, e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static DeviceRefused refused(XenError e) {
        return new DeviceRefused("XenStore says " + e.getMessage());
    }

    /// Waits for nobody any more.
    @Override
    public void close() {
        background.shutdownNow();
        background.close();
        client.close();
    }
}
