package io.xenemu.gnttab;

/// The guest-physical address space of a domain that maps other domains' grants. Called without locks.
public interface Physmap {
    /// Shows pages of another domain at guest frames, both of which follow one another. A guest's write to a read-only
    /// page must not reach it.
    ///
    /// @param gfn the first guest frame, 0 to 2^52 - 1
    /// @param owner the pages' domain
    /// @param mfn the first page
    /// @param count the number of pages, at least 1
    /// @return false if not all can be shown there together; no one is then
    boolean place(long gfn, GuestFrames owner, long mfn, int count, boolean readOnly);

    /// Removes pages that were placed at guest frames which follow one another. The guest then sees them there no more.
    ///
    /// @param gfn the first guest frame, 0 to 2^52 - 1
    /// @param mfns the pages that must be there
    /// @param count the number of pages, at least 1
    /// @return false if not all of them are there, or they cannot be removed together; nothing is done then
    boolean remove(long gfn, long[] mfns, int count);

    /// An address space that cannot show pages of other domains.
    static Physmap none() {
        return new Physmap() {
            @Override
            public boolean place(
                    long gfn, GuestFrames owner, long mfn, int count, boolean readOnly) {
                return false;
            }

            @Override
            public boolean remove(long gfn, long[] mfns, int count) {
                return false;
            }
        };
    }
}
