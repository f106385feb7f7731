package io.xenemu.core.machine.state;

/// What happens to a restored guest's clock for the time in which it did not run. Xen's system time, the time stamp
/// counters and the timers go by that clock.
public enum ClockPolicy {
    /// The real time that has passed is added, as if the guest had been paused. The guest's date is right at once, and
    /// all timers that have become due fire. After some 20 s its watchdogs may take the jump for a lockup.
    ADVANCE,

    /// The clock goes on where it stood. The guest notices nothing, but its date stays behind until it asks for the
    /// time, by NTP for example: Linux reads Xen's wall clock only at its boot and after a suspend of its own.
    STAND_STILL
}
