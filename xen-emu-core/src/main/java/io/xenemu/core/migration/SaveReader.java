package io.xenemu.core.migration;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.security.MessageDigest;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Reads saved guests from a stream, one after the other, each by [#guest], [#state] and [#ram], until [#guest] returns
/// null. Only then the stream is known to be whole, so nothing that was made from it may run before.
///
/// For any bytes, it returns what was written or throws [WireException]. It needs memory for a few sections, whatever
/// lengths the stream names. It does not close the channel.
public final class SaveReader implements AutoCloseable {
    private final SectionReader sections;
    private final Set<Integer> ids = new HashSet<>();
    private final Set<String> names = new HashSet<>();
    private Step last = Step.RAM;
    private @Nullable ChunkStream state;
    private int guests;
    private FurtherReaders further = new FurtherReaders(List.of());

    /// The guests whose memory comes while they run, until each is read to its end.
    private final Deque<LiveRam> live = new ArrayDeque<>();

    /// The readers of those guests, to be closed.
    private final List<RamReader> ended = new ArrayList<>();

    /// @param reader of its pages
    /// @param disks whose content comes with it
    /// @param end of each round
    private record LiveRam(
            IncomingRam ram, RamReader reader, List<? extends DiskSink> disks, RoundEnd end) {}

    private enum Step {
        GUEST,
        LIVE_RAM,
        ROUNDS,
        STATE,
        RAM,
        END
    }

    /// Reads the stream's header.
    ///
    /// @param in a blocking channel
    /// @throws WireException if it is no saved guest, or one of a newer format
    public SaveReader(ReadableByteChannel in) throws IOException {
        sections = new SectionReader(in);
    }

    /// Reads a guest up to its state, or the end of the stream.
    ///
    /// @param contents takes its boot files
    /// @return null at the end
    /// @throws WireException if the stream cannot be used
    public @Nullable SavedHead guest(FileContents contents) throws IOException {
        return guest(contents, null);
    }

    /// Reads a guest as [#guest] does, but goes past the contents of its boot files: only the heads of their sections
    /// are checked, and by the stream's end their order and checksums. Another object reads them later, from the
    /// stream's beginning.
    ///
    /// @param places makes the places for the contents, which stay empty
    /// @param file the channel that this object reads
    /// @return null at the end
    /// @throws WireException if the stream cannot be used
    public @Nullable SavedHead findGuest(FileContents places, FileChannel file) throws IOException {
        return guest(places, file);
    }

    private @Nullable SavedHead guest(FileContents contents, @Nullable FileChannel skipped)
            throws IOException {
        if (sections.peek() == SectionType.END) {
            step(Step.RAM, Step.END);
            sections.end(guests);
            return null;
        }
        step(last == Step.LIVE_RAM ? Step.LIVE_RAM : Step.RAM, Step.GUEST);
        sections.next(SectionType.GUEST);
        sections.requireVersion(SectionType.GUEST);
        GuestSummary guest = GuestSummary.decode(sections.fields());
        if (++guests > SaveFormat.MAX_GUESTS) {
            throw new WireException("more than " + SaveFormat.MAX_GUESTS + " guests");
        }
        if (!ids.add(guest.id().value()) || !names.add(guest.name())) {
            throw new WireException("two guests of one name or domain id");
        }
        sections.next(SectionType.CONFIG);
        SavedConfig config = new SavedConfig(sections.version(), sections.bytes());
        List<BootFile> files = new ArrayList<>();
        while (sections.peek() == SectionType.FILE) {
            if (files.size() == SaveFormat.MAX_FILES) {
                throw new WireException("more than " + SaveFormat.MAX_FILES + " files");
            }
            files.add(file(contents, skipped));
        }
        return new SavedHead(guest, config, files);
    }

    private BootFile file(FileContents contents, @Nullable FileChannel skipped) throws IOException {
        sections.next(SectionType.FILE);
        sections.requireVersion(SectionType.FILE);
        BootFile.Begun begun = BootFile.decode(sections.fields());
        MessageDigest digest = StreamAccount.sha256();
        if (begun.isIncluded()) {
            try (WritableByteChannel to = contents.open(begun.role(), begun.path(), begun.size())) {
                ChunkStream content = new ChunkStream(sections, begun.size());
                if (skipped == null) {
                    content.drainTo(to, digest);
                } else {
                    content.skip(skipped);
                }
            }
        }
        sections.next(SectionType.FILE_END);
        sections.requireVersion(SectionType.FILE_END);
        BootFile file = begun.end(sections.fields());
        if (skipped == null
                && file.isIncluded()
                && !MessageDigest.isEqual(digest.digest(), file.sha256().asBytes())) {
            throw new WireException(
                    "the content of its " + file.role().word() + " has another digest");
        }
        return file;
    }

    /// Reads the guest's state, which is the frames of its parts. It has to be read to its end before [#ram].
    ///
    /// @throws WireException also from the stream's methods
    public InputStream state() throws IOException {
        if (live.isEmpty()) {
            step(Step.GUEST, Step.STATE);
        } else {
            step(last == Step.ROUNDS ? Step.ROUNDS : Step.RAM, Step.STATE);
        }
        sections.next(SectionType.STATE);
        sections.requireVersion(SectionType.STATE);
        BodyReader body = sections.fields();
        long length = body.u64();
        body.end();
        if (length < 0 || length > SaveFormat.MAX_STATE_BYTES) {
            throw new WireException("state of " + Long.toUnsignedString(length) + " bytes");
        }
        ChunkStream stream = new ChunkStream(sections, length);
        state = stream;
        return stream;
    }

    /// Takes pages from further connections too, of the only guest, which runs while its memory is sent.
    ///
    /// @param streams those; whoever has made them closes them
    public void takeFurther(FurtherReaders streams) {
        further = streams;
    }

    /// Whether the guest whose head was read runs while its memory is sent: then [#liveRam] follows, and the same for
    /// each further guest that moves with it. Then come [#rounds] of all, and [#state] and [#endRounds] for each.
    public boolean isLive() throws IOException {
        return sections.peek() == SectionType.RAM || sections.peek() == SectionType.DISK;
    }

    /// Makes the memory of a guest that comes.
    @FunctionalInterface
    public interface NewRam {
        /// Makes it, all zeros.
        ///
        /// @throws WireException if the guest cannot have so many bytes
        IncomingRam of(long bytes) throws IOException;
    }

    /// Begins the memory of a guest that runs.
    ///
    /// @param memory makes the memory for so many bytes, all zeros
    public void liveRam(NewRam memory, WorkProgress progress) throws IOException {
        liveRam(memory, List.of(), _ -> {}, progress);
    }

    /// Called at the end of each round of a guest, if disks come with it.
    @FunctionalInterface
    public interface RoundEnd {
        /// The disks of a round are on the storage.
        ///
        /// @param number of the round
        void stored(int number) throws IOException;
    }

    /// Begins the memory of a guest that runs, and the disks whose content comes with it, as [#liveRam] does.
    ///
    /// @param disks take it, each in its turn
    /// @param end of each round
    /// @throws WireException also if the stream has other disks
    public void liveRam(
            NewRam memory, List<? extends DiskSink> disks, RoundEnd end, WorkProgress progress)
            throws IOException {
        step(Step.GUEST, Step.LIVE_RAM);
        RamReader.beginDisks(sections, disks);
        long total = RamReader.begin(sections);
        IncomingRam ram = memory.of(total * SaveFormat.PAGE);
        live.add(new LiveRam(ram, new RamReader(sections, further, progress, total), disks, end));
    }

    /// Whether another guest moves with that whose memory has begun: then [#guest] gives its head.
    public boolean hasFurtherLive() throws IOException {
        return sections.peek() == SectionType.GUEST;
    }

    /// Reads the rounds of pages of guests that run. Each round has one of each guest, in their order. The pages of a
    /// guest that moves alone may come later.
    ///
    /// @throws SaveCancelledException if that was asked for
    public void rounds() throws IOException {
        step(Step.LIVE_RAM, Step.ROUNDS);
        try {
            while (sections.peek() == SectionType.ROUND) {
                for (LiveRam guest : live) {
                    guest.reader().readRound(guest.ram(), guest.disks(), guest.end());
                }
            }
        } catch (IOException e) {
            // The source has ended because of a further stream, whose failure says more.
            IOException first = further.failure();
            throw first == null ? e : first;
        }
        further.end();
        if (live.size() == 1) {
            live.getFirst().reader().readMissing(live.getFirst().ram());
        }
    }

    /// Ends a guest whose pages came in rounds. Its state was read to its end.
    public void endRounds() throws IOException {
        endState();
        RamReader reader = live.removeFirst().reader();
        // Its threads end later: the guest stands still.
        ended.add(reader);
        endGuest(reader.pages());
    }

    /// Reads the guest's RAM.
    ///
    /// @param ram all zeros; it gets the pages that the stream has, and no others are touched
    /// @return the number of those pages
    /// @throws WireException also if the RAM has another size
    /// @throws SaveCancelledException if that was asked for
    public long ram(RamSource ram, WorkProgress progress) throws IOException {
        return readRam(ram, progress).pages();
    }

    /// Reads the guest's RAM without keeping it, as a check.
    public RamStatistics checkRam(WorkProgress progress) throws IOException {
        return readRam(null, progress);
    }

    /// Finds the guest's RAM in the file that is read, without reading it: only the heads of its sections are checked,
    /// and by the stream's end their order and checksums. The content of each is checked when it is read.
    ///
    /// @param file the channel that this object reads
    /// @param bytes of the RAM that the guest has to have
    /// @throws WireException also if the RAM has another size
    public SavedPages findRam(FileChannel file, long bytes) throws IOException {
        endState();
        long total = RamReader.begin(sections);
        requireSize(total, bytes);
        SavedPages pages = SavedPages.find(file, file.position(), total, sections.account());
        boolean done = false;
        try {
            file.position(pages.end());
            endGuest(pages.count());
            done = true;
            return pages;
        } finally {
            if (!done) {
                pages.close();
            }
        }
    }

    private RamStatistics readRam(@Nullable RamSource ram, WorkProgress progress)
            throws IOException {
        endState();
        long before = sections.account().bytes();
        long total = RamReader.begin(sections);
        if (ram != null) {
            requireSize(total, ram.pages().byteSize());
        }
        try (RamReader reader =
                new RamReader(sections, new FurtherReaders(List.of()), progress, total)) {
            reader.read(ram);
            long bytes = sections.account().bytes() - before;
            endGuest(reader.pages());
            return new RamStatistics(
                    total, reader.pages(), reader.sections(), reader.compressedSections(), bytes);
        }
    }

    private void endState() throws IOException {
        step(Step.STATE, Step.RAM);
        if (state != null) {
            state.requireEnd();
        }
    }

    private static void requireSize(long total, long bytes) throws WireException {
        if (bytes != total * SaveFormat.PAGE) {
            throw new WireException(
                    "RAM of %d pages for a domain with %d"
                            .formatted(total, bytes / SaveFormat.PAGE));
        }
    }

    private void endGuest(long read) throws IOException {
        sections.next(SectionType.GUEST_END);
        sections.requireVersion(SectionType.GUEST_END);
        BodyReader body = sections.fields();
        long pages = body.u64();
        body.end();
        if (pages != read) {
            throw new WireException(
                    "%d pages where %s were written".formatted(read, Long.toUnsignedString(pages)));
        }
    }

    /// Throws unless the channel ends here, after [#guest] has returned null. For a file, not for a connection.
    public void requireNoMore() throws IOException {
        step(Step.END, Step.END);
        sections.requireNoMore();
    }

    /// The bytes of the stream so far.
    public long bytes() {
        return sections.account().bytes();
    }

    private void step(Step from, Step to) {
        if (last != from) {
            throw new IllegalStateException(to + " after " + last);
        }
        last = to;
    }

    @Override
    public void close() {
        live.forEach(guest -> guest.reader().close());
        live.clear();
        ended.forEach(RamReader::close);
        ended.clear();
        sections.close();
    }
}
