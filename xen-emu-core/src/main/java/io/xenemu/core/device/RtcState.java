package io.xenemu.core.device;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/// The saved state of the real-time clock.
///
/// @param index the selected register, 0 to 127
/// @param registers all 128 registers; those of the time are 0 unless the guest is setting it
/// @param offsetSeconds the clock's time less the host's UTC
public record RtcState(int index, List<Byte> registers, long offsetSeconds) {
    /// The number of registers.
    static final int REGISTERS = 128;

    /// The most by which the clock can differ: its century and year have 8 bits each, which is less than 30,000 years.
    static final long MAX_OFFSET_SECONDS = 30_000L * 366 * 24 * 60 * 60;

    /// Checks the ranges.
    ///
    /// @throws IllegalArgumentException if no clock can have this state
    public RtcState {
        registers = List.copyOf(registers);
        if (registers.size() != REGISTERS
                || index < 0
                || index >= REGISTERS
                || offsetSeconds < -MAX_OFFSET_SECONDS
                || offsetSeconds > MAX_OFFSET_SECONDS) {
            throw new IllegalArgumentException("the state of a clock is out of range");
        }
    }

    /// A clock that nobody has set yet.
    ///
    /// @param offsetSeconds its time less the host's UTC
    public static RtcState initial(long offsetSeconds) {
        List<Byte> registers = new ArrayList<>(Collections.nCopies(REGISTERS, (byte) 0));
        registers.set(Rtc.REGISTER_A, (byte) Rtc.RATES);
        registers.set(Rtc.REGISTER_B, (byte) Rtc.HOURS_24);
        return new RtcState(0, registers, offsetSeconds);
    }
}
