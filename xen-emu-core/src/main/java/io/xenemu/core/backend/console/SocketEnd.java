package io.xenemu.core.backend.console;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.file.ByteStream;
import io.xenemu.kvm.socket.StreamListener;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A console on a Unix socket that the service listens on. It has one client at a time; the next one waits, as with
/// QEMU. What a client has sent before it left still reaches the guest.
final class SocketEnd implements HostEnd {
    private static final Logger log = LoggerFactory.getLogger(SocketEnd.class);

    private final StreamListener listener;
    private final HostEvents events;
    private @Nullable ByteStream client;

    /// Whether the client takes no output any more.
    private boolean deaf;

    /// @throws IOException if the socket cannot be had; the message names the path
    /// @throws io.xenemu.kvm.abi.KvmException if the process has no descriptor left
    SocketEnd(Path path, HostEvents events) throws IOException {
        this(StreamListener.bind(path), events);
    }

    /// One that another process of this service has opened, with its client if there is one.
    ///
    /// @param descriptors as [#descriptors] gives them; taken over, also if this fails
    /// @throws io.xenemu.kvm.abi.KvmException if they are none
    SocketEnd(Path path, ImmutableIntArray descriptors, HostEvents events) {
        this(StreamListener.received(descriptors.get(0), path), events);
        try {
            listener.ownFile();
        } catch (IOException e) {
            log.warn("the socket {} has no file: {}", listener, IoReason.withoutFile(e));
        }
        if (descriptors.length() > 1) {
            take(ByteStream.received(descriptors.get(1)));
        }
    }

    private SocketEnd(StreamListener listener, HostEvents events) {
        this.listener = listener;
        this.events = events;
        boolean done = false;
        try {
            events.addReadable(listener.fd());
            done = true;
        } finally {
            if (!done) {
                close();
            }
        }
    }

    @Override
    public boolean look() {
        return client == null && accept();
    }

    private boolean accept() {
        ByteStream next;
        try {
            next = listener.accept();
        } catch (IOException e) {
            // It waits on: the service may have descriptors later.
            log.debug("{}: {}", listener, e.getMessage());
            return false;
        }
        if (next == null) {
            return false;
        }
        take(next);
        return true;
    }

    private void take(ByteStream next) {
        boolean done = false;
        try {
            events.add(next.fd());
            done = true;
        } finally {
            if (!done) {
                next.close();
            }
        }
        client = next;
        deaf = false;
    }

    private void dismiss() {
        ByteStream gone = client;
        client = null;
        if (gone != null) {
            events.remove(gone.fd());
            gone.close();
        }
    }

    @Override
    public boolean hasReader() {
        return client != null && !deaf;
    }

    @Override
    public int write(MemorySegment from, int count) {
        ByteStream to = client;
        if (to == null || deaf) {
            return 0;
        }
        int taken = to.write(from, count);
        // What it has sent may still be unread; the end of that dismisses it.
        deaf = taken < 0 && taken != -Errno.EAGAIN;
        return Math.max(0, taken);
    }

    @Override
    public int read(MemorySegment into, int count) {
        ByteStream from = client;
        if (from == null) {
            return 0;
        }
        int given = from.read(into, count);
        if (given == 0 || (given < 0 && given != -Errno.EAGAIN)) {
            dismiss();
            // Its event may have been taken while the last one was there.
            boolean _ = accept();
        }
        return Math.max(0, given);
    }

    @Override
    public boolean mayWait() {
        return false;
    }

    @Override
    public ImmutableIntArray descriptors() {
        ByteStream current = client;
        return current == null
                ? ImmutableIntArray.of(listener.fd())
                : ImmutableIntArray.of(listener.fd(), current.fd());
    }

    @Override
    public void handedOver() {
        listener.leaveFile();
    }

    @Override
    public void close() {
        dismiss();
        try {
            listener.close();
        } catch (IOException e) {
            log.warn("the socket {} stays: {}", listener, IoReason.withoutFile(e));
        }
    }
}
