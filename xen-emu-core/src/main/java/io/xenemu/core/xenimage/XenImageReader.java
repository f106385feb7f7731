package io.xenemu.core.xenimage;

import io.xenemu.core.boot.MachineLayout;
import io.xenemu.core.cpuid.CpuPolicy;
import io.xenemu.core.cpuid.XenPolicy;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.machine.state.GuestTime;
import io.xenemu.core.machine.state.KvmState;
import io.xenemu.core.machine.state.VmState;
import io.xenemu.kvm.ioctl.CpuidEntry;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.nio.channels.ReadableByteChannel;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Reads an image that `xl save` has made of a PVH guest, once from the beginning to the end. Anything else in it is
/// refused by name. For any bytes it returns what they say, or throws [WireException].
public final class XenImageReader implements AutoCloseable {
    /// The number of bytes that [#begins] needs.
    public static final int MAGIC_BYTES = XlHeader.MAGIC_BYTES;

    private static final long NANOS_PER_MILLI = 1_000_000;
    private static final long NANOS_PER_SECOND = 1_000_000_000;
    private static final long KIB_PER_PAGE = GuestMemory.PAGE_SIZE / 1024;

    private final ImageInput in;
    private final XlConfig config;
    private @Nullable PageSpool spool;

    /// Reads the header.
    ///
    /// @throws WireException if it is none, or the image is that of a guest which cannot be imported
    public XenImageReader(ReadableByteChannel channel) throws IOException {
        in = new ImageInput(channel);
        config = XlConfig.parse(XlHeader.read(in));
    }

    /// Whether a file is an image of xl.
    ///
    /// @param first its first [#MAGIC_BYTES]
    public static boolean begins(byte[] first) {
        return XlHeader.begins(first);
    }

    /// The guest's configuration.
    public XlConfig config() {
        return config;
    }

    /// Reads the rest, and checks it.
    ///
    /// @return the guest, whose pages are there until [#close]
    /// @throws WireException if it cannot be used
    public XenImage read(WorkProgress progress) throws IOException {
        PageSpool pages = new PageSpool();
        spool = pages;
        LibxcImage image = read(pages, progress);
        ImportedVcpus vcpus = ImportedVcpus.of(image.context(), config.vcpus());
        try {
            MachineLayout layout = ImportedMemory.layout(image.present(), vcpus.apicIdStep());
            return new XenImage(
                    image.xenVersion(),
                    policy(image),
                    layout,
                    ImportedMemory.state(image.present(), layout, config.maxMemoryKib()),
                    new KvmState(vm(image, vcpus.tsc()), vcpus.states()),
                    image.tsc().isNative(),
                    ram -> pages.fill(layout, image.present(), ram));
        } catch (IllegalArgumentException e) {
            throw new WireException(String.valueOf(e.getMessage()), e);
        }
    }

    /// Reads the rest in short, and keeps no pages.
    ///
    /// @throws WireException if it cannot be used
    public XenImageReport report(WorkProgress progress) throws IOException {
        LibxcImage image = read(PageSink.NONE, progress);
        ImportedVcpus vcpus = ImportedVcpus.of(image.context(), config.vcpus());
        return new XenImageReport(
                config,
                image.xenVersion() >>> 16,
                image.xenVersion() & 0xffff,
                image.present().size(),
                vcpus.apicIdStep(),
                image.counts().entrySet().stream()
                        .map(it ->
                                new XenImageReport.RecordCount(it.getKey().name(), it.getValue()))
                        .toList(),
                in.bytes());
    }

    private LibxcImage read(PageSink sink, WorkProgress progress) throws IOException {
        progress.begin(config.maxMemoryKib() / KIB_PER_PAGE);
        long frames = ImportedMemory.frames(config.maxMemoryKib());
        LibxcImage image = new LibxcImage(in, frames, sink, progress);
        new LibxlStream(in).read(image);
        in.requireNoMore();
        return image;
    }

    private static @Nullable CpuPolicy policy(LibxcImage image) throws WireException {
        List<CpuidEntry> leaves = image.leaves();
        if (leaves == null) {
            return null;
        }
        try {
            return XenPolicy.of(leaves, image.archCapabilities());
        } catch (IllegalArgumentException e) {
            throw new WireException("its processor: " + e.getMessage(), e);
        }
    }

    /// The state of a machine without interrupt chips at a moment in its time. The image has no time of day: the guest
    /// asks for it after its suspend.
    private static VmState vm(LibxcImage image, long counter) throws WireException {
        TscRecord tsc = image.tsc();
        int khz = tsc.khz() == 0 ? image.context().tscKhz() : tsc.khz();
        if (khz <= 0) {
            throw new WireException("the frequency of its time stamp counter is not in it");
        }
        long clock = tsc.elapsed() == 0 ? nanos(counter, khz) : tsc.elapsed();
        Instant now = Instant.now();
        long realtime = now.getEpochSecond() * NANOS_PER_SECOND + now.getNano();
        return VmState.withoutChips(
                new GuestTime(clock, realtime, 0, khz), Math.max(1, tsc.incarnation()));
    }

    private static long nanos(long counter, int khz) {
        long millis = Long.divideUnsigned(counter, khz);
        long rest = Long.remainderUnsigned(counter, khz);
        return millis * NANOS_PER_MILLI + rest * NANOS_PER_MILLI / khz;
    }

    /// The bytes that were read.
    public long bytes() {
        return in.bytes();
    }

    @Override
    public void close() throws IOException {
        PageSpool pages = spool;
        spool = null;
        if (pages != null) {
            pages.close();
        }
    }
}
