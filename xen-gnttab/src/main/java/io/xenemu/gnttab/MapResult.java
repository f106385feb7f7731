package io.xenemu.gnttab;

/// The results of a mapping besides its status. Belongs to one vCPU and is reused, so that a mapping allocates no
/// object.
public final class MapResult {
    int handle;
    long busAddress;

    /// A result that holds nothing yet.
    public MapResult() {}

    /// The handle to unmap with (`handle`), 0 to 2^24 - 1.
    public int handle() {
        return handle;
    }

    /// The page's machine address (`dev_bus_addr`), useful only to tell pages apart.
    public long busAddress() {
        return busAddress;
    }
}
