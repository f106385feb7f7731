package io.xenemu.core.device;

/// The host's end of a guest's console or serial port. It outlives reboots of the guest.
public interface HostConsole {
    /// Takes the guest's output.
    ByteSink output();

    /// Gives the input that was typed.
    ByteSource input();

    /// What was typed and not taken yet; it stays there.
    byte[] typed();

    /// Makes `service` be called when the output has room again or the input has data, until the next [#attach]: a
    /// rebooted guest has a new device. Calls it once immediately, for input typed meanwhile.
    void attach(Runnable service);

    /// Waits until the reader of the output has made room.
    ///
    /// @return false if it has not, and the wait has been given up
    boolean awaitRoom();

    /// Limits waits for a slow reader to a few seconds from now on, because the guest has to end.
    void hurry();
}
