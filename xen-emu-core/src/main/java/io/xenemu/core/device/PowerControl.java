package io.xenemu.core.device;

/// What a guest can do to itself through the hardware's power registers.
public interface PowerControl {
    /// The guest turned itself off.
    void powerOff();

    /// The guest reset itself.
    void reset();
}
