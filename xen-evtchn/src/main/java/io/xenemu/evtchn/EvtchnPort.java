package io.xenemu.evtchn;

/// An event channel port number (`evtchn_port_t`, 32 bits). Any value that a guest can write is representable; the
/// domain's table decides whether there is such a port. Port 0 is never bound.
///
/// @param value the 32 bits, to be read as unsigned
public record EvtchnPort(int value) {
    /// The reserved port, which also stands for "no port".
    public static final EvtchnPort NONE = new EvtchnPort(0);

    /// Every port of the 2-level ABI, so that a hypercall that names one allocates nothing.
    private static final EvtchnPort[] TWO_LEVEL = new EvtchnPort[4096];

    static {
        for (int i = 0; i < TWO_LEVEL.length; i++) {
            TWO_LEVEL[i] = i == 0 ? NONE : new EvtchnPort(i);
        }
    }

    /// The port with this number; shared instances for those of the 2-level ABI.
    ///
    /// @param value the 32 bits, as a guest wrote them
    public static EvtchnPort of(int value) {
        return Integer.compareUnsigned(value, TWO_LEVEL.length) < 0
                ? TWO_LEVEL[value]
                : new EvtchnPort(value);
    }

    @Override
    public String toString() {
        return "port" + Integer.toUnsignedString(value);
    }
}
