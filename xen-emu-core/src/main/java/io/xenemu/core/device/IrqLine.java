package io.xenemu.core.device;

/// An edge-triggered interrupt line.
@FunctionalInterface
public interface IrqLine {
    /// One rising edge. Called without locks held; more edges than needed do no harm.
    void pulse();
}
