package io.xenemu.core.migration;

import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ByteChannel;
import java.time.Duration;
import java.util.BitSet;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// The source of a post-copy migration, once the destination has taken the guest over: sends the pages that the
/// destination lacks. Those that threads wait for come first, in the order in which they were asked for; in between it
/// sends all others, from the last one that was asked for on. Each connection begins with what is missing, so that
/// there can be one after the other.
///
/// For one thread at a time.
public final class PageSender implements AutoCloseable {
    /// Requests that were not answered yet. The reader waits when there are more.
    private static final int MAX_REQUESTS = 4096;

    /// The longest wait for a last word of a destination that has closed the connection.
    private static final Duration LAST_WORD = Duration.ofSeconds(2);

    private static final MemorySegment ZEROS = MemorySegment.ofArray(new byte[SaveFormat.PAGE]);

    private final MemorySegment ram;
    private final int total;

    /// The pages that the destination lacked at first: it gets no others.
    private final BitSet wanted;

    /// Those that were not sent yet on this connection.
    private final BitSet left = new BitSet();

    private final Arena arena = Arena.ofShared();
    private final ByteBuffer plain = buffer(PageFrame.MAX_PAGES * SaveFormat.PAGE);
    private final ByteBuffer packed =
            buffer(ZstdPages.bound(PageFrame.MAX_PAGES * SaveFormat.PAGE));
    private final ZstdPages zstd = new ZstdPages();

    /// While the destination tells what it lacks.
    private @Nullable BitSet told;

    private long nonce;
    private boolean synced;
    private int next;
    private final AtomicLong bytes = new AtomicLong();
    private final AtomicLong missing = new AtomicLong();

    /// How a connection ends that is not lost.
    ///
    /// @param reason for which the guest has ended at the destination; empty if it has all pages
    public record End(String reason) {}

    /// What the destination says.
    public interface Listener {
        /// The destination has taken the guest over.
        void takenOver();

        /// The guest runs there.
        void running();
    }

    private sealed interface Item {
        record Came(PageFrame frame) implements Item {}

        record Lost(IOException failure) implements Item {}
    }

    /// @param ram nothing writes to it meanwhile
    /// @param wanted the pages that the destination lacks
    public PageSender(RamSource ram, BitSet wanted) {
        this.ram = ram.pages();
        this.wanted = wanted;
        total = Math.toIntExact(ram.pages().byteSize() / SaveFormat.PAGE);
        missing.set(wanted.cardinality());
    }

    private ByteBuffer buffer(int size) {
        return arena.allocate(size, Long.BYTES).asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
    }

    /// The bytes that were sent, on all connections.
    public long bytes() {
        return bytes.get();
    }

    /// The number of pages that were not sent yet.
    public long missing() {
        return missing.get();
    }

    /// Sends pages until the destination needs no more.
    ///
    /// @param channel blocking; whoever closes it ends this
    /// @throws IOException if the connection is lost: another one can follow
    public End serve(ByteChannel channel, Listener listener)
            throws IOException, InterruptedException {
        synced = false;
        told = null;
        BlockingQueue<Item> items = new ArrayBlockingQueue<>(MAX_REQUESTS);
        Thread reader =
                Thread.ofPlatform()
                        .daemon()
                        .name("migration-pages")
                        .start(() -> read(channel, items));
        try {
            return serve(channel, listener, items);
        } catch (IOException e) {
            // The destination may have said its last word, and closed the connection.
            End end = lastWord(items);
            if (end == null) {
                throw e;
            }
            return end;
        } finally {
            reader.interrupt();
        }
    }

    private static @Nullable End lastWord(BlockingQueue<Item> items) throws InterruptedException {
        for (Item item = next(items); item instanceof Item.Came came; item = next(items)) {
            End end = end(came.frame());
            if (end != null) {
                return end;
            }
        }
        return null;
    }

    private static @Nullable Item next(BlockingQueue<Item> items) throws InterruptedException {
        return items.poll(LAST_WORD.toMillis(), TimeUnit.MILLISECONDS);
    }

    private static @Nullable End end(PageFrame frame) {
        return switch (frame) {
            case PageFrame.Complete _ -> new End("");
            case PageFrame.Ended(String reason) ->
                    new End(reason.isEmpty() ? "it has ended" : reason);
            default -> null;
        };
    }

    private End serve(ByteChannel channel, Listener listener, BlockingQueue<Item> items)
            throws IOException, InterruptedException {
        while (true) {
            Item item = synced && !left.isEmpty() ? items.poll() : items.take();
            switch (item) {
                case null -> push(channel);
                case Item.Lost(IOException failure) -> throw failure;
                case Item.Came(PageFrame frame) -> {
                    End end = take(frame, channel, listener);
                    if (end != null) {
                        return end;
                    }
                }
            }
        }
    }

    private static void read(ByteChannel channel, BlockingQueue<Item> items) {
        try (PageFrameReader frames = new PageFrameReader()) {
            try {
                while (true) {
                    for (PageFrame frame = frames.next(); frame != null; frame = frames.next()) {
                        items.put(new Item.Came(kept(frame)));
                    }
                    int count = channel.read(frames.room().asByteBuffer());
                    if (count < 0) {
                        throw new WireException("the other side has closed the connection");
                    }
                    frames.filled(count);
                }
            } catch (IOException e) {
                items.put(new Item.Lost(e));
            }
        } catch (InterruptedException e) {
            // Nobody takes any more.
        }
    }

    /// The frame apart from the reader's memory.
    private static PageFrame kept(PageFrame frame) throws WireException {
        return switch (frame) {
            case PageFrame.Missing(int first, boolean isLast, ByteBuffer words) ->
                    new PageFrame.Missing(
                            first,
                            isLast,
                            ByteBuffer.allocate(words.remaining())
                                    .order(ByteOrder.LITTLE_ENDIAN)
                                    .put(words)
                                    .flip());
            case PageFrame.Pages _, PageFrame.Synced _ ->
                    throw new WireException("the destination has sent a frame of the source");
            case PageFrame.Resync _,
                    PageFrame.Need _,
                    PageFrame.Running _,
                    PageFrame.Complete _,
                    PageFrame.Ended _ ->
                    frame;
        };
    }

    private @Nullable End take(PageFrame frame, ByteChannel channel, Listener listener)
            throws IOException {
        switch (frame) {
            case PageFrame.Resync(long begun) -> {
                nonce = begun;
                synced = false;
                told = new BitSet();
                listener.takenOver();
            }
            case PageFrame.Missing lacks -> lacks(lacks, channel);
            case PageFrame.Need(int page) -> {
                if (page < 0 || page >= total) {
                    throw new WireException("a page that the guest does not have");
                }
                if (synced && left.get(page)) {
                    send(page, 1, channel);
                    next = page + 1;
                }
            }
            case PageFrame.Running _ -> listener.running();
            case PageFrame.Complete _, PageFrame.Ended _ -> {
                return end(frame);
            }
            case PageFrame.Pages _, PageFrame.Synced _ ->
                    throw new IllegalStateException("a frame that was refused");
        }
        return null;
    }

    private void lacks(PageFrame.Missing frame, ByteChannel channel) throws IOException {
        BitSet all = told;
        if (all == null || frame.first() > total) {
            throw new WireException("missing pages at the wrong place");
        }
        ByteBuffer words = frame.words();
        for (int page = frame.first(); words.hasRemaining(); page += Long.SIZE) {
            for (long word = words.getLong(); word != 0; word &= word - 1) {
                all.set(page + Long.numberOfTrailingZeros(word));
            }
        }
        if (frame.isLast()) {
            left.clear();
            left.or(all);
            left.and(wanted);
            missing.set(left.cardinality());
            told = null;
            next = 0;
            write(new PageFrame.Synced(nonce).encode(), channel);
            synced = true;
        }
    }

    /// Sends pages that nobody has asked for.
    private void push(ByteChannel channel) throws IOException {
        int first = left.nextSetBit(next);
        if (first < 0) {
            first = left.nextSetBit(0);
        }
        int end = Math.min(left.nextClearBit(first), first + PageFrame.MAX_PAGES);
        boolean isZero = isZero(first);
        int count = 1;
        while (first + count < end && isZero(first + count) == isZero) {
            count++;
        }
        send(first, count, channel);
        next = first + count;
    }

    private boolean isZero(int page) {
        return isZero(ram, page);
    }

    private static boolean isZero(MemorySegment ram, int page) {
        long at = (long) page * SaveFormat.PAGE;
        return MemorySegment.mismatch(ram, at, at + SaveFormat.PAGE, ZEROS, 0, SaveFormat.PAGE) < 0;
    }

    /// A copy of a page, for a destination that needs it before it has taken the guest over.
    ///
    /// @return its content; empty for zeros
    public static ByteBuffer page(RamSource ram, int page) {
        MemorySegment pages = ram.pages();
        if (isZero(pages, page)) {
            return ByteBuffer.allocate(0);
        }
        ByteBuffer content = ByteBuffer.allocate(SaveFormat.PAGE);
        MemorySegment.ofBuffer(content)
                .copyFrom(pages.asSlice((long) page * SaveFormat.PAGE, SaveFormat.PAGE));
        return content;
    }

    /// Sends pages which are all zeros, or none of them.
    private void send(int first, int count, ByteChannel channel) throws IOException {
        ByteBuffer content = plain.clear().limit(0);
        if (!isZero(first)) {
            int length = count * SaveFormat.PAGE;
            content = plain.clear().limit(length);
            MemorySegment.ofBuffer(content)
                    .copyFrom(ram.asSlice((long) first * SaveFormat.PAGE, length));
            // A page for which somebody waits goes at once.
            if (count > 1) {
                int shorter = zstd.compress(content, length, packed, 0);
                if (shorter < length) {
                    content = packed.clear().limit(shorter);
                }
            }
        }
        write(new PageFrame.Pages(first, count, content).encode(), channel);
        left.clear(first, first + count);
        missing.addAndGet(-count);
    }

    private void write(ByteBuffer frame, ByteChannel channel) throws IOException {
        bytes.addAndGet(frame.remaining());
        while (frame.hasRemaining()) {
            channel.write(frame);
        }
    }

    @Override
    public void close() {
        zstd.close();
        arena.close();
    }
}
