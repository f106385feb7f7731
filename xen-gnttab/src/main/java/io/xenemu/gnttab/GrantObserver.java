package io.xenemu.gnttab;

/// Sees how other domains, and the service, use one domain's grants. Called on the user's thread, without a lock; it
/// must not wait.
public interface GrantObserver {
    /// An entry has come into use.
    ///
    /// @param ref the grant reference
    /// @param by id of the domain that uses it
    /// @param isCopy whether for one copy; else for a mapping
    void begun(int ref, int by, boolean isCopy);

    /// One use of an entry has ended.
    ///
    /// @param ref the grant reference
    void ended(int ref);
}
