package io.xenemu.core.backend;

import com.google.common.primitives.Bytes;
import com.google.common.primitives.ImmutableIntArray;
import com.google.common.util.concurrent.MoreExecutors;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;

/// One device that the service serves, from when its nodes exist until it is gone. It follows both ends' nodes and
/// takes one step after the other ([Transitions]).
///
/// Everything happens in order on one thread at a time ([StepThreads]). Watch events only ask for a look at the nodes,
/// and ask once however many there are (XSA-349), since they come on the threads of vCPUs that write.
final class ServedDevice implements Frontend.Reports {
    /// Steps of one look. A guest that changes its state all the time gets the next ones after others had a turn.
    private static final int MAX_STEPS = 8;

    /// Pause before nodes are read again that a guest changes all the time.
    private static final long RETRY_NANOS = 10_000_000;

    /// Nodes that say how many queues a device has.
    private static final List<String> QUEUE_LIMITS = List.of("multi-queue-max-queues", "max-rings");

    private final PvDevice device;
    private final BackendDevice served;
    private final Handshake handshake;
    private final Frontend.ServedPlace place;
    private final DeviceDirectory directory;
    private final DeviceLog log;
    private final Consumer<ServedDevice> gone;
    private final Executor serial;

    /// Whether a look is due that has not begun.
    private final AtomicBoolean lookDue = new AtomicBoolean();

    private final DeviceEnd end = new DeviceEnd();

    // Only the serial executor's current thread uses these, but reads of the phase.
    private volatile Phase phase = Phase.INITIALISING;
    private int offered;
    private final ServedConnection connection;
    private boolean held;

    /// @param executor runs the steps
    /// @param gone called when the device is gone, and nothing is left of it
    ServedDevice(
            PvDevice device,
            Domain domain,
            BackendDevice served,
            Handshake handshake,
            Frontend.ServedPlace place,
            DeviceDirectory directory,
            Executor executor,
            Consumer<ServedDevice> gone) {
        this.device = device;
        this.served = served;
        this.handshake = handshake;
        this.place = place;
        this.directory = directory;
        this.gone = gone;
        log = new DeviceLog(device);
        connection = new ServedConnection(device, domain, served, place, log);
        serial = MoreExecutors.newSequentialExecutor(executor);
    }

    /// Begins to follow the nodes.
    void start() {
        directory.watch(this::changed);
    }

    /// Takes the place of a device that was saved, with its connection. It stands still until [#resume]. Called before
    /// [#start].
    ///
    /// @param restored made by its kind
    void restore(DeviceState state, BackendDevice.Savable restored) throws XenError {
        held = true;
        phase = state.phase();
        offered = state.offered();
        if (phase != Phase.INITIALISING) {
            directory.takeOver();
            var _ = restored.features(device);
        }
        if (phase.isConnected()) {
            try {
                connection.restore(restored, this);
            } catch (FrontendError e) {
                connection.end();
                refuse(e);
            }
        }
    }

    /// The state of a device that stands still and can be saved.
    DeviceState save() {
        if (!(served instanceof BackendDevice.Savable savable)) {
            throw new IllegalStateException(device + " cannot be saved");
        }
        BackendDevice.Saved saved = connection.save(savable);
        return new DeviceState(
                device.kind(),
                device.id(),
                phase.shown(),
                connection.exists(),
                offered,
                saved.version(),
                Bytes.asList(saved.body().toBytes()));
    }

    /// Whether its kind can give it to another process, unless it [#stays].
    boolean canBeHandedOver() {
        return served instanceof BackendDevice.HandedOver;
    }

    /// The reason for which another process cannot have it; empty if it can.
    Optional<String> stays() {
        return served instanceof BackendDevice.HandedOver handed
                ? handed.stays()
                : Optional.of("what it has open cannot be handed over yet");
    }

    /// The descriptors of a device that stands still and does not [#stays].
    ///
    /// @throws Refused if it cannot be handed over now
    ImmutableIntArray descriptors() throws Refused {
        if (!(served instanceof BackendDevice.HandedOver handed)) {
            throw new IllegalStateException(device + " stays");
        }
        return connection.descriptors(handed);
    }

    /// Another process has the device now.
    void handedOver() {
        if (served instanceof BackendDevice.HandedOver handed) {
            handed.handedOver();
        }
    }

    PvDevice device() {
        return device;
    }

    Phase phase() {
        return phase;
    }

    BackendDevice served() {
        return served;
    }

    /// A node may have changed.
    void changed() {
        if (lookDue.compareAndSet(false, true)) {
            serial.execute(this::look);
        }
    }

    private void look() {
        lookDue.set(false);
        // The nodes may be another device's since this one is gone.
        if (!held && phase != Phase.GONE) {
            guarded(this::steps);
        }
    }

    private void steps() throws XenError {
        try {
            for (int steps = 0; steps < MAX_STEPS; steps++) {
                if (!step()) {
                    return;
                }
            }
            changed();
        } catch (XenError e) {
            if (e == XenError.EAGAIN) {
                // The guest changes its nodes all the time.
                LockSupport.parkNanos(RETRY_NANOS);
                changed();
            }
            throw e;
        }
    }

    /// @return false if there was nothing to do
    private boolean step() throws XenError {
        DeviceDirectory.Seen seen = directory.look();
        if (seen.closing() && phase != Phase.CLOSED) {
            closing();
        }
        Transition next = Transitions.next(phase, seen.front(), seen.online(), handshake);
        switch (next) {
            case NOTHING -> {
                return false;
            }
            case AWAIT -> {
                return await();
            }
            case CONNECT -> connect();
            case RESTART -> {
                connection.end();
                return await();
            }
            case RECONFIGURE -> reconfigure();
            case RECONFIGURED -> show(Phase.CONNECTED, Map.of());
            case CLOSE -> {
                closing();
                show(phase, Map.of());
            }
            case FINISH -> {
                connection.end();
                show(Phase.CLOSED, Map.of());
            }
            case REMOVE -> {
                remove();
                return false;
            }
            case REFUSE ->
                    refuse(
                            new FrontendError(
                                    XenError.EINVAL,
                                    "the front end's state is not a possible one"));
        }
        return true;
    }

    private void show(Phase reached, Map<String, String> nodes) throws XenError {
        phase = reached;
        directory.publish(nodes, reached.shown());
    }

    private void closing() {
        phase = connection.exists() ? Phase.CLOSING : Phase.UNCONNECTED;
    }

    /// Waits for the front end, with as many queues as there are engines for.
    ///
    /// @return false if the device can have no queue, and nothing has changed
    private boolean await() throws XenError {
        offered = place.threads().offered(device);
        if (offered == 0) {
            boolean isNew = phase != Phase.UNCONNECTED;
            if (isNew) {
                refuse(
                        new FrontendError(
                                XenError.ENODEV, "the guest has no engine for its first queue"));
            }
            return isNew;
        }
        SequencedMap<String, String> features = new LinkedHashMap<>(served.features(device));
        for (String node : QUEUE_LIMITS) {
            features.computeIfPresent(
                    node, (_, most) -> Integer.toString(Math.min(Integer.parseInt(most), offered)));
        }
        show(Phase.INIT_WAIT, features);
        return true;
    }

    private void connect() throws XenError {
        try {
            Map<String, String> properties =
                    connection.make(directory.frontendNodes().withQueues(offered), this);
            directory.noError();
            show(Phase.CONNECTED, properties);
            connection.open();
            log.connected();
        } catch (FrontendError e) {
            connection.end();
            refuse(e);
        } catch (XenError e) {
            connection.end();
            if (e == XenError.EAGAIN) {
                phase = Phase.INIT_WAIT;
                throw e;
            }
            refuse(new FrontendError(e, "the front end's nodes cannot be read"));
        } catch (KvmException e) {
            connection.end();
            refuse(new FrontendError(XenError.ENOMEM, "the host: " + e.getMessage()));
        } catch (RuntimeException | Error e) {
            log.bug(e);
            connection.end();
            refuse(new FrontendError(XenError.EIO, "internal error"));
        }
    }

    private void reconfigure() throws XenError {
        try {
            connection.reconfigure(directory.frontendNodes());
            show(Phase.RECONFIGURED, Map.of());
        } catch (FrontendError e) {
            refuse(e);
        }
    }

    private void refuse(FrontendError error) throws XenError {
        log.say(error.line());
        directory.error(error.node());
        closing();
        show(phase, Map.of());
    }

    private void remove() throws XenError {
        directory.unwatch();
        try {
            connection.end();
        } finally {
            phase = Phase.GONE;
            try {
                served.close();
            } finally {
                leave();
            }
        }
    }

    /// Whoever waits for the end may attach a device of the same number at once, so the last node comes before.
    private void leave() throws XenError {
        try {
            directory.publish(Map.of(), XenbusState.CLOSED);
        } finally {
            gone.accept(this);
            end.reached();
        }
    }

    /// Ends the device, whatever the nodes say. Requests in flight keep it for as long as they take.
    ///
    /// @param deadline in `System.nanoTime()`, for whoever waits; a second call keeps that of the first
    void end(long deadline) {
        if (!end.begin(deadline)) {
            return;
        }
        serial.execute(() -> {
            held = false;
            if (phase != Phase.GONE) {
                guarded(this::remove);
            }
        });
    }

    /// Its end, to wait for.
    DeviceEnd end() {
        return end;
    }

    /// Brings the device to a stop: no step, no work, no request in flight that its state would not have, until
    /// [#resume].
    ///
    /// @return the reason for which it does not stop within `limit`, or cannot be saved, as it follows the device's
    ///     name; then [#resume] is to be called
    Optional<String> hold(Duration limit) throws InterruptedException {
        CompletableFuture<Optional<String>> still = new CompletableFuture<>();
        serial.execute(() -> {
            held = true;
            try {
                still.complete(connection.hold(limit));
            } catch (InterruptedException | RuntimeException | Error e) {
                still.completeExceptionally(e);
            }
        });
        // It may be in the middle of a step.
        Duration all = limit.plus(Backends.LIMIT);
        try {
            return still.get(all.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            return Optional.of("is busy after %d s".formatted(all.toSeconds()));
        } catch (ExecutionException e) {
            throw new IllegalStateException(device + " cannot be held", e.getCause());
        }
    }

    /// What one host alone may have of the device, given up or claimed while it is held.
    interface Change {
        void of(BackendDevice.Claimed claimed, ServedConnection connection)
                throws Refused, InterruptedException;
    }

    /// Gives up what one host alone may have of the device, or claims it again, while it is held. A device without such
    /// a thing has nothing to do.
    ///
    /// @throws Refused if that fails, or takes longer than `limit`; then it is still under way, and what is asked for
    ///     next comes after it
    void change(Duration limit, Change change) throws Refused, InterruptedException {
        if (!(served instanceof BackendDevice.Claimed claimed)) {
            return;
        }
        CompletableFuture<Boolean> done = new CompletableFuture<>();
        serial.execute(() -> {
            try {
                if (!held) {
                    throw new IllegalStateException(device + " does not stand still");
                }
                change.of(claimed, connection);
                done.complete(true);
            } catch (Refused | InterruptedException | RuntimeException | Error e) {
                done.completeExceptionally(e);
            }
        });
        try {
            boolean _ = done.get(limit.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            throw new Refused(
                    "%s: the host does not answer within %d s"
                            .formatted(device.name(), limit.toSeconds()));
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Refused refused) {
                throw new Refused(refused.kind(), device.name() + ": " + refused.reason());
            }
            throw new IllegalStateException(
                    device + " cannot be given up or claimed", e.getCause());
        }
    }

    /// Lets the device go on after [#hold].
    void resume() {
        serial.execute(() -> {
            held = false;
            connection.resume();
            // Looks that came while it was held have done nothing.
            changed();
        });
    }

    @Override
    public void update(Frontend from, SequencedMap<String, String> nodes, boolean announced) {
        report(
                from,
                () -> {
                    // A device that closes, or changes its settings, shows another state.
                    if (announced && phase == Phase.CONNECTED) {
                        directory.publish(nodes, phase.shown());
                    } else {
                        directory.publish(nodes);
                    }
                });
    }

    @Override
    public void broken(Frontend from, FrontendError error) {
        report(
                from,
                () -> {
                    log.say(error.line());
                    directory.error(error.node());
                });
    }

    @Override
    public void failed(Frontend from, Throwable failure) {
        report(
                from,
                () -> {
                    if (failure instanceof KvmException e) {
                        log.say(String.valueOf(e.getMessage()));
                    } else {
                        log.bug(failure);
                    }
                    refuse(new FrontendError(XenError.EIO, "the device has failed"));
                });
    }

    private interface NodeChange {
        void run() throws XenError;
    }

    /// Carries out what a connection asks for, unless it has ended meanwhile.
    private void report(Frontend from, NodeChange change) {
        serial.execute(() -> {
            if (connection.isOf(from)) {
                guarded(change);
            }
        });
    }

    private void guarded(NodeChange change) {
        try {
            change.run();
        } catch (XenError e) {
            log.say("XenStore refuses: " + e.symbol());
        } catch (RuntimeException | Error e) {
            log.bug(e);
        }
    }

    @Override
    public String toString() {
        return device.toString();
    }
}
