package io.xenemu.core.migration;

import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// Reads the further streams of a migration ([FurtherWriters]), each on a thread of its own, round by round. No thread
/// reads on between two rounds, so the next round of no stream begins before all have ended the last one.
///
/// One thread uses it. A stream that fails is closed, so that the source sees it.
public final class FurtherReaders implements AutoCloseable {
    private final List<Stream> streams = new ArrayList<>();
    private List<Future<?>> begun = List.of();

    /// One of them.
    private static final class Stream {
        private final StreamThread thread;

        /// Begun by the first work of its thread.
        private @Nullable SectionReader in;

        private @Nullable PagesBody decoder;

        /// Seen by others when a round has ended.
        private final AtomicLong pages = new AtomicLong();

        Stream(StreamThread thread) {
            this.thread = thread;
        }

        /// What its thread does.
        private interface Work {
            void read(SectionReader in) throws IOException;
        }

        Future<?> begin(Work work) {
            return thread.begin(() -> {
                boolean done = false;
                try {
                    work.read(in());
                    done = true;
                } finally {
                    if (!done) {
                        thread.link().close();
                    }
                }
            });
        }

        private SectionReader in() throws IOException {
            SectionReader open = in;
            if (open == null) {
                open = new SectionReader(thread.link().channel());
                in = open;
            }
            return open;
        }

        private PagesBody decoder(long total) {
            PagesBody made = decoder;
            if (made == null) {
                made = new PagesBody(total);
                decoder = made;
            }
            return made;
        }

        /// Reads a round.
        ///
        /// @param total the number of pages of RAM
        void round(SectionReader in, int round, IncomingRam ram, long total, BitSet seen)
                throws IOException {
            number(in, SectionType.ROUND, round);
            while (in.peek() == SectionType.PAGES) {
                in.next(SectionType.PAGES);
                in.requireVersion(SectionType.PAGES);
                PagesBody decoder = decoder(total);
                decoder.of(total);
                ByteBuffer body = in.body();
                decoder.head(body);
                RamReader.see(decoder, seen);
                decoder.forEach(decoder.pages(body), ram::set);
                pages.addAndGet(decoder.count());
            }
            number(in, SectionType.ROUND_END, round);
        }

        private static void number(SectionReader in, SectionType type, int round)
                throws IOException {
            in.next(type);
            in.requireVersion(type);
            BodyReader body = in.fields();
            int number = body.u32();
            body.end();
            if (number != round) {
                throw new WireException(
                        "section %s of round %s in round %d"
                                .formatted(
                                        type.letters(), Integer.toUnsignedString(number), round));
            }
        }

        void close() {
            thread.close();
            if (in != null) {
                in.close();
            }
            if (decoder != null) {
                decoder.close();
            }
        }
    }

    /// @param links the further connections, after their messages; closed with this
    public FurtherReaders(List<MigrationLink> links) {
        for (MigrationLink link : links) {
            streams.add(new Stream(new StreamThread(streams.size() + 2, link)));
        }
    }

    /// Begins to read a round, after [#await] of the last one.
    ///
    /// @param total the number of pages of RAM
    /// @param seen its pages so far; guarded by itself
    void begin(int round, IncomingRam ram, long total, BitSet seen) {
        begin(stream -> in -> stream.round(in, round, ram, total, seen));
    }

    private interface EachWork {
        Stream.Work of(Stream stream);
    }

    private void begin(EachWork work) {
        begun = streams.stream().<Future<?>>map(it -> it.begin(work.of(it))).toList();
    }

    /// Waits until all streams have ended the round.
    ///
    /// @throws IOException of the first one that has failed
    void await() throws IOException {
        IOException failure = null;
        for (Future<?> one : begun) {
            try {
                SectionWorkers.await(one);
            } catch (IOException e) {
                failure = failure == null ? e : failure;
            }
        }
        begun = List.of();
        if (failure != null) {
            throw failure;
        }
    }

    /// The failure of a stream while the main one was read; null if all work, or are not at an end.
    @Nullable IOException failure() {
        for (Future<?> one : begun) {
            if (one.isDone()) {
                try {
                    SectionWorkers.await(one);
                } catch (IOException e) {
                    return e;
                }
            }
        }
        return null;
    }

    /// Reads the ends of the streams, after the last round: each is whole.
    void end() throws IOException {
        begin(_ -> in -> in.end(0));
        await();
    }

    /// The pages that have come by all rounds that were awaited.
    long pages() {
        return streams.stream().mapToLong(stream -> stream.pages.get()).sum();
    }

    /// Closes the connections, and waits for the threads.
    @Override
    public void close() {
        streams.forEach(Stream::close);
    }
}
