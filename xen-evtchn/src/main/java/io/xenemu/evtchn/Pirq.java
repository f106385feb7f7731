package io.xenemu.evtchn;

/// The number of a physical interrupt as a guest sees it (`pirq`, 32 bits). Any value that a guest can write is
/// representable; the domain's table decides whether there is such a PIRQ.
///
/// @param value the 32 bits, to be read as unsigned
public record Pirq(int value) {
    @Override
    public String toString() {
        return "pirq" + Integer.toUnsignedString(value);
    }
}
