package io.xenemu.core.backend;

/// A step of a back end.
enum Transition {
    /// Waits for the other end.
    NOTHING,
    /// Publishes the features and becomes InitWait.
    AWAIT,
    /// Connects and becomes Connected; an error makes it [Phase#UNCONNECTED].
    CONNECT,
    /// Ends the connection, and then as [#AWAIT].
    RESTART,
    /// Takes over changed settings and becomes Reconfigured.
    RECONFIGURE,
    /// Becomes Connected again.
    RECONFIGURED,
    /// Becomes Closing. A connection stays.
    CLOSE,
    /// Ends the connection, if there is one, and becomes Closed.
    FINISH,
    /// As [#FINISH], and gives everything back: the device is gone.
    REMOVE,
    /// Writes the error node and becomes Closing. A connection stays.
    REFUSE
}
