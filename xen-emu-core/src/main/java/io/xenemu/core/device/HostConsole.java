package io.xenemu.core.device;

/// The host's end of a guest's console or serial port. It outlives reboots of the guest.
public interface HostConsole {
    /// Takes the guest's output.
    ByteSink output();

    /// Gives the input that was typed.
    ByteSource input();

    /// A copy of the typed input that was not taken yet.
    byte[] typed();

    /// Sets the function that is called when the output has room again or the input has data. Calls it once
    /// immediately, for input typed meanwhile. The next [#attach] replaces it, since a rebooted guest has a new device.
    void attach(Runnable service);

    /// Waits until the reader of the output has made room.
    ///
    /// @return false if the wait was given up without room
    boolean awaitRoom();

    /// Limits waits for a slow reader to a few seconds from now on, because the guest has to end.
    void hurry();
}
