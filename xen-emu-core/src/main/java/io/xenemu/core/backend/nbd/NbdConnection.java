package io.xenemu.core.backend.nbd;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.core.backend.block.DiskStore;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.socket.StreamSocket;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.Condition;
import org.jspecify.annotations.Nullable;

/// One connection to a server: the requests on it, and the task of sending them. Whoever calls holds the disk's lock,
/// except where a method says otherwise.
final class NbdConnection implements AutoCloseable {
    /// How long to wait for a server that does not take the last word.
    private static final Duration FAREWELL = Duration.ofSeconds(1);

    final StreamSocket socket;
    final NbdExport export;
    final ReplyBuffer replies;
    private final Arena arena;

    final RequestSlots slots = new RequestSlots();

    /// Of whoever has the task of sending.
    final RequestBatch batch;

    private final RequestQueue waiting = new RequestQueue();

    /// Whether a thread has the task of sending.
    private boolean sending;

    /// Whether that task waits for the connection's own sender, as the server does not take everything at once.
    private boolean handedOver;

    private boolean unsent;
    private boolean ended;
    private final Condition toSender;
    private @Nullable Thread reader;
    private @Nullable Thread sender;

    private NbdConnection(
            Arena arena,
            StreamSocket socket,
            NbdServer server,
            boolean askBlockSize,
            Condition toSender)
            throws IOException {
        this.arena = arena;
        this.toSender = toSender;
        this.socket = socket;
        this.replies = new ReplyBuffer(arena, socket::receive);
        this.batch = new RequestBatch(arena);
        this.export = NbdHandshake.negotiate(replies, socket::send, server.export(), askBlockSize);
        socket.limit(Duration.ZERO);
    }

    /// Connects and negotiates. Needs no lock.
    ///
    /// @param toSender of the lock that guards the connection
    static NbdConnection open(NbdServer server, Condition toSender) throws IOException {
        NbdConnection connection = open(server, true, toSender);
        if (connection.export.minimumBlock() <= DiskStore.SECTOR) {
            return connection;
        }
        // A server that was not asked takes any block, or says that it does not.
        try {
            return open(server, false, toSender);
        } finally {
            connection.disconnect();
            connection.close();
        }
    }

    private static NbdConnection open(NbdServer server, boolean askBlockSize, Condition toSender)
            throws IOException {
        StreamSocket socket = server.connect();
        Arena arena = Arena.ofShared();
        boolean opened = false;
        try {
            NbdConnection connection =
                    new NbdConnection(arena, socket, server, askBlockSize, toSender);
            opened = true;
            return connection;
        } catch (IOException e) {
            throw server.explained(e);
        } finally {
            if (!opened) {
                socket.close();
                arena.close();
            }
        }
    }

    /// Gives a request a slot, and queues it for sending.
    void assign(NbdRequest request) {
        request.sent = false;
        request.answered = false;
        request.errno = 0;
        request.covered = 0;
        request.scattered = null;
        slots.assign(request);
        waiting.addLast(request);
    }

    /// Takes all requests that were not answered.
    List<NbdRequest> takeAll() {
        while (waiting.removeFirst() != null) {
            // All of them have slots.
        }
        return slots.all();
    }

    /// Takes the task of sending, if there is something to send and nobody has the task.
    boolean claim() {
        boolean claimed = !sending && !ended && waiting.first() != null;
        sending |= claimed;
        return claimed;
    }

    /// Gives the task back.
    void release() {
        sending = false;
    }

    boolean isSending() {
        return sending;
    }

    /// Leaves the task to the connection's own sender.
    ///
    /// @param rest whether a part of the last requests is not sent
    /// @return false if the connection has ended, with which the task has too
    boolean handOver(boolean rest) {
        sending = !ended;
        handedOver = !ended;
        unsent = rest;
        return !ended;
    }

    /// Takes the task over.
    ///
    /// @return false if nobody has left it
    boolean takeOver() {
        boolean taken = handedOver;
        handedOver = false;
        return taken;
    }

    /// Whether a part of the last requests is not sent.
    boolean hasUnsent() {
        return unsent;
    }

    /// Signalled, under the lock, when the task was left to the sender, or the connection has ended.
    Condition toSender() {
        return toSender;
    }

    /// Ends sending and receiving.
    void end() {
        ended = true;
        if (handedOver) {
            handedOver = false;
            sending = false;
        }
        toSender.signalAll();
        socket.shutdown();
    }

    boolean hasEnded() {
        return ended;
    }

    void reader(Thread thread) {
        reader = thread;
    }

    void rename(String name) {
        if (reader != null) {
            reader.setName(name);
        }
    }

    void startReader() {
        if (reader != null) {
            reader.start();
        }
    }

    /// The connection's sender, which is made when it is first needed.
    @Nullable Thread sender() {
        return sender;
    }

    void sender(Thread thread) {
        sender = thread;
    }

    /// Waits for the connection's threads after [#end]. Needs that the lock is not held.
    void join() {
        for (Thread thread : new @Nullable Thread[] {reader, sender}) {
            if (thread != null) {
                Uninterruptibles.joinUninterruptibly(thread);
            }
        }
    }

    /// Takes the next requests to send, as many as fit one call.
    ///
    /// @return false if there are none
    boolean fill() {
        return batch.fill(waiting);
    }

    /// Sends what [#fill] took. Needs no lock, but the task of sending.
    ///
    /// @param wait whether to wait for the server to take it
    /// @return whether all was sent
    boolean send(boolean wait) throws IOException {
        if (wait) {
            socket.send(batch.out());
            return true;
        }
        return socket.sendAtOnce(batch.out());
    }

    /// Sends one command and waits for its reply, before the connection's threads run. Needs no lock.
    ///
    /// @param data of a write, else empty
    /// @throws NbdException if the server refuses
    void call(int command, long offset, long length, MemorySegment data) throws IOException {
        Answer answer = new Answer(new NbdRequest().set(command, offset, length, 0, null));
        answer.request.cookie = slots.newCookie(0);
        batch.only(command, answer.request.cookie, offset, Math.toIntExact(length), data);
        socket.send(batch.out());
        ReplyReader reader = new ReplyReader(replies, export, answer);
        while (!answer.answered) {
            reader.readOne();
        }
        if (answer.errno != 0) {
            throw new NbdException(
                    "the NBD server does not take an acknowledged write again: "
                            + Errno.name(answer.errno));
        }
    }

    /// The reply to the one command of [#call].
    private static final class Answer implements ReplyReader.Requests {
        final NbdRequest request;
        boolean answered;
        int errno;

        Answer(NbdRequest request) {
            this.request = request;
        }

        @Override
        public @Nullable NbdRequest find(long cookie) {
            return cookie == request.cookie ? request : null;
        }

        @Override
        public void answered(NbdRequest answeredRequest, int error) {
            answered = true;
            errno = error;
        }
    }

    /// Takes leave of the server. Needs no lock, but that nobody sends or receives any more.
    void disconnect() {
        try {
            socket.limit(FAREWELL);
            batch.only(NbdProtocol.CMD_DISC, 0, 0, 0, MemorySegment.NULL);
            socket.send(batch.out());
        } catch (IOException _) {
            // The server has gone first.
        }
    }

    /// Closes the socket. Needs no lock, but that nobody uses the connection any more.
    @Override
    public void close() {
        socket.close();
        arena.close();
    }
}
