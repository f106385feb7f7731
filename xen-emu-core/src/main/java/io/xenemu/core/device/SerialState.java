package io.xenemu.core.device;

import java.util.List;

/// The saved state of a serial port.
///
/// @param registers its registers, as its driver sees them
/// @param receiver bytes for the guest, oldest first
/// @param transmitter bytes from it, oldest first
/// @param typed input that has not reached the port
public record SerialState(
        Registers registers, List<Byte> receiver, List<Byte> transmitter, List<Byte> typed) {
    /// Checks the amounts.
    ///
    /// @throws IllegalArgumentException if there are more bytes than fit
    public SerialState {
        receiver = List.copyOf(receiver);
        transmitter = List.copyOf(transmitter);
        typed = DeviceStateCodec.requireFew(typed);
        if (receiver.size() > SerialFifo.SIZE || transmitter.size() > SerialFifo.SIZE) {
            throw new IllegalArgumentException("a serial port has more bytes than fit");
        }
    }

    /// Registers and pending interrupts, named as in [Serial8250]'s data sheet.
    ///
    /// @param ier interrupt enable, 8 bits
    /// @param fcr FIFO control, 8 bits
    /// @param lcr line control, 8 bits
    /// @param mcr modem control, 8 bits
    /// @param scratch 8 bits
    /// @param divisor 16 bits
    /// @param overrun whether LSR will tell of lost input
    /// @param thrEmptyPending whether "transmitter empty" waits to be acknowledged
    /// @param asserted whether the interrupt line is up
    public record Registers(
            int ier,
            int fcr,
            int lcr,
            int mcr,
            int scratch,
            int divisor,
            boolean overrun,
            boolean thrEmptyPending,
            boolean asserted) {}
}
