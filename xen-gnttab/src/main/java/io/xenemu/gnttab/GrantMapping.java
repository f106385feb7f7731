package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// A back end's mapping of one granted page. The back end owns the object and can reuse it after unmapping, so that a
/// mapping allocates no bookkeeping object. Not thread-safe.
public final class GrantMapping {
    GrantRef ref = GrantRef.CONSOLE;
    DomId mapper = DomId.DOM0;
    boolean readOnly;
    @Nullable GuestFrames frames;
    long mfn;
    private @Nullable MemorySegment page;

    /// A mapping object that maps nothing yet.
    public GrantMapping() {}

    /// Whether a page is mapped now.
    public boolean isMapped() {
        return frames != null;
    }

    /// The granted page in host memory, 4096 bytes; read-only if it was mapped read-only. Must not be used after
    /// unmapping.
    ///
    /// @throws IllegalStateException if nothing is mapped
    public MemorySegment page() {
        GuestFrames owner = frames;
        if (owner == null) {
            throw new IllegalStateException("nothing is mapped");
        }
        MemorySegment mapped = page;
        if (mapped == null) {
            mapped = owner.memory(mfn).asSlice(owner.offset(mfn), GuestMemory.PAGE_SIZE);
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
