package io.xenemu.core.guest;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.KeptBootFiles;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.DomainOrigin;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.SaveMetrics;
import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.core.machine.DomainSource;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.memory.DomainMemory;
import io.xenemu.core.migration.FileContents;
import io.xenemu.core.migration.FurtherReaders;
import io.xenemu.core.migration.GuestSummary;
import io.xenemu.core.migration.IncomingRam;
import io.xenemu.core.migration.MigrationLink;
import io.xenemu.core.migration.MigrationMessage;
import io.xenemu.core.migration.RamCopy;
import io.xenemu.core.migration.RamSource;
import io.xenemu.core.migration.SaveReader;
import io.xenemu.core.migration.SavedHead;
import io.xenemu.core.paging.PageService;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// A stream of saved guests that are being restored. It is read once, from the beginning to the end, so that it may
/// come from a pipe. Each guest's driver reads its guest, one after the other: [#next] gives the next image when the
/// domain of the last one is made.
final class SavedStream implements AutoCloseable {
    /// The most bytes of RAM besides a guest's memory: its ACPI tables and spare pages.
    private static final long MORE_THAN_MEMORY = 128L << 20;

    private final SavePlace place;
    private final ClockPolicy clock;
    private final ReadableByteChannel channel;
    private final @Nullable LazyRestore lazy;

    /// The name of a clone for that of the saved guest; null if the guest itself goes on.
    private final @Nullable UnaryOperator<String> clone;

    private final SaveReader reader;
    private final WorkProgress progress;

    /// Whether the guest comes from another host, where it runs while it comes.
    private final boolean isLive;

    /// The memory files of guests that another process of this service has run, by their names; null for other
    /// streams.
    private final @Nullable Map<String, MemFd> here;

    /// What brings the pages that follow a guest from another host; null if none do.
    private volatile @Nullable LaterPages later;

    /// The disks whose content comes with guests from another host.
    private volatile IncomingDisks disks = IncomingDisks.none();

    /// The configurations of the domains of guests that come, by name.
    private volatile Map<String, DomainConfig> announced = Map.of();

    private volatile FurtherReaders further = new FurtherReaders(List.of());

    private volatile SaveReader.RoundEnd roundEnd = _ -> {};

    /// The memory of guests that come from another host, by their names.
    private final Map<String, IncomingRam> incoming = new ConcurrentHashMap<>();

    /// The guests that come from another host, in the order in which they are made.
    private volatile List<GuestImage> comers = List.of();

    private final RestoreGate gate = new RestoreGate();
    private final long begun;

    /// What is read when its guest runs, if that is restored lazily.
    private volatile @Nullable LateBootFiles lateFiles;

    /// The guest whose head was read last, until [#next] takes it.
    private volatile @Nullable GuestImage next;

    private SavedStream(
            SavePlace place,
            ClockPolicy clock,
            ReadableByteChannel channel,
            @Nullable LazyRestore lazy,
            @Nullable UnaryOperator<String> clone,
            SaveReader reader,
            boolean isLive,
            @Nullable Map<String, MemFd> here,
            WorkProgress progress,
            long begun) {
        this.here = here;
        this.place = place;
        this.clock = clock;
        this.channel = channel;
        this.lazy = lazy;
        this.clone = clone;
        this.reader = reader;
        this.isLive = isLive;
        this.progress = progress;
        this.begun = begun;
    }

    /// Opens a stream, and reads what its first guest is.
    ///
    /// @param opened the place, at its beginning; closed with the stream, or if this fails
    /// @param clock what happens to the guests' clocks
    /// @param progress how far the restore is
    /// @throws Refused if it is none, or cannot be read
    static SavedStream open(
            SavePlace place, ReadableByteChannel opened, ClockPolicy clock, WorkProgress progress)
            throws Refused {
        return open(place, opened, null, clock, null, false, null, progress);
    }

    /// Opens a stream, whose only guest runs before its memory is there.
    ///
    /// @param pages brings its memory while it runs
    /// @throws Refused as [#open], and if its memory cannot come later
    static SavedStream lazy(
            SavePlace place, ClockPolicy clock, PageService pages, WorkProgress progress)
            throws Refused {
        LazyRestore lazy = lazy(place, pages, false);
        return open(place, lazy.channel(), lazy, clock, null, false, null, progress);
    }

    /// Opens a stream, whose only guest becomes a clone.
    ///
    /// @param pages brings its memory, as far as it touches it
    /// @param clone gives its name for that of the saved guest
    /// @throws Refused as [#open]
    static SavedStream ofClone(
            SavePlace place, PageService pages, UnaryOperator<String> clone, WorkProgress progress)
            throws Refused {
        LazyRestore lazy = lazy(place, pages, true);
        return open(
                place, lazy.channel(), lazy, ClockPolicy.STAND_STILL, clone, false, null, progress);
    }

    /// Opens the stream of a guest that comes from another host. Its clock goes on.
    ///
    /// @param link at the stream's beginning; closed by [#cancel], and not by [#close]
    /// @param further connections for pages; closed with the stream
    /// @param later brings the pages that follow the guest; null if none do
    /// @param disks whose content comes with guests; whoever has made them closes them
    /// @param announced the configurations of the guests' domains, by name
    /// @throws Refused as [#open]
    static SavedStream live(
            MigrationLink link,
            FurtherReaders further,
            WorkProgress progress,
            @Nullable LaterPages later,
            IncomingDisks disks,
            Map<String, DomainConfig> announced)
            throws Refused {
        SavedStream stream =
                open(
                        new SavePlace(Path.of("migration"), SavePlace.Kind.SOCKET),
                        new LinkInput(link),
                        null,
                        ClockPolicy.ADVANCE,
                        null,
                        true,
                        null,
                        progress);
        stream.further = further;
        stream.reader.takeFurther(further);
        stream.later = later;
        stream.disks = disks;
        stream.announced = Map.copyOf(announced);
        stream.roundEnd = round -> link.send(new MigrationMessage.Stored(round));
        return stream;
    }

    /// Opens the stream of guests that another process of this service has run, and whose memory stays where it is.
    ///
    /// @param from the stream, from its beginning to its end
    /// @param ram the guests' memory files by their names; each guest takes its own
    /// @throws Refused as [#open]
    static SavedStream ofService(
            ReadableByteChannel from, Map<String, MemFd> ram, WorkProgress progress)
            throws Refused {
        return open(
                new SavePlace(Path.of("upgrade"), SavePlace.Kind.SOCKET),
                from,
                null,
                ClockPolicy.ADVANCE,
                null,
                false,
                ram,
                progress);
    }

    /// The stream of a connection, which goes on after it.
    private record LinkInput(MigrationLink link) implements ReadableByteChannel {
        @Override
        public int read(ByteBuffer bytes) throws IOException {
            return link.channel().read(bytes);
        }

        @Override
        public boolean isOpen() {
            return link.channel().isOpen();
        }

        @Override
        public void close() {
            // The messages after the stream need it.
        }
    }

    /// Whether another process of this service has run the guests.
    boolean isOfService() {
        return here != null;
    }

    /// Bytes of the host's memory that a guest has already.
    ///
    /// @param name of the guest
    long heldBytes(String name) {
        MemFd ram = here == null ? null : here.get(name);
        return ram == null ? 0 : RamCopy.bytes(ram);
    }

    /// Whether the guest comes from another host.
    boolean isLive() {
        return isLive;
    }

    private static LazyRestore lazy(SavePlace place, PageService pages, boolean shares)
            throws Refused {
        try {
            return LazyRestore.open(place, pages, shares);
        } catch (IOException e) {
            throw SavedChannel.refused(place, e);
        }
    }

    /// @param channel the place, at its beginning; closed with the stream, or if this fails, as `lazy` is
    private static SavedStream open(
            SavePlace place,
            ReadableByteChannel channel,
            @Nullable LazyRestore lazy,
            ClockPolicy clock,
            @Nullable UnaryOperator<String> clone,
            boolean isLive,
            @Nullable Map<String, MemFd> here,
            WorkProgress progress)
            throws Refused {
        long begun = System.nanoTime();
        SaveReader reader = null;
        boolean done = false;
        try {
            reader = new SaveReader(channel);
            SavedStream stream =
                    new SavedStream(
                            place, clock, channel, lazy, clone, reader, isLive, here, progress,
                            begun);
            stream.next = stream.readHead();
            if (stream.next == null) {
                throw new WireException("there is no guest in it");
            }
            done = true;
            return stream;
        } catch (IOException e) {
            throw SavedChannel.refused(place, e);
        } finally {
            if (!done && reader != null) {
                reader.close();
            }
            if (!done) {
                SavedChannel.close(channel);
            }
            if (!done && lazy != null) {
                lazy.close();
            }
        }
    }

    /// Reads what the next guest is.
    ///
    /// @return null at the end of the stream, which is whole
    private @Nullable GuestImage readHead() throws IOException {
        KeptBootFiles files = new KeptBootFiles();
        boolean done = false;
        try {
            FileContents places = (_, path, _) -> files.add(path);
            SavedHead head =
                    lazy == null ? reader.guest(places) : reader.findGuest(places, lazy.channel());
            if (head == null) {
                if (!isLive) {
                    reader.requireNoMore();
                }
                return null;
            }
            GuestRequest saved = request(head, files);
            GuestRequest request =
                    clone == null ? saved : saved.cloned(clone.apply(saved.config().name()));
            if (lazy != null) {
                lateFiles = new LateBootFiles(head, files);
            }
            GuestImage image = new GuestImage(this, saved, request, files);
            done = true;
            return image;
        } finally {
            if (!done) {
                files.close();
            }
        }
    }

    private GuestRequest request(SavedHead head, KeptBootFiles files) throws IOException {
        BodyReader body = head.config().body();
        GuestRequest request = GuestRequestCodec.decode(head.config().version(), body);
        body.end();
        GuestSummary guest = head.guest();
        require(
                guest.id().equals(request.domid())
                        && guest.name().equals(request.config().name())
                        && guest.uuid().equals(request.config().uuid()),
                "its configuration is that of another guest");
        List<String> kept = files.paths();
        if (here != null && kept.isEmpty()) {
            // It has booted on this host, where its files are.
            return request;
        }
        List<String> modules = request.modules();
        require(
                kept.size() == 1 + modules.size() && head.files().size() == kept.size(),
                "it does not have the guest's kernel and modules");
        for (int i = 0; i < modules.size(); i++) {
            require(
                    modules.get(i).startsWith(kept.get(1 + i)),
                    "its modules are those of another guest");
        }
        return request.withKept(files);
    }

    static void require(boolean isSo, String otherwise) throws WireException {
        if (!isSo) {
            throw new WireException(otherwise);
        }
    }

    /// The next guest, which the caller closes from now on.
    ///
    /// @return null if there is none
    @Nullable GuestImage next() {
        GuestImage taken = next;
        next = null;
        return taken;
    }

    /// The state of the guest whose head was read last.
    InputStream state() throws IOException {
        return reader.state();
    }

    /// Reads what the guests are that come from another host, all of which the caller closes from now on. Their memory
    /// follows, then the state of each.
    List<GuestImage> comers() throws IOException {
        require(reader.isLive(), "its memory does not come first");
        List<GuestImage> all = new ArrayList<>();
        boolean done = false;
        try {
            do {
                require(
                        all.size() < MigrationMessage.MAX_TOGETHER,
                        "more guests move together than are taken");
                if (!all.isEmpty()) {
                    next = readHead();
                }
                GuestImage image = Objects.requireNonNull(next());
                all.add(image);
                reader.liveRam(
                        bytes -> ramOf(image.request().config(), bytes),
                        disks.sinks(image.request().config().name()),
                        roundEnd,
                        progress);
            } while (reader.hasFurtherLive());
            comers = List.copyOf(all);
            done = true;
            return comers;
        } finally {
            if (!done) {
                all.forEach(GuestImage::close);
            }
        }
    }

    private IncomingRam ramOf(DomainConfig config, long bytes) throws IOException {
        if (bytes <= 0 || bytes > config.maxMemoryBytes() + MORE_THAN_MEMORY) {
            throw new WireException("it has more memory than its configuration says");
        }
        IncomingRam ram = new IncomingRam(config.name(), bytes, later != null);
        incoming.put(config.name(), ram);
        return ram;
    }

    /// Makes what a guest that comes needs, and what does not depend on its state, while it still runs at its source.
    ///
    /// @param name of the guest
    /// @throws BootException when the domain cannot be had on this host
    DomainSource.Prepared prepare(Hypervisor hypervisor, String name) throws BootException {
        DomainConfig config = announced.get(name);
        return config == null ? hypervisor.unprepared() : hypervisor.prepare(config);
    }

    /// Waits until a guest that comes can be made: the host has room for all of them, and those before it are made.
    /// Then its state is next.
    ///
    /// @throws BootException if another one has failed
    void awaitTurn(GuestImage image) throws BootException, IOException {
        int number = comers.indexOf(image);
        gate.awaitTurn(number, comers.size());
        if (number == 0) {
            reader.rounds();
            // Before the first state: devices find their disks.
            disks.complete();
        }
    }

    /// The contents of the RAM of the guest whose state was read last.
    DomainOrigin.RamContents contents(String name) {
        if (here != null) {
            return new DomainOrigin.RamContents() {
                @Override
                public void fill(DomainMemory memory) {
                    SavedStream.this.fill(name, memory);
                }

                @Override
                public Optional<MemFd> file() {
                    return Optional.of(ramHere(name));
                }
            };
        }
        IncomingRam came = incoming.get(name);
        if (came == null) {
            return memory -> fill(name, memory);
        }
        return new DomainOrigin.RamContents() {
            @Override
            public void fill(DomainMemory memory) {
                try {
                    reader.endRounds();
                    if (name.equals(comers.getLast().request().config().name())) {
                        next = readHead();
                    }
                    LaterPages follow = later;
                    require(follow != null || came.missing().isEmpty(), "its pages are missing");
                    if (follow != null) {
                        follow.begin(name, memory, came.missing());
                    }
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }

            @Override
            public Optional<MemFd> file() {
                return Optional.of(came.take());
            }
        };
    }

    private MemFd ramHere(String name) {
        MemFd ram = Objects.requireNonNull(here).remove(name);
        if (ram == null) {
            throw new UncheckedIOException(
                    new WireException("the memory of " + name + " did not come"));
        }
        return ram;
    }

    /// Reads the RAM of the guest whose state was read last, or where it is, and then what the next guest is.
    ///
    /// @param name of the guest
    /// @param memory new
    /// @throws UncheckedIOException if it cannot be used
    private void fill(String name, DomainMemory memory) {
        try {
            if (lazy == null) {
                long _ = reader.ram(RamSource.of(memory), progress);
                next = readHead();
            } else {
                lazy.find(reader, memory.ramBytes());
                next = readHead();
                require(
                        next == null,
                        "there is more than one guest in it: their memory cannot come later");
                lazy.begin(name, memory);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// A domain is made whose memory may come later.
    void serves(Domain domain) {
        if (lazy != null) {
            lazy.serves(domain);
        }
        LaterPages follow = later;
        if (follow != null) {
            follow.serves(domain);
        }
    }

    /// Its guests run: what they do not need for that is read from now on.
    void runs() {
        LateBootFiles files = lateFiles;
        if (lazy != null && files != null) {
            lazy.bring(files);
        }
    }

    /// What happens to the guests' clocks.
    ClockPolicy clock() {
        return clock;
    }

    /// The gate before which its guests wait.
    RestoreGate gate() {
        return gate;
    }

    /// The reason in one line for which it cannot be used.
    String reason(IOException e) {
        return SavedChannel.refused(place, e).reason();
    }

    /// Counts the restore.
    void count(SaveMetrics metrics, SaveMetrics.Result result) {
        metrics.restored(result, reader.bytes(), Duration.ofNanos(System.nanoTime() - begun));
    }

    /// Makes a restore end soon, on any thread.
    void cancel() {
        progress.cancel();
        gate.shut();
        SavedChannel.close(channel);
    }

    /// Ends the reading, when no driver reads any more.
    @Override
    public void close() {
        GuestImage left = next();
        if (left != null) {
            left.close();
        }
        further.close();
        reader.close();
        SavedChannel.close(channel);
        incoming.values().forEach(IncomingRam::close);
        if (lazy != null) {
            lazy.close();
        }
        if (here != null) {
            here.values().forEach(MemFd::close);
            here.clear();
        }
        LaterPages follow = later;
        if (follow != null) {
            follow.close();
        }
    }
}
