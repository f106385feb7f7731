package io.xenemu.core.migration;

import io.xenemu.kvm.wire.BodyWriter;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// The further connections of a migration, which take sections of pages beside the main one, each on a thread of its
/// own. Each has a stream with the same rounds. The destination ends a round of all streams before it begins the next
/// one of any, so no page takes the place of a later copy. This side waits at the end of each round until all streams
/// have taken it.
///
/// One thread uses it. A failed connection fails its next use.
public final class FurtherWriters implements AutoCloseable {
    /// The most sections that wait at a stream while another one is written, so that it does not stand idle.
    private static final int MOST_WAITING = 2;

    private final List<Stream> streams = new ArrayList<>();
    private long bytes;

    /// The place of the stream that is asked next.
    private int next;

    /// One of them.
    private static final class Stream {
        private final StreamThread thread;

        /// Sections of pages that are not written.
        private final AtomicInteger waiting = new AtomicInteger();

        /// Begun by the first work of its thread.
        private @Nullable SectionWriter out;

        Stream(StreamThread thread) {
            this.thread = thread;
        }

        /// What its thread does.
        private interface Work {
            void write(SectionWriter out) throws IOException;
        }

        /// Begins to write a section of pages.
        Future<?> begin(PageBatch.Section section) {
            waiting.incrementAndGet();
            return begin(out -> {
                try {
                    out.writeSealed(section.buffer(), section.start());
                } finally {
                    waiting.decrementAndGet();
                }
            });
        }

        Future<?> begin(Work work) {
            return thread.begin(() -> work.write(out()));
        }

        private SectionWriter out() throws IOException {
            SectionWriter begun = out;
            if (begun == null) {
                begun = new SectionWriter(thread.link().channel());
                out = begun;
            }
            return begun;
        }
    }

    /// @param links the further connections, after their messages; closed with this
    public FurtherWriters(List<MigrationLink> links) {
        for (MigrationLink link : links) {
            streams.add(new Stream(new StreamThread(streams.size() + 2, link)));
        }
    }

    /// The number of further streams.
    int count() {
        return streams.size();
    }

    /// The bytes of pages so far.
    long bytes() {
        return bytes;
    }

    /// Lets a stream write a sealed section, if one has room for it.
    ///
    /// @return its end; null if all have enough to write
    @Nullable Future<?> offer(PageBatch.Section section) {
        for (int i = 0; i < streams.size(); i++) {
            Stream stream = streams.get(next);
            next = (next + 1) % streams.size();
            if (stream.waiting.get() < MOST_WAITING) {
                bytes += section.length();
                return stream.begin(section);
            }
        }
        return null;
    }

    /// Begins a round.
    void begin(int round) throws IOException {
        all(out -> number(out, SectionType.ROUND, round));
    }

    /// Ends a round: waits until all streams have taken it.
    void end(int round) throws IOException {
        all(out -> number(out, SectionType.ROUND_END, round));
    }

    /// Ends the streams, after the last round.
    void end() throws IOException {
        all(out -> out.end(0));
    }

    private static void number(SectionWriter out, SectionType type, int round) throws IOException {
        out.write(type, SaveFormat.VERSION, new BodyWriter().u32(round));
    }

    private void all(Stream.Work work) throws IOException {
        List<Future<?>> begun = streams.stream().<Future<?>>map(it -> it.begin(work)).toList();
        for (Future<?> one : begun) {
            SectionWorkers.await(one);
        }
    }

    /// Closes the connections, and waits until no thread uses a section any more.
    @Override
    public void close() {
        streams.forEach(stream -> stream.thread.link().close());
        streams.forEach(stream -> stream.thread.close());
    }
}
