package io.xenemu.core.backend.p9;

import org.jspecify.annotations.Nullable;

/// Told of each request's end; returns at once.
interface P9Observer {
    /// Tells nobody.
    P9Observer NONE = (_, _, _, _) -> {};

    /// A request has its answer.
    ///
    /// @param operation null for a number that the service does not know
    /// @param errno 0 if it has succeeded
    /// @param asked bytes of the request
    /// @param answered bytes of the answer
    void ended(@Nullable P9Operation operation, int errno, int asked, int answered);
}
