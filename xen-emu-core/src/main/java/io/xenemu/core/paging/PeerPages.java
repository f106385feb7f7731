package io.xenemu.core.paging;

import io.xenemu.core.migration.PageFrame;
import io.xenemu.core.migration.PageFrameReader;
import io.xenemu.core.migration.PageRunSink;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.IoVectors;
import io.xenemu.kvm.memory.PresentPages;
import io.xenemu.kvm.socket.StreamSocket;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.LinkedHashSet;
import java.util.Queue;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The pages of a guest that are still at the host which it comes from. The other host sends them one after the other;
/// those that are asked for come first. While there is no connection, nothing comes: a page that is asked for then is
/// asked for again on the next connection. Before the first one the service is told, which may get it by itself.
///
/// Each connection begins with all that is missing, also one that a server before this one has used: what was on its
/// way to that one is left out, and comes again.
final class PeerPages implements PageSource {
    /// Bytes are taken in so often before it is another guest's turn.
    private static final int MOST_READS = 8;

    /// For the last word on a connection.
    private static final Duration LAST_WORD = Duration.ofSeconds(5);

    private final PresentPages missing;
    private final PresentPages present;
    private final int total;
    private final Arena arena = Arena.ofShared();
    private final IoVectors into = new IoVectors(arena, 1);
    private final IoVectors from = new IoVectors(arena, 1);
    private final MemorySegment outgoing = arena.allocate(1 << 16, Long.BYTES);
    private final PageFrameReader frames = new PageFrameReader();
    private final Queue<ByteBuffer> waiting = new ArrayDeque<>();

    /// The pages that were asked for, and have not come, in their order.
    private final Set<Integer> asked = new LinkedHashSet<>();

    private @Nullable StreamSocket link;
    private int number;

    /// Whether the other host has answered on this connection.
    private boolean synced;

    /// Whether the other host was told on this connection that the guest runs.
    private boolean saysRunning;

    /// Is told of pages that are needed before there was a connection.
    private final NeededEarly needed;

    /// Whether there was a connection.
    private boolean hasJoined;

    /// The pages that have not come.
    private long left;

    /// Takes a page that is needed before there was a connection.
    @FunctionalInterface
    interface NeededEarly {
        void add(int page) throws IOException;
    }

    /// The connection is lost, and nothing else is.
    static final class LinkLostException extends IOException {
        private static final long serialVersionUID = 1L;

        LinkLostException(String reason) {
            super(reason);
        }
    }

    /// @param missing those that the other host has; owned from now on
    /// @param present those that have come
    /// @param hasJoined whether there was a connection already
    /// @param needed is told of pages that are needed before there was one
    PeerPages(
            PresentPages missing,
            PresentPages present,
            long total,
            boolean hasJoined,
            NeededEarly needed) {
        this.missing = missing;
        this.present = present;
        this.total = Math.toIntExact(total);
        this.hasJoined = hasJoined;
        this.needed = needed;
        left = count();
    }

    private boolean lacks(int page) {
        return missing.has(page) && !present.has(page);
    }

    private long count() {
        long count = 0;
        for (int page = 0; page < total; page++) {
            count += lacks(page) ? 1 : 0;
        }
        return count;
    }

    /// The connection's descriptor; -1 if there is none.
    int fd() {
        return link == null ? -1 : link.fd();
    }

    /// The number of the connection.
    int link() {
        return number;
    }

    /// Begins with a connection.
    ///
    /// @param nextNumber that the service has given it
    /// @param next owned from now on; there is no other one
    /// @throws LinkLostException if it does not work
    void join(int nextNumber, StreamSocket next) throws LinkLostException {
        number = nextNumber;
        link = next;
        synced = false;
        saysRunning = false;
        hasJoined = true;
        frames.clear();
        long nonce = new SecureRandom().nextLong();
        frames.skipTo(new PageFrame.Synced(nonce));
        send(new PageFrame.Resync(nonce));
        int pages = PageFrame.MAX_WORDS * Long.SIZE;
        int first = 0;
        do {
            int end = Math.min(total, first + pages);
            send(new PageFrame.Missing(first, end == total, words(first, end)));
            first = end;
        } while (first < total);
    }

    private ByteBuffer words(int first, int end) {
        int count = (end - first + Long.SIZE - 1) / Long.SIZE;
        ByteBuffer words = ByteBuffer.allocate(count * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (int page = first; page < end; page += Long.SIZE) {
            long word = 0;
            for (int i = 0; i < Math.min(Long.SIZE, end - page); i++) {
                if (lacks(page + i)) {
                    word |= 1L << i;
                }
            }
            words.putLong(word);
        }
        return words.flip();
    }

    /// Tells the other host that the guest runs.
    void running() throws LinkLostException {
        saysRunning = true;
        send(new PageFrame.Running());
    }

    /// Ends the use of the connection.
    void leave() {
        if (link != null) {
            link.close();
            link = null;
        }
        waiting.clear();
    }

    /// Takes in what has come.
    ///
    /// @return whether there may be more
    /// @throws LinkLostException if the connection is lost
    /// @throws IOException if a page cannot be provided
    boolean look(PageRunSink sink) throws IOException {
        StreamSocket socket = link;
        if (socket == null) {
            return false;
        }
        flush();
        for (int i = 0; i < MOST_READS; i++) {
            MemorySegment room = frames.room();
            into.clear();
            into.add(room.address(), room.byteSize());
            long count = socket.receiveAtOnce(into);
            if (count == -Errno.EAGAIN) {
                return false;
            }
            if (count <= 0) {
                throw new LinkLostException(
                        count == 0
                                ? "the other host has closed the connection"
                                : "the connection: " + Errno.name(Math.toIntExact(-count)));
            }
            frames.filled(count);
            takeAll(sink);
        }
        return true;
    }

    private void takeAll(PageRunSink sink) throws IOException {
        while (true) {
            PageFrame frame;
            try {
                frame = frames.next();
                if (!synced && !frames.isSkipping()) {
                    synced = true;
                    for (int page : asked) {
                        send(new PageFrame.Need(page));
                    }
                }
                if (frame == null) {
                    return;
                }
                if (!(frame instanceof PageFrame.Pages)) {
                    throw new WireException("the source has sent a frame of the destination");
                }
            } catch (WireException e) {
                throw new LinkLostException(String.valueOf(e.getMessage()));
            }
            come((PageFrame.Pages) frame, sink);
        }
    }

    private void come(PageFrame.Pages pages, PageRunSink sink) throws IOException {
        int end = pages.first() + pages.count();
        if (end > total) {
            throw new LinkLostException(
                    "the other host has sent pages that the guest does not have");
        }
        long fresh = 0;
        for (int page = pages.first(); page < end; page++) {
            if (!missing.has(page)) {
                throw new LinkLostException("the other host has sent pages that are not its own");
            }
            fresh += present.has(page) ? 0 : 1;
            asked.remove(page);
        }
        try {
            frames.unpack(pages, sink);
        } catch (WireException e) {
            throw new LinkLostException(String.valueOf(e.getMessage()));
        }
        left -= fresh;
    }

    /// Takes in a page that the service has got.
    ///
    /// @param content empty for zeros
    /// @throws IOException if it is none, or cannot be provided
    void take(int page, ByteBuffer content, PageRunSink sink) throws IOException {
        boolean isWhole =
                !content.hasRemaining() || content.remaining() == PageMessage.MAX_PAGE_BYTES;
        if (page < 0 || page >= total || !missing.has(page) || !isWhole) {
            throw new IOException("the other host has sent a page that is not its own");
        }
        boolean isFresh = !present.has(page);
        try (Arena call = Arena.ofConfined()) {
            MemorySegment copy = call.allocate(PageMessage.MAX_PAGE_BYTES);
            copy.asSlice(0, content.remaining()).copyFrom(MemorySegment.ofBuffer(content));
            sink.run(page, copy);
        }
        asked.remove(page);
        left -= isFresh ? 1 : 0;
    }

    /// Whether all pages have come.
    boolean isComplete() {
        return left == 0;
    }

    /// Whether the other host can be told so, which then has no use for the guest any more.
    boolean isDone() {
        return isComplete() && saysRunning;
    }

    /// Says a last word, and ends the use of the connection. A host that does not listen any more has its operator.
    void end(PageFrame last) throws LinkLostException {
        StreamSocket socket = link;
        if (socket == null) {
            return;
        }
        try {
            socket.limit(LAST_WORD);
            waiting.add(last.encode());
            while (!waiting.isEmpty()) {
                from.clear();
                ByteBuffer next = waiting.remove();
                MemorySegment.copy(MemorySegment.ofBuffer(next), 0, outgoing, 0, next.remaining());
                from.add(outgoing.address(), next.remaining());
                socket.send(from);
            }
        } catch (IOException e) {
            throw new LinkLostException(String.valueOf(e.getMessage()));
        } finally {
            leave();
        }
    }

    private void send(PageFrame frame) throws LinkLostException {
        waiting.add(frame.encode());
        flush();
    }

    /// Sends what can be sent without waiting. A frame goes as a whole, so that a server after this one finds no part
    /// of it.
    private void flush() throws LinkLostException {
        StreamSocket socket = link;
        while (socket != null && !waiting.isEmpty()) {
            ByteBuffer next = waiting.element();
            MemorySegment.copy(MemorySegment.ofBuffer(next), 0, outgoing, 0, next.remaining());
            from.clear();
            from.add(outgoing.address(), next.remaining());
            try {
                if (!socket.sendAtOnce(from)) {
                    long sent = next.remaining() - from.bytes();
                    next.position(next.position() + Math.toIntExact(sent));
                    return;
                }
            } catch (IOException e) {
                throw new LinkLostException(String.valueOf(e.getMessage()));
            }
            waiting.remove();
        }
    }

    @Override
    public boolean has(int page) {
        return missing.has(page);
    }

    /// Asks for a page, which comes later.
    @Override
    public void bring(int page, PageRunSink sink) throws IOException {
        if (!asked.add(page)) {
            return;
        }
        if (synced) {
            send(new PageFrame.Need(page));
        } else if (!hasJoined) {
            needed.add(page);
        }
    }

    /// Nothing to be done: the other host sends all.
    @Override
    public boolean bringNext(PageRunSink sink) {
        return false;
    }

    @Override
    public void close() {
        leave();
        frames.close();
        missing.close();
        arena.close();
    }
}
