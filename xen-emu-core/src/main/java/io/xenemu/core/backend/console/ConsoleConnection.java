package io.xenemu.core.backend.console;

import io.xenemu.core.backend.BackendConnection;
import io.xenemu.core.backend.Frontend;
import io.xenemu.core.backend.FrontendError;
import io.xenemu.core.backend.FrontendNodes;
import io.xenemu.core.backend.QueueThread;
import io.xenemu.core.backend.engine.QueueWork;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.ServicePort;
import io.xenemu.gnttab.GrantRef;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Objects;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/// A guest's connection to a console: one ring on one page.
final class ConsoleConnection implements BackendConnection {
    private final Frontend front;

    /// Grant of the ring's page, and the guest's event channel.
    private final GrantRef ref;

    private final EvtchnPort guestPort;
    private @Nullable ConsoleQueue queue;
    private boolean brokenSaid;

    private ConsoleConnection(Frontend front, GrantRef ref, EvtchnPort guestPort) {
        this.front = front;
        this.ref = ref;
        this.guestPort = guestPort;
    }

    /// Connects to the front end's ring.
    ///
    /// @throws FrontendError if its nodes, grant or port are wrong
    static ConsoleConnection connect(Frontend front, ConsoleHost host) throws FrontendError {
        FrontendNodes nodes = front.nodes();
        ConsoleConnection connection =
                new ConsoleConnection(front, nodes.ref("ring-ref"), nodes.port("port"));
        connection.queue =
                connection.attach(host, (page, notify) -> new ConsoleQueue(page, host, notify));
        return connection;
    }

    /// Connects to the ring of a restored guest as its connection was.
    ///
    /// @throws FrontendError if its grant or port is not there any more
    static ConsoleConnection restore(
            Frontend front, ConsoleHost host, ConsoleDeviceState.Connection state)
            throws FrontendError {
        ConsoleConnection connection =
                new ConsoleConnection(
                        front, new GrantRef(state.ref()), new EvtchnPort(state.port()));
        connection.queue =
                connection.attach(
                        host, (page, notify) -> new ConsoleQueue(page, host, notify, state.ring()));
        return connection;
    }

    /// Makes a queue of its page.
    private interface Queue {
        ConsoleQueue on(MemorySegment page, Runnable notifyGuest);
    }

    private ConsoleQueue attach(ConsoleHost host, Queue maker) throws FrontendError {
        MemorySegment page = front.map(ref);
        QueueWork work = this::run;
        QueueThread thread = host.mayWait() ? front.worker(0, work) : front.thread(0, work);
        thread.watch(host.descriptor());
        ServicePort port = front.bind(guestPort, thread);
        return maker.on(page, port::notifyGuest);
    }

    /// The connection's state. It is drained, and its thread stands still.
    ConsoleDeviceState.Connection save() {
        return new ConsoleDeviceState.Connection(ref.value(), guestPort.value(), queue().save());
    }

    private ConsoleQueue queue() {
        return Objects.requireNonNull(queue);
    }

    private boolean run() {
        boolean active = queue().run();
        if (queue().isBroken() && !brokenSaid) {
            brokenSaid = true;
            front.broken(new FrontendError(XenError.EIO, "the ring's indices are impossible"));
        }
        return active;
    }

    @Override
    public SequencedMap<String, String> properties() {
        return new LinkedHashMap<>();
    }

    @Override
    public boolean drain(Duration limit) throws InterruptedException {
        return queue().hold(limit);
    }

    @Override
    public void resume() {
        queue().release();
    }

    @Override
    public void close() {
        queue().close();
    }
}
