package io.xenemu.core.domain;

import io.xenemu.core.memory.DomainMemory;
import io.xenemu.evtchn.GuestPages;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;

/// The pages that a guest names for its event channels.
///
/// @param memory the domain's
record NamedPages(DomainMemory memory) implements GuestPages {
    @Override
    public MemorySegment map(long gfn) throws XenError {
        return memory.page(gfn);
    }

    @Override
    public MemorySegment mapAgain(long gfn) throws XenError {
        return memory.namedBefore(gfn);
    }
}
