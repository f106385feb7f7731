package io.xenemu.core.memory;

import io.xenemu.gnttab.GuestFrames;
import io.xenemu.gnttab.Physmap;

/// The address space in which a domain maps other domains' grants.
public final class DomainPhysmap implements Physmap {
    private final DomainMemory memory;

    public DomainPhysmap(DomainMemory memory) {
        this.memory = memory;
    }

    @Override
    public boolean place(long gfn, GuestFrames owner, long mfn, boolean readOnly) {
        // All domains of the service are of this kind, except domain 0, which grants nothing.
        return owner instanceof DomainFrames frames
                && memory.place(gfn, mfn, frames.file(mfn), frames.offset(mfn), readOnly);
    }

    @Override
    public boolean remove(long gfn, long mfn) {
        return memory.remove(gfn, mfn);
    }
}
