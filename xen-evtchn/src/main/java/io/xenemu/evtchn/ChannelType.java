package io.xenemu.evtchn;

import java.util.Locale;

/// The kind of a port's binding.
enum ChannelType {
    CLOSED,
    UNBOUND,
    INTERDOMAIN,
    PIRQ,
    VIRQ,
    IPI;

    String tag() {
        return name().toLowerCase(Locale.ROOT);
    }
}
