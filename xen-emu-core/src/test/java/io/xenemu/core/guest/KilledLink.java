package io.xenemu.core.guest;

import com.google.common.primitives.ImmutableIntArray;
import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.core.migration.UpdateLink;
import io.xenemu.core.migration.UpdateMessage;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.socket.MessageSocket;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/// One process's end of the connection of a live update, which a test kills: it loses the connection at once, and does
/// nothing more.
final class KilledLink extends UpdateLink {
    private final int killedAt;
    private final CountDownLatch testIsOver = new CountDownLatch(1);
    private final List<String> steps = new ArrayList<>();
    private volatile boolean killed;

    /// @param killedAt the number of the step before which it is killed: two for each message, before and after it
    KilledLink(MessageSocket socket, int killedAt) {
        super(socket);
        this.killedAt = killedAt;
    }

    void kill() {
        killed = true;
        shutdown();
    }

    /// The steps that it has taken.
    List<String> steps() {
        synchronized (steps) {
            return List.copyOf(steps);
        }
    }

    /// Lets what hangs in the killed process end.
    void testIsOver() {
        testIsOver.countDown();
    }

    private void step(String what) throws IOException {
        int number;
        synchronized (steps) {
            number = steps.size();
            steps.add(what);
        }
        if (number == killedAt) {
            kill();
        }
        if (killed) {
            Uninterruptibles.awaitUninterruptibly(testIsOver);
            throw new PeerGoneException();
        }
    }

    @Override
    public void send(UpdateMessage message) throws IOException {
        send(message, () -> super.send(message));
    }

    @Override
    public void send(UpdateMessage message, MemFd file) throws IOException {
        send(message, () -> super.send(message, file));
    }

    private interface Sending {
        void run() throws IOException;
    }

    private void send(UpdateMessage message, Sending sending) throws IOException {
        String name = message.getClass().getSimpleName();
        step("sends " + name);
        try {
            sending.run();
        } finally {
            step("has sent " + name);
        }
    }

    @Override
    public void send(UpdateMessage message, ImmutableIntArray descriptors) throws IOException {
        send(message, () -> super.send(message, descriptors));
    }

    @Override
    public Received receive() throws IOException {
        step("receives");
        try {
            return super.receive();
        } finally {
            step("has received");
        }
    }
}
