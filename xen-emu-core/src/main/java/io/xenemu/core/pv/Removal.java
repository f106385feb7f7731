package io.xenemu.core.pv;

/// What happens to a device whose back end does not close it in time.
public enum Removal {
    /// It stays.
    ORDERLY,
    /// Its frontend is taken away, and then the rest.
    FORCED_AFTER_LIMIT,
    /// Its frontend is taken away first of all.
    FORCED
}
