package io.xenemu.core.guest;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.device.HostConsole;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.DomainOrigin;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.hypervisor.DomainDriver;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.SaveMetrics;
import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.core.machine.ImportedDomain;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.xenimage.XenImage;
import io.xenemu.core.xenimage.XenImageReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.ReadableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A PVH guest that real Xen has saved (`xl save`). It has suspended itself there, and goes on as the resumed guest of
/// a new domain.
final class XenGuestImage implements DomainImage {
    private static final Logger log = LoggerFactory.getLogger(XenGuestImage.class);

    private final SavePlace place;
    private final ReadableByteChannel channel;
    private final XenImageReader reader;
    private final WorkProgress progress;
    private final GuestRequest request;
    private final long begun;

    private XenGuestImage(
            SavePlace place,
            ReadableByteChannel channel,
            XenImageReader reader,
            WorkProgress progress,
            GuestRequest request,
            long begun) {
        this.place = place;
        this.channel = channel;
        this.reader = reader;
        this.progress = progress;
        this.request = request;
        this.begun = begun;
    }

    /// Reads which guest it is.
    ///
    /// @param channel at its beginning; closed with the image, or if this fails
    /// @param progress how far the import is
    /// @throws Refused if it cannot be read, or the guest has something that cannot be had here
    static XenGuestImage open(SavePlace place, ReadableByteChannel channel, WorkProgress progress)
            throws Refused {
        long begun = System.nanoTime();
        boolean done = false;
        try {
            XenImageReader reader = new XenImageReader(channel);
            GuestRequest request = XlRequest.of(reader.config());
            done = true;
            return new XenGuestImage(place, channel, reader, progress, request, begun);
        } catch (IOException e) {
            throw SavedChannel.refused(place, e);
        } catch (Refused e) {
            throw new Refused(place.path() + ": " + e.reason());
        } finally {
            if (!done) {
                SavedChannel.close(channel);
            }
        }
    }

    @Override
    public GuestRequest request() {
        return request;
    }

    @Override
    public GuestBoot restore(
            Hypervisor hypervisor,
            DomainDriver orders,
            @Nullable HostConsole console,
            @Nullable HostConsole serial)
            throws BootException {
        SaveMetrics.Result result = SaveMetrics.Result.FAILED;
        try {
            XenImage image = reader.read(progress);
            // The release of Xen is the one that the guest has seen so far.
            DomainConfig config =
                    XlRequest.config(reader.config(), image.xenVersion(), image.policy());
            GuestBoot boot =
                    GuestBoot.resume(
                            hypervisor,
                            request.platform(),
                            id ->
                                    new ImportedDomain(
                                            new DomainOrigin.Imported(
                                                    id,
                                                    config,
                                                    image.layout(),
                                                    image.memory(),
                                                    memory -> fill(image, memory.ram())),
                                            image.kvm(),
                                            image.isNativeTsc()),
                            orders,
                            console,
                            serial);
            result = SaveMetrics.Result.OK;
            log.debug("{}: {}", boot.domain(), image.layout());
            tellMissingFiles();
            return boot;
        } catch (UncheckedIOException e) {
            throw new BootException(
                    SavedChannel.refused(place, Objects.requireNonNull(e.getCause())).reason());
        } catch (IOException e) {
            throw new BootException(SavedChannel.refused(place, e).reason());
        } catch (Refused e) {
            throw new BootException(e.reason());
        } finally {
            hypervisor
                    .saveMetrics()
                    .restored(result, reader.bytes(), Duration.ofNanos(System.nanoTime() - begun));
            close();
        }
    }

    private static void fill(XenImage image, MemorySegment ram) {
        try {
            image.pages().fill(ram);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// The image does not have the guest's kernel, which its next boot needs.
    private void tellMissingFiles() {
        Stream.concat(Stream.of(request.kernel().toString()), request.modules().stream())
                .filter(file -> !Files.isRegularFile(Path.of(file)))
                .findFirst()
                .ifPresent(file ->
                        log.warn(
                                "{}: {} is not on this host: the guest cannot boot again without it",
                                request.config().name(),
                                file.isEmpty() ? "its kernel" : file));
    }

    @Override
    public long heldBytes() {
        return 0;
    }

    @Override
    public void cancel() {
        progress.cancel();
        SavedChannel.close(channel);
    }

    @Override
    public void close() {
        SavedChannel.close(channel);
        try {
            reader.close();
        } catch (IOException e) {
            log.debug("a file of pages: {}", e.toString());
        }
    }
}
