package io.xenemu.core.device;

/// The host's end of a guest's console or serial port, which outlives the boots of the guest.
public interface HostConsole {
    /// Takes what the guest prints.
    ByteSink output();

    /// Gives what was typed.
    ByteSource input();

    /// Calls `service` when the output has room again or the input has data, until the next call: a rebooted guest has a
    /// new device. Calls it once at once, for what was typed meanwhile.
    void attach(Runnable service);

    /// Waits until the reader of the output has made room for more.
    ///
    /// @return false if it has not, and is not waited for any longer
    boolean awaitRoom();

    /// From now on a reader that does not read is waited for no longer than a few seconds: somebody wants an end.
    void hurry();
}
