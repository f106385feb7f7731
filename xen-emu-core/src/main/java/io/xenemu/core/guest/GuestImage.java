package io.xenemu.core.guest;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.KeptBootFiles;
import io.xenemu.core.device.HostConsole;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.hypervisor.DomainDriver;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.SaveMetrics;
import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.memory.DomainMemory;
import io.xenemu.core.migration.FileContents;
import io.xenemu.core.migration.GuestSummary;
import io.xenemu.core.migration.SaveReader;
import io.xenemu.core.migration.SavedHead;
import io.xenemu.core.paging.PageService;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A saved guest that is being restored. It is read once, from the beginning to the end, so that it may come from a
/// pipe. The contents of the guest's kernel and modules stay until [#close], for its reboots.
public final class GuestImage implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(GuestImage.class);

    private final SavePlace place;
    private final ClockPolicy clock;
    private final ReadableByteChannel channel;
    private final @Nullable LazyRestore lazy;
    private final SaveReader reader;
    private final WorkProgress progress;
    private final KeptBootFiles files;
    private final GuestRequest request;
    private final long begun;

    private GuestImage(
            SavePlace place,
            ClockPolicy clock,
            ReadableByteChannel channel,
            @Nullable LazyRestore lazy,
            SaveReader reader,
            WorkProgress progress,
            KeptBootFiles files,
            GuestRequest request,
            long begun) {
        this.place = place;
        this.clock = clock;
        this.channel = channel;
        this.lazy = lazy;
        this.reader = reader;
        this.progress = progress;
        this.files = files;
        this.request = request;
        this.begun = begun;
    }

    /// Opens a saved guest, and reads what it is.
    ///
    /// @param clock what happens to the guest's clock
    /// @param pages brings its memory while it runs; null if it runs when all memory is there
    /// @param progress how far the restore is
    /// @throws Refused if it is none, or cannot be read, or its memory cannot come later
    public static GuestImage open(
            SavePlace place, ClockPolicy clock, @Nullable PageService pages, WorkProgress progress)
            throws Refused {
        long begun = System.nanoTime();
        KeptBootFiles files = new KeptBootFiles();
        LazyRestore lazy = null;
        ReadableByteChannel channel = null;
        SaveReader reader = null;
        boolean done = false;
        try {
            lazy = pages == null ? null : LazyRestore.open(place, pages);
            channel =
                    switch (place.kind()) {
                        case FILE -> lazy == null ? FileChannel.open(place.path()) : lazy.channel();
                        case SOCKET -> SaveTarget.connect(place);
                    };
            reader = new SaveReader(channel);
            GuestRequest request = request(reader, files);
            GuestImage image =
                    new GuestImage(
                            place, clock, channel, lazy, reader, progress, files, request, begun);
            done = true;
            return image;
        } catch (IOException e) {
            throw refused(place, e);
        } finally {
            if (!done) {
                end(reader, channel);
                files.close();
                if (lazy != null) {
                    lazy.close();
                }
            }
        }
    }

    private static GuestRequest request(SaveReader reader, KeptBootFiles files) throws IOException {
        SavedHead head = reader.guest((_, path, _) -> files.add(path));
        if (head == null) {
            throw new WireException("there is no guest in it");
        }
        BodyReader body = head.config().body();
        GuestRequest request = GuestRequestCodec.decode(head.config().version(), body);
        body.end();
        GuestSummary guest = head.guest();
        require(
                guest.id().equals(request.domid())
                        && guest.name().equals(request.config().name())
                        && guest.uuid().equals(request.config().uuid()),
                "its configuration is that of another guest");
        List<KeptBootFiles.Kept> kept = files.files();
        List<String> modules = request.modules();
        require(
                kept.size() == 1 + modules.size() && head.files().size() == kept.size(),
                "it does not have the guest's kernel and modules");
        for (int i = 0; i < modules.size(); i++) {
            require(
                    modules.get(i).startsWith(kept.get(1 + i).path()),
                    "its modules are those of another guest");
        }
        return request.withKept(files);
    }

    private static void require(boolean isSo, String otherwise) throws WireException {
        if (!isSo) {
            throw new WireException(otherwise);
        }
    }

    private static Refused refused(SavePlace place, IOException e) {
        return new Refused(place.path() + ": " + IoReason.withoutFile(e));
    }

    /// The guest's request, with the contents of its files.
    public GuestRequest request() {
        return request;
    }

    /// Builds the guest's domain, connected to XenStore and its console as it was. It is not started. The rest of the
    /// image is read and checked before anything of the guest can be seen.
    ///
    /// @param orders takes an operator's orders for the domain
    /// @param console the host's end of the PV console, if any
    /// @param serial that of the serial port, if any
    /// @throws BootException if the image cannot be used, the domain's id is in use, or the domain cannot be had on
    ///     this host
    GuestBoot restore(
            Hypervisor hypervisor,
            DomainDriver orders,
            @Nullable HostConsole console,
            @Nullable HostConsole serial)
            throws BootException {
        SaveMetrics.Result result = SaveMetrics.Result.FAILED;
        try {
            SavedGuest saved = SavedGuest.read(reader.state());
            DomainConfig config = saved.xen().config();
            require(
                    saved.xen().id().equals(request.domid())
                            && config.name().equals(request.config().name())
                            && config.uuid().equals(request.config().uuid()),
                    "its state is that of another guest");
            GuestBoot boot =
                    GuestBoot.restore(
                            hypervisor, saved, this::fill, clock, orders, console, serial);
            if (lazy != null) {
                lazy.serves(boot.domain());
            }
            result = SaveMetrics.Result.OK;
            return boot;
        } catch (UncheckedIOException e) {
            throw new BootException(refused(place, Objects.requireNonNull(e.getCause())).reason());
        } catch (IOException e) {
            throw new BootException(refused(place, e).reason());
        } catch (Refused e) {
            throw new BootException(e.reason());
        } finally {
            hypervisor
                    .saveMetrics()
                    .restored(result, reader.bytes(), Duration.ofNanos(System.nanoTime() - begun));
            end(reader, channel);
        }
    }

    /// Reads RAM, or where it is, and the end of the image: only then it is known to be whole.
    private void fill(DomainMemory memory) {
        try {
            if (lazy == null) {
                long _ = reader.ram(memory.ram(), progress);
            } else {
                lazy.find(reader, memory.ramBytes());
            }
            require(reader.guest(FileContents.NONE) == null, "there is more than one guest in it");
            reader.requireNoMore();
            if (lazy != null) {
                lazy.begin(request.config().name(), memory);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Makes a restore end soon, on another thread.
    void cancel() {
        progress.cancel();
        close(channel);
    }

    private static void end(@Nullable SaveReader reader, @Nullable ReadableByteChannel channel) {
        if (reader != null) {
            reader.close();
        }
        if (channel != null) {
            close(channel);
        }
    }

    private static void close(ReadableByteChannel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            log.debug("a saved guest: {}", e.toString());
        }
    }

    @Override
    public void close() {
        close(channel);
        files.close();
        if (lazy != null) {
            lazy.close();
        }
    }
}
