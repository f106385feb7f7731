package io.xenemu.gnttab;

/// The guest-physical address space of a domain that maps other domains' grants. Called without locks.
public interface Physmap {
    /// Shows a page of another domain at a guest frame. A guest's write to a read-only page must not reach it.
    ///
    /// @param gfn the guest frame, 0 to 2^52 - 1
    /// @param owner the page's domain
    /// @param mfn the page
    /// @return false if no page can be shown there
    boolean place(long gfn, GuestFrames owner, long mfn, boolean readOnly);

    /// Removes a page that was placed at a guest frame. The guest then sees it nowhere any more.
    ///
    /// @param gfn the guest frame, 0 to 2^52 - 1
    /// @param mfn the page that must be there
    /// @return false, with nothing done, if another page or none was placed there
    boolean remove(long gfn, long mfn);

    /// An address space that cannot show pages of other domains.
    static Physmap none() {
        return new Physmap() {
            @Override
            public boolean place(long gfn, GuestFrames owner, long mfn, boolean readOnly) {
                return false;
            }

            @Override
            public boolean remove(long gfn, long mfn) {
                return false;
            }
        };
    }
}
