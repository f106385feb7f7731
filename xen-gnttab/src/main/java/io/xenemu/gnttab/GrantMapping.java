package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// A back end's mapping of one granted page. The object belongs to the back end and can be used again after unmapping, so
/// that mapping a page costs no bookkeeping object. Not for use by two threads at once.
public final class GrantMapping {
    GrantRef ref = GrantRef.CONSOLE;
    DomId mapper = DomId.DOM0;
    boolean readOnly;
    @Nullable GuestFrames frames;
    long mfn;
    private @Nullable MemorySegment page;

    /// Maps nothing yet.
    public GrantMapping() {}

    /// Whether it stands for a mapping now.
    public boolean isMapped() {
        return frames != null;
    }

    /// The granted page in host memory, 4096 bytes; read-only if it was mapped so. Not to be touched after unmapping.
    ///
    /// @throws IllegalStateException if nothing is mapped
    public MemorySegment page() {
        GuestFrames owner = frames;
        if (owner == null) {
            throw new IllegalStateException("nothing is mapped");
        }
        MemorySegment mapped = page;
        if (mapped == null) {
            mapped = owner.memory(mfn).asSlice(owner.offset(mfn), BackendMappings.PAGE_SIZE);
            mapped = readOnly ? mapped.asReadOnly() : mapped;
            page = mapped;
        }
        return mapped;
    }

    void set(GrantRef granted, DomId by, boolean forReading, GuestFrames owner, long frame) {
        ref = granted;
        mapper = by;
        readOnly = forReading;
        mfn = frame;
        frames = owner;
        page = null;
    }

    void clear() {
        frames = null;
        page = null;
    }
}
