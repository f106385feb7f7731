package io.xenemu.core.lab;

/// Debian's mirror cannot be reached, and the package that it is asked for is not in the cache.
public final class OfflineException extends LabException {
    private static final long serialVersionUID = 1L;

    /// A failure to reach the mirror.
    ///
    /// @param message the package, and apt's reason
    public OfflineException(String message) {
        super(message);
    }
}
