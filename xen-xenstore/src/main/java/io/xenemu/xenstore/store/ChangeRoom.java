package io.xenemu.xenstore.store;

/// Reserves room in the store's file for each change before it is made. Called with the store's lock held.
@FunctionalInterface
public interface ChangeRoom {
    /// Reserves room for one change.
    ///
    /// @param bytes the most that its record takes
    /// @return false if there is no room: the change must not be made
    boolean promise(long bytes);
}
