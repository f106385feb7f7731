package io.xenemu.core.backend;

import java.time.Duration;
import java.util.Optional;
import java.util.SequencedMap;

/// A guest's connection to a device: its queues and requests in flight. The frame ends it in this order: [#drain]
/// until it succeeds, [#close], and then it ends the threads, the event channels and the mappings that [Frontend] gave.
///
/// The methods are called one after the other, beside the work of the queues.
public interface BackendConnection {
    /// Nodes of the back end's directory that are published together with Connected, such as `sectors`.
    SequencedMap<String, String> properties();

    /// Takes no new requests from now on, and waits for those in flight: afterwards neither the kernel nor a thread
    /// touches the guest's memory for this connection, and each request is answered, or will never be. Called again
    /// after it has returned false, and again after [#resume].
    ///
    /// @return false if requests are still in flight after `limit`; then still no new ones are taken
    boolean drain(Duration limit) throws InterruptedException;

    /// Takes requests again after [#drain], and those that came meanwhile.
    void resume();

    /// Ends the connection, which is drained, or whose device never became Connected: ends the mappings of requests
    /// that it still has, and everything that [BackendDevice#connect] made. Calling it twice is allowed.
    void close();

    /// A connection that takes more than [#drain] to be saved, or can be saved without it.
    interface Settling extends BackendConnection {
        /// Comes to a state that can be saved, after [#drain] has returned true or false. From then on nothing of the
        /// connection changes the guest's memory but requests whose state has them, until [#resume] or another
        /// [#drain]. Called once the queues run no more work than is under way.
        ///
        /// @return the reason for which it cannot be saved now, as it follows the device's name: `has requests in
        ///     flight after 10 s`; empty if it can
        Optional<String> settle(Duration limit) throws InterruptedException;
    }

    /// A connection whose front end may change settings while it is connected (netfront's `xdp-headroom`).
    interface Reconfigurable extends BackendConnection {
        /// Takes over the front end's nodes, which it has changed.
        ///
        /// @throws FrontendError if they are wrong
        void reconfigure(FrontendNodes nodes) throws FrontendError;
    }
}
