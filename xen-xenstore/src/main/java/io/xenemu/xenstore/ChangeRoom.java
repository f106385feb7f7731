package io.xenemu.xenstore;

/// Whether changes can be kept where the store is kept, which is asked before each is made. Called with the store's lock held.
@FunctionalInterface
interface ChangeRoom {
    /// Keeps room for one.
    ///
    /// @param bytes what its record takes at most
    /// @return false if there is none: the change must not be made
    boolean promise(long bytes);
}
