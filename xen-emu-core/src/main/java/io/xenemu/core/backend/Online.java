package io.xenemu.core.backend;

/// The toolstack's node `online` in the back end's directory.
enum Online {
    /// A closed device waits for its guest to come back.
    YES,
    /// A closed device is gone.
    NO,
    /// The toolstack has removed the directory: the device is gone, whether closed or not.
    ABSENT
}
