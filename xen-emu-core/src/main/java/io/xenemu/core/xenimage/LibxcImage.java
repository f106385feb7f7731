package io.xenemu.core.xenimage;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.ioctl.CpuidEntry;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// The image of libxc: memory, processors and parameters of a guest, without what libxl knows of it.
///
/// Source: docs/specs/libxc-migration-stream.pandoc of Xen.
final class LibxcImage {
    private static final long MARKER = -1;
    private static final int ID = 0x5845_4e46;
    private static final int OLD_VERSION = 2;
    private static final int VERSION = 3;
    private static final int TYPE_PV = 1;
    private static final int TYPE_HVM = 2;
    private static final int PAGE_SHIFT = 12;

    private static final int MAX_MAJOR = 0x7fff;
    private static final int MAX_MINOR = 0xffff;

    private static final int TYPE_SHIFT = 60;
    private static final long FRAME = (1L << 52) - 1;
    private static final int NORMAL = 0;
    private static final int BROKEN = 0xd;
    private static final int ALLOCATED = 0xe;
    private static final int GONE = 0xf;

    /// As many as libxc puts into a record.
    private static final int MAX_PAGES = 1024;

    private final ImageInput in;
    private final PageSink sink;
    private final long frames;
    private final WorkProgress progress;
    private final PageSet present = new PageSet();
    private final Map<LibxcRecord, Integer> counts = new EnumMap<>(LibxcRecord.class);
    private int xenVersion;
    private boolean isStaticEnd;
    private @Nullable HvmContext context;
    private @Nullable List<CpuidEntry> leaves;
    private long archCapabilities;
    private TscRecord tsc = TscRecord.NONE;

    /// @param frames the guest has none from this number on
    /// @param sink takes its pages
    LibxcImage(ImageInput in, long frames, PageSink sink, WorkProgress progress) {
        this.in = in;
        this.frames = frames;
        this.sink = sink;
        this.progress = progress;
    }

    /// Reads the image to its end.
    ///
    /// @throws WireException if it cannot be used
    void read() throws IOException {
        header();
        while (!counts.containsKey(LibxcRecord.END)) {
            next();
        }
        requireAll();
    }

    private void header() throws IOException {
        ByteBuffer image = in.takeBigEndian(24);
        if (image.getLong() != MARKER || image.getInt() != ID) {
            throw new WireException("its image of libxc is in the format of Xen before 4.6");
        }
        int version = image.getInt();
        if (version != OLD_VERSION && version != VERSION) {
            throw new WireException(
                    "its image of libxc has version %s, which this program does not know"
                            .formatted(Integer.toUnsignedString(version)));
        }
        isStaticEnd = version == OLD_VERSION;
        if (image.getShort() != 0) {
            throw new WireException("its image of libxc is big-endian");
        }
        ByteBuffer domain = in.take(16);
        int type = domain.getInt();
        int pageShift = Short.toUnsignedInt(domain.getShort());
        short _ = domain.getShort();
        int major = domain.getInt();
        int minor = domain.getInt();
        if (type == TYPE_PV) {
            throw new WireException("it is a PV guest, and only PVH guests can be imported");
        }
        if (type != TYPE_HVM || pageShift != PAGE_SHIFT) {
            throw new WireException(
                    "it is a guest of type %s with pages of 2^%d bytes"
                            .formatted(Integer.toUnsignedString(type), pageShift));
        }
        if (major < 0 || major > MAX_MAJOR || minor < 0 || minor > MAX_MINOR) {
            throw new WireException(
                    "Xen %s.%s is no release"
                            .formatted(
                                    Integer.toUnsignedString(major),
                                    Integer.toUnsignedString(minor)));
        }
        xenVersion = major << 16 | minor;
    }

    private void next() throws IOException {
        int code = in.take(Integer.BYTES).getInt();
        int length = in.length();
        if ((code & LibxcRecord.OPTIONAL) != 0) {
            ByteBuffer _ = in.body(length);
            return;
        }
        LibxcRecord record = LibxcRecord.of(code);
        record.require();
        int count = counts.merge(record, 1, Integer::sum);
        if (record == LibxcRecord.PAGE_DATA) {
            requireStaticEnd(record);
            pages(in.body(length));
        } else if (count > 1) {
            throw new WireException("record " + record + " occurs twice");
        } else {
            take(record, in.fields(length));
        }
    }

    private void take(LibxcRecord record, BodyReader body) throws WireException {
        switch (record) {
            case STATIC_DATA_END -> {
                isStaticEnd = true;
                body.end();
            }
            case X86_CPUID_POLICY -> leaves = PolicyRecords.leaves(body);
            case X86_MSR_POLICY -> archCapabilities = PolicyRecords.archCapabilities(body);
            case X86_TSC_INFO -> tsc = TscRecord.read(body);
            case HVM_CONTEXT -> {
                requireStaticEnd(record);
                context = HvmContext.read(body);
            }
            case HVM_PARAMS -> ParamsRecord.check(body);
            case END, VERIFY -> body.end();
            default -> throw new IllegalStateException(record + " is handled elsewhere");
        }
    }

    private void requireStaticEnd(LibxcRecord before) throws WireException {
        if (!isStaticEnd) {
            throw new WireException("record " + before + " comes before STATIC_DATA_END");
        }
    }

    private void pages(ByteBuffer body) throws IOException {
        if (body.remaining() < Long.BYTES) {
            throw new WireException("record PAGE_DATA is too short");
        }
        int count = body.getInt();
        int _ = body.getInt();
        if (count < 1 || count > MAX_PAGES || body.remaining() < count * Long.BYTES) {
            throw new WireException(
                    "record PAGE_DATA of %s pages".formatted(Integer.toUnsignedString(count)));
        }
        int data = body.position() + count * Long.BYTES;
        for (int i = 0; i < count; i++) {
            long entry = body.getLong(body.position() + i * Long.BYTES);
            if (page(entry)) {
                if (data > body.limit() - GuestMemory.PAGE_SIZE) {
                    throw new WireException("record PAGE_DATA has too few pages");
                }
                sink.page(entry & FRAME, body.slice(data, GuestMemory.PAGE_SIZE));
                data += GuestMemory.PAGE_SIZE;
            }
        }
        if (data != body.limit()) {
            throw new WireException("record PAGE_DATA has too many pages");
        }
        progress.at(present.size());
        if (progress.isCancelled()) {
            throw new WireException("the import was cancelled");
        }
    }

    /// Notes a frame of a record.
    ///
    /// @return whether its contents follow
    private boolean page(long entry) throws WireException {
        int type = (int) (entry >>> TYPE_SHIFT);
        long frame = entry & FRAME;
        switch (type) {
            case GONE -> {
                boolean _ = present.remove(frame);
                return false;
            }
            case BROKEN ->
                    throw new WireException("the page at frame %#x is broken".formatted(frame));
            case NORMAL, ALLOCATED -> {}
            default -> throw new WireException("a page of type %#x".formatted(type));
        }
        if (frame >= frames) {
            throw new WireException(
                    "the page at frame %#x is beyond the guest's memory".formatted(frame));
        }
        boolean _ = present.add(frame);
        return type != ALLOCATED;
    }

    private void requireAll() throws WireException {
        for (LibxcRecord record :
                List.of(LibxcRecord.PAGE_DATA, LibxcRecord.HVM_CONTEXT, LibxcRecord.HVM_PARAMS)) {
            if (!counts.containsKey(record)) {
                throw new WireException("record " + record + " is missing");
            }
        }
    }

    /// The frames that the guest has.
    PageSet present() {
        return present;
    }

    /// The release of Xen that saved it, as XENVER_version gives it.
    int xenVersion() {
        return xenVersion;
    }

    /// Its processors, after [#read].
    HvmContext context() {
        return Objects.requireNonNull(context);
    }

    /// The CPUID leaves that it sees; null if the image does not tell.
    @Nullable List<CpuidEntry> leaves() {
        return leaves;
    }

    /// Its IA32_ARCH_CAPABILITIES.
    long archCapabilities() {
        return archCapabilities;
    }

    /// Its time stamp counter.
    TscRecord tsc() {
        return tsc;
    }

    /// How often each record occurs.
    Map<LibxcRecord, Integer> counts() {
        return counts;
    }
}
