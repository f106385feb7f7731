package io.xenemu.core.memory;

import io.xenemu.gnttab.GuestFrames;
import io.xenemu.gnttab.Physmap;
import java.util.function.LongPredicate;

/// The address space in which a domain maps other domains' grants.
public final class DomainPhysmap implements Physmap {
    private final DomainMemory memory;
    private final LongPredicate inUse;

    /// @param inUse whether others use the page of that number
    public DomainPhysmap(DomainMemory memory, LongPredicate inUse) {
        this.memory = memory;
        this.inUse = inUse;
    }

    @Override
    public boolean place(long gfn, GuestFrames owner, long mfn, boolean readOnly) {
        // All domains of the service are of this kind, except domain 0, which grants nothing.
        return owner instanceof DomainFrames frames
                && memory.place(gfn, mfn, frames.file(mfn), frames.offset(mfn), readOnly, inUse);
    }

    @Override
    public boolean remove(long gfn, long mfn) {
        return memory.remove(gfn, mfn);
    }
}
