package io.xenemu.core.backend;

import io.xenemu.kvm.abi.XenError;
import org.jspecify.annotations.Nullable;

/// The connection that a restored device had when it was saved, until it is made again. Another device has none.
///
/// Not thread-safe: for [BackendDevice.Savable#reconnect] and what comes before it.
///
/// @param <T> the connection's state
public final class SavedConnection<T> {
    private final String device;
    private @Nullable T state;

    /// @param device what is saved, such as `disk`, for messages
    /// @param state null if there is none
    public SavedConnection(String device, @Nullable T state) {
        this.device = device;
        this.state = state;
    }

    /// The state; null if there is none, and once it was taken.
    public @Nullable T peek() {
        return state;
    }

    /// Takes the state, to make the connection again.
    ///
    /// @throws FrontendError if there is none
    public T take() throws FrontendError {
        T taken = state;
        if (taken == null) {
            throw new FrontendError(XenError.EINVAL, "the saved " + device + " has no connection");
        }
        state = null;
        return taken;
    }
}
