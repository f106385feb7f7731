package io.xenemu.core.toolstack;

/// The treatment of a device whose back end does not close it in time.
public enum DetachMode {
    /// The device stays.
    ORDERLY,
    /// The front end's directory is removed, and then the rest.
    FORCED_AFTER_LIMIT,
    /// The front end's directory is removed at once.
    FORCED
}
