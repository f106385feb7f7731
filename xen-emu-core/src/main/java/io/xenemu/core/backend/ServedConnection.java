package io.xenemu.core.backend;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.XenError;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The connection of a served device with its front end, and what the frame gave for it. There is none at first, and
/// again after [#end].
///
/// For the steps of the device.
final class ServedConnection {
    /// The time that each step of a hold gets, however long those before it took.
    private static final Duration LEAST = Duration.ofSeconds(1);

    private final PvDevice device;
    private final Domain domain;
    private final BackendDevice served;
    private final Frontend.ServedPlace place;
    private final DeviceLog log;
    private @Nullable Frontend frontend;
    private @Nullable BackendConnection connection;

    ServedConnection(
            PvDevice device,
            Domain domain,
            BackendDevice served,
            Frontend.ServedPlace place,
            DeviceLog log) {
        this.device = device;
        this.domain = domain;
        this.served = served;
        this.place = place;
        this.log = log;
    }

    /// Whether there is one.
    boolean exists() {
        return connection != null;
    }

    /// Whether it is the one of a front end.
    boolean isOf(Frontend from) {
        return frontend == from && connection != null;
    }

    /// Makes it. After a failure, [#end] takes back what of it was made.
    ///
    /// @param nodes of the front end
    /// @param reports takes what the device tells of itself
    /// @return nodes for the back end's directory
    Map<String, String> make(FrontendNodes nodes, Frontend.Reports reports)
            throws FrontendError, XenError {
        Frontend front = new Frontend(device, nodes, domain, place, reports);
        frontend = front;
        BackendConnection made = served.connect(front);
        connection = made;
        return made.properties();
    }

    /// Makes that of a restored device, as it was. It stands still until [#resume]. After a failure, [#end] takes back
    /// what of it was made.
    ///
    /// @param reports takes what the device tells of itself
    void restore(BackendDevice.Savable restored, Frontend.Reports reports) throws FrontendError {
        Frontend front = new Frontend(device, FrontendNodes.of(Map.of()), domain, place, reports);
        frontend = front;
        connection = restored.reconnect(front);
    }

    /// The state of the device, which stands still.
    BackendDevice.Saved save(BackendDevice.Savable saved) {
        return saved.save(device, connection);
    }

    /// Gives up what one host alone may have of the device, which stands still.
    void release(BackendDevice.Claimed claimed, Duration limit)
            throws Refused, InterruptedException {
        claimed.release(connection, limit);
    }

    /// Checks that all that the guest of a device has written can be read. It stands still.
    void requireQuiet(BackendDevice.Copied copied) throws Refused {
        copied.requireQuiet(connection);
    }

    /// Claims it again.
    void claim(BackendDevice.Claimed claimed) throws Refused {
        claimed.claim(connection);
    }

    /// Lets its queues work.
    void open() {
        Frontend front = frontend;
        if (front != null) {
            front.open();
        }
    }

    /// Changes settings of the device, as the front end asks.
    ///
    /// @param nodes of the front end
    void reconfigure(FrontendNodes nodes) throws FrontendError {
        if (!(connection instanceof BackendConnection.Reconfigurable changing)) {
            throw new FrontendError(XenError.EOPNOTSUPP, "this device has no settings to change");
        }
        changing.reconfigure(nodes);
    }

    /// The descriptors of a device that stands still.
    ///
    /// @throws Refused if it cannot be handed over now
    ImmutableIntArray descriptors(BackendDevice.HandedOver device) throws Refused {
        return device.descriptors(connection);
    }

    /// Brings it to a stop, if there is one: no work, and no request in flight that its state would not have, until
    /// [#resume].
    ///
    /// @return the reason for which it does not stop within `limit`, or cannot be saved; then [#resume] is to be called
    Optional<String> hold(Duration limit) throws InterruptedException {
        BackendConnection current = connection;
        Frontend front = frontend;
        if (current == null || front == null) {
            return Optional.empty();
        }
        long deadline = System.nanoTime() + limit.toNanos();
        boolean drained = current.drain(limit);
        Optional<String> unsettled =
                current instanceof BackendConnection.Settling settling
                        ? settling.settle(left(deadline))
                        : busy(drained, limit);
        return unsettled.isPresent() ? unsettled : busy(front.hold(left(deadline)), limit);
    }

    private static Duration left(long deadline) {
        return Duration.ofNanos(Math.max(LEAST.toNanos(), deadline - System.nanoTime()));
    }

    private static Optional<String> busy(boolean isStill, Duration limit) {
        return isStill
                ? Optional.empty()
                : Optional.of("has requests in flight after %d s".formatted(limit.toSeconds()));
    }

    /// Lets it go on after [#hold].
    void resume() {
        BackendConnection current = connection;
        Frontend front = frontend;
        if (current != null && front != null) {
            current.resume();
            front.open();
        }
    }

    /// Ends it, if there is one, in the order of [BackendConnection]. It may have been made in part. Waits as long as
    /// requests are in flight: until then the guest's pages are in use.
    void end() {
        BackendConnection ending = connection;
        if (ending != null) {
            insist("requests are in flight", ending::drain);
            connection = null;
            try {
                ending.close();
            } catch (RuntimeException | Error e) {
                // The rest is taken back all the same.
                log.bug(e);
            }
        }
        Frontend ended = frontend;
        if (ended != null) {
            insist("a thread is at work", ended::takeBack);
            frontend = null;
        }
    }

    private interface Attempt {
        boolean within(Duration limit) throws InterruptedException;
    }

    private void insist(String reason, Attempt attempt) {
        boolean interrupted = false;
        for (boolean done = false; !done; ) {
            try {
                done = attempt.within(place.patience());
                if (!done) {
                    log.say("cannot be closed yet: " + reason);
                }
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
