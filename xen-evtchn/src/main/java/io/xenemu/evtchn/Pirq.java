package io.xenemu.evtchn;

/// The number of a physical interrupt as a guest sees it (`pirq`, 32 bits). Any value that a guest can write is
/// representable; whether there is such a PIRQ is for the domain's table to say.
///
/// @param value the 32 bits, to be read as unsigned
public record Pirq(int value) {
    @Override
    public String toString() {
        return "pirq" + Integer.toUnsignedString(value);
    }
}
