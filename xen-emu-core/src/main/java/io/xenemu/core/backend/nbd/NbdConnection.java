package io.xenemu.core.backend.nbd;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.core.backend.block.DiskStore;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.IoVectors;
import io.xenemu.kvm.socket.StreamSocket;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.Condition;
import org.jspecify.annotations.Nullable;

/// One connection to a server: the requests on it, and the bytes to send. Whoever calls holds the disk's lock, except
/// where a method says otherwise.
final class NbdConnection implements AutoCloseable {
    /// Requests under way at once: half a ring of 256 on each of a few connections keeps a server busy. One more is
    /// for the disk's own flush.
    static final int SLOTS = 128;

    /// Requests in one system call.
    private static final int BATCH = 32;

    private static final int SLOT_BITS = 8;

    /// How long to wait for a server that does not take the last word.
    private static final Duration FAREWELL = Duration.ofSeconds(1);

    final StreamSocket socket;
    final NbdExport export;
    final ReplyBuffer replies;
    private final Arena arena;

    private final @Nullable NbdRequest[] slots = new @Nullable NbdRequest[SLOTS + 1];
    private final int[] free = new int[SLOTS + 1];
    private int freeCount;
    private long cookies;

    private final RequestQueue waiting = new RequestQueue();

    /// Whether a thread has the task of sending; the vector and headers are its own.
    private boolean sending;

    /// Whether that task waits for the connection's own sender, as the server does not take everything at once.
    private boolean handedOver;

    private boolean unsent;
    private boolean ended;
    private final Condition toSender;
    private @Nullable Thread reader;
    private @Nullable Thread sender;

    private final IoVectors out;
    private final MemorySegment headers;
    private final NbdRequest[] batch = new NbdRequest[BATCH];
    private int batched;

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
        this.out = new IoVectors(arena, IoVectors.MAX_COUNT);
        this.headers = arena.allocate(BATCH * NbdProtocol.REQUEST_BYTES, Long.BYTES);
        this.export = NbdHandshake.negotiate(replies, socket::send, server.export(), askBlockSize);
        socket.limit(Duration.ZERO);
        for (int i = SLOTS; i >= 0; i--) {
            free[freeCount++] = i;
        }
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

    /// Requests that were not answered.
    int inFlight() {
        return SLOTS + 1 - freeCount;
    }

    /// Whether there is room for a request.
    ///
    /// @param own whether it is the disk's own flush, which has a place of its own
    boolean hasRoom(boolean own) {
        return freeCount > (own ? 0 : 1);
    }

    /// Gives a request a slot, and queues it for sending.
    void assign(NbdRequest request) {
        int slot = free[--freeCount];
        request.cookie = ++cookies << SLOT_BITS | slot;
        request.sent = false;
        request.answered = false;
        request.errno = 0;
        request.covered = 0;
        request.scattered = null;
        slots[slot] = request;
        waiting.addLast(request);
    }

    /// The request with a cookie, if it is under way here and not answered.
    @Nullable NbdRequest find(long cookie) {
        int slot = (int) (cookie & ((1 << SLOT_BITS) - 1));
        NbdRequest request = slot < slots.length ? slots[slot] : null;
        return request != null && request.cookie == cookie && !request.answered ? request : null;
    }

    /// Frees the slot of a request that was sent and answered.
    void free(NbdRequest request) {
        int slot = (int) (request.cookie & ((1 << SLOT_BITS) - 1));
        slots[slot] = null;
        free[freeCount++] = slot;
    }

    /// Takes all requests that were not answered.
    List<NbdRequest> takeAll() {
        List<NbdRequest> taken = new ArrayList<>();
        for (NbdRequest request : slots) {
            if (request != null) {
                taken.add(request);
            }
        }
        while (waiting.removeFirst() != null) {
            // All of them have slots.
        }
        return taken;
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
        batched = 0;
        out.clear();
        for (NbdRequest next = waiting.first();
                next != null && batched < BATCH && fits(next);
                next = waiting.first()) {
            waiting.removeFirst();
            header(next);
            if (next.command() == NbdProtocol.CMD_WRITE) {
                out.addPart(next.data(), next.done, next.part);
            }
            batch[batched++] = next;
        }
        return batched > 0;
    }

    private boolean fits(NbdRequest next) {
        return batched == 0
                || next.command() != NbdProtocol.CMD_WRITE
                || out.room() > next.data().count();
    }

    private void header(NbdRequest request) {
        boolean ranged = request.command() != NbdProtocol.CMD_FLUSH;
        write(
                batched,
                request.flags() | (request.forced ? NbdProtocol.CMD_FLAG_FUA : 0),
                request.command(),
                request.cookie,
                ranged ? request.partOffset() : 0,
                ranged ? request.part : 0);
    }

    private void write(int index, int flags, int command, long cookie, long offset, int length) {
        MemorySegment h = headers;
        long at = (long) index * NbdProtocol.REQUEST_BYTES;
        h.set(NbdProtocol.BE_32, at, NbdProtocol.REQUEST_MAGIC);
        h.set(NbdProtocol.BE_16, at + 4, (short) flags);
        h.set(NbdProtocol.BE_16, at + 6, (short) command);
        h.set(NbdProtocol.BE_64, at + 8, cookie);
        h.set(NbdProtocol.BE_64, at + 16, offset);
        h.set(NbdProtocol.BE_32, at + 24, length);
        out.add(h.address() + at, NbdProtocol.REQUEST_BYTES);
    }

    /// Sends what [#fill] took. Needs no lock, but the task of sending.
    ///
    /// @param wait whether to wait for the server to take it
    /// @return whether all was sent
    boolean send(boolean wait) throws IOException {
        if (wait) {
            socket.send(out);
            return true;
        }
        return socket.sendAtOnce(out);
    }

    /// How many requests [#fill] took.
    int batched() {
        return batched;
    }

    /// One of the requests that [#fill] took.
    NbdRequest batched(int i) {
        return batch[i];
    }

    /// Sends one command and waits for its reply, before the connection's threads run. Needs no lock.
    ///
    /// @param data of a write, else empty
    /// @throws NbdException if the server refuses
    void call(int command, long offset, long length, MemorySegment data) throws IOException {
        Answer answer = new Answer(new NbdRequest().set(command, offset, length, 0, null));
        answer.request.cookie = ++cookies << SLOT_BITS;
        out.clear();
        write(0, 0, command, answer.request.cookie, offset, Math.toIntExact(length));
        if (data.byteSize() > 0) {
            out.add(data.address(), data.byteSize());
        }
        socket.send(out);
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
            out.clear();
            write(0, 0, NbdProtocol.CMD_DISC, 0, 0, 0);
            socket.send(out);
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
