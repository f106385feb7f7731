package io.xenemu.evtchn;

import java.util.Locale;

/// What a port is bound to.
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
