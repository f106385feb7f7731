package io.xenemu.core.backend.console;

import io.xenemu.core.backend.BackendConnection;
import io.xenemu.core.backend.Frontend;
import io.xenemu.core.backend.FrontendError;
import io.xenemu.core.backend.FrontendNodes;
import io.xenemu.core.backend.QueueThread;
import io.xenemu.core.backend.engine.QueueWork;
import io.xenemu.evtchn.ServicePort;
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
    private @Nullable ConsoleQueue queue;
    private boolean brokenSaid;

    private ConsoleConnection(Frontend front) {
        this.front = front;
    }

    /// Connects to the front end's ring.
    ///
    /// @throws FrontendError if its nodes, grant or port are wrong
    static ConsoleConnection connect(Frontend front, ConsoleHost host) throws FrontendError {
        ConsoleConnection connection = new ConsoleConnection(front);
        FrontendNodes nodes = front.nodes();
        MemorySegment page = front.map(nodes.ref("ring-ref"));
        QueueWork work = connection::run;
        QueueThread thread = host.mayWait() ? front.worker(0, work) : front.thread(0, work);
        thread.watch(host.descriptor());
        ServicePort port = front.bind(nodes.port("port"), thread);
        connection.queue = new ConsoleQueue(page, host, port::notifyGuest);
        return connection;
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
