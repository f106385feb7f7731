package io.xenemu.xenstore.ring;

/// Sees the requests of one guest. Called with the store's lock held: it must not wait, or call the store.
public interface RequestObserver {
    /// Sees nothing.
    RequestObserver NONE =
            new RequestObserver() {
                @Override
                public boolean isObserving() {
                    return false;
                }

                @Override
                public void served(String request, String answer) {}
            };

    /// Whether [#served] is to be called for the next request. Asked for each, so it costs almost nothing.
    boolean isObserving();

    /// A request has been answered.
    ///
    /// @param request its name and, after a space, its first string; that may contain any characters
    /// @param answer `ok`, or the name of the error
    void served(String request, String answer);
}
