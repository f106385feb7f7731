package io.xenemu.gnttab;

/// What a mapping gave the guest besides its status. Belongs to one vCPU and is used again, so that a mapping costs no
/// object.
public final class MapResult {
    int handle;
    long busAddress;

    /// Holds nothing yet.
    public MapResult() {}

    /// The handle to unmap with (`handle`), 0 to 2^24 - 1.
    public int handle() {
        return handle;
    }

    /// The page's machine address (`dev_bus_addr`), which only tells pages from one another.
    public long busAddress() {
        return busAddress;
    }
}
