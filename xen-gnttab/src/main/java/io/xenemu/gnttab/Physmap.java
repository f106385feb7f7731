package io.xenemu.gnttab;

/// The guest-physical address space of a domain that maps what others grant. Called without locks.
public interface Physmap {
    /// Shows a page of another domain at a guest frame. A guest's write to what is read-only must not reach it.
    ///
    /// @param gfn where, 0 to 2^52 - 1
    /// @param owner the page's domain
    /// @param mfn the page
    /// @return false if no page can be shown there
    boolean place(long gfn, GuestFrames owner, long mfn, boolean readOnly);

    /// Takes a page away again that was placed at a guest frame, and no longer shows it to the guest in any way.
    ///
    /// @param gfn where, 0 to 2^52 - 1
    /// @param mfn what must be there
    /// @return false, with nothing done, if another page or none has been placed there
    boolean remove(long gfn, long mfn);

    /// An address space in which no page of another domain can be.
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
