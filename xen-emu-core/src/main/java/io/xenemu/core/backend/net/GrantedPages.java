package io.xenemu.core.backend.net;

import java.lang.foreign.MemorySegment;

/// Pages that the guest grants, in numbered places. Nothing allocates. One thread uses it.
interface GrantedPages {
    /// Brings a page into a place that is free.
    ///
    /// @return false if the guest does not grant it so, and then the place stays free
    boolean pin(int place, int gref, boolean readOnly);

    /// The memory that contains a place's page, at [#offset].
    MemorySegment memory(int place);

    long offset(int place);

    /// Gives a page back to the guest. A place that is free stays so.
    void unpin(int place);
}
