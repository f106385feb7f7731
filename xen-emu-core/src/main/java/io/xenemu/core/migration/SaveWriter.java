package io.xenemu.core.migration;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.wire.BodyWriter;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;

/// Writes saved guests to a stream, one after the other, each in the order of these methods: [#guest], [#file] for the
/// kernel and each module, [#state], [#ram]. Last comes [#end]; a stream without it cannot be read.
///
/// It does not close the channel. If a method throws, the stream is of no use.
public final class SaveWriter {
    private final SectionWriter sections;
    private final ChunkWriter chunks;
    private final PageEncoding encoding;
    private final FurtherWriters further;
    private Step last = Step.RAM;
    private int guests;
    private int files;

    /// Guests whose RAM was begun, and whose state is not written.
    private int live;

    private enum Step {
        GUEST,
        ROUNDS,
        STATE,
        RAM,
        END
    }

    /// Starts the stream.
    ///
    /// @param out a blocking channel
    /// @param encoding of pages
    public SaveWriter(WritableByteChannel out, PageEncoding encoding) throws IOException {
        this(out, encoding, new FurtherWriters(List.of()));
    }

    /// Starts the stream of one guest that runs, whose pages go over further connections too.
    ///
    /// @param out a blocking channel
    /// @param encoding of pages
    /// @param further those connections
    public SaveWriter(WritableByteChannel out, PageEncoding encoding, FurtherWriters further)
            throws IOException {
        this.further = further;
        sections = new SectionWriter(out);
        chunks = new ChunkWriter(sections);
        this.encoding = encoding;
    }

    /// Begins a guest.
    ///
    /// @param configVersion of the layout of `config`
    /// @param config at most 1 MiB
    public void guest(GuestSummary guest, int configVersion, BodyWriter config) throws IOException {
        step(last == Step.ROUNDS ? Step.ROUNDS : Step.RAM, Step.GUEST);
        if (++guests > SaveFormat.MAX_GUESTS) {
            throw new IllegalStateException("more than " + SaveFormat.MAX_GUESTS + " guests");
        }
        files = 0;
        sections.write(SectionType.GUEST, SaveFormat.VERSION, guest.encode());
        sections.write(SectionType.CONFIG, configVersion, config);
    }

    /// Writes a file for the guest's next boot, the kernel first.
    ///
    /// @param path as the configuration has it
    /// @param isIncluded whether its content is written; otherwise only size and digest
    /// @throws IOException if it cannot be read, or the stream cannot be written
    public void file(BootFile.Role role, Path path, boolean isIncluded) throws IOException {
        try (FileChannel content = FileChannel.open(path, StandardOpenOption.READ)) {
            file(role, path.toString(), content, isIncluded);
        }
    }

    /// Writes a file for the guest's next boot that is open, from its beginning.
    ///
    /// @param path as the configuration has it
    /// @param isIncluded whether its content is written; otherwise only size and digest
    /// @throws IOException if it cannot be read, or the stream cannot be written
    public void file(BootFile.Role role, String path, FileChannel content, boolean isIncluded)
            throws IOException {
        step(Step.GUEST, Step.GUEST);
        if (++files > SaveFormat.MAX_FILES) {
            throw new IllegalStateException("more than " + SaveFormat.MAX_FILES + " files");
        }
        long size = content.size();
        sections.write(
                SectionType.FILE,
                SaveFormat.VERSION,
                BootFile.encode(role, path, size, isIncluded));
        chunks.file(content.position(0), size, isIncluded);
    }

    /// Begins the RAM of a guest that runs, and the disks whose content goes with it. [#guest] follows for each further
    /// one that moves with it. Then come rounds of all of them in their order, again and again, and [#endRounds] for
    /// each in place of [#state] and [#ram].
    ///
    /// @param disks at most 256, each of at most 4 TiB
    /// @param progress of the round that is written
    /// @param pace of the stream
    /// @return writes the rounds; to be closed
    public RoundWriter rounds(
            RamSource ram, List<? extends DiskSource> disks, WorkProgress progress, Pace pace)
            throws IOException {
        step(Step.GUEST, Step.ROUNDS);
        live++;
        DiskWriter writer = new DiskWriter(disks, encoding, sections, further);
        boolean begun = false;
        try {
            writer.begin();
            RamWriter.begin(sections, ram.pages().byteSize());
            begun = true;
        } finally {
            if (!begun) {
                writer.close();
            }
        }
        return new RoundWriter(ram, writer, sections, further, progress, pace);
    }

    /// Writes the state of a guest whose RAM was written in rounds, and ends the guest.
    ///
    /// @param frames of its parts, as they were when the last round began
    public void endRounds(RoundWriter rounds, byte[] frames) throws IOException {
        step(Step.ROUNDS, --live > 0 ? Step.ROUNDS : Step.RAM);
        if (live == 0) {
            further.end();
        }
        writeState(frames);
        endGuest(rounds.pages());
    }

    /// Writes the guest's state.
    ///
    /// @param frames of its parts
    public void state(byte[] frames) throws IOException {
        step(Step.GUEST, Step.STATE);
        writeState(frames);
    }

    private void writeState(byte[] frames) throws IOException {
        sections.write(SectionType.STATE, SaveFormat.VERSION, new BodyWriter().u64(frames.length));
        chunks.bytes(frames);
    }

    /// Writes the guest's RAM, and ends the guest. Pages of zeros are left out.
    ///
    /// @param ram nothing writes to it meanwhile
    /// @return the number of pages written
    /// @throws SaveCancelledException if that was asked for
    public long ram(RamSource ram, WorkProgress progress) throws IOException {
        step(Step.STATE, Step.RAM);
        long pages = RamWriter.write(ram, encoding, sections, progress);
        endGuest(pages);
        return pages;
    }

    /// Ends a guest whose RAM stays where it is: the reader gets its file, so none of its pages are written.
    ///
    /// @param bytes of the RAM
    public void ramElsewhere(long bytes) throws IOException {
        step(Step.STATE, Step.RAM);
        RamWriter.begin(sections, bytes);
        endGuest(0);
    }

    private void endGuest(long pages) throws IOException {
        sections.write(SectionType.GUEST_END, SaveFormat.VERSION, new BodyWriter().u64(pages));
    }

    /// Ends the stream.
    ///
    /// @return its length in bytes, with that of pages on further connections
    public long end() throws IOException {
        step(Step.RAM, Step.END);
        sections.end(guests);
        return sections.account().bytes() + further.bytes();
    }

    private void step(Step from, Step to) {
        if (last != from) {
            throw new IllegalStateException(to + " after " + last);
        }
        last = to;
    }
}
