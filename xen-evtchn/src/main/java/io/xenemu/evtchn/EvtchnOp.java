package io.xenemu.evtchn;

import java.util.Locale;

/// The operations that are counted, named as Xen's `EVTCHNOP_*`.
enum EvtchnOp {
    BIND_INTERDOMAIN,
    BIND_VIRQ,
    BIND_PIRQ,
    CLOSE,
    SEND,
    STATUS,
    ALLOC_UNBOUND,
    BIND_IPI,
    BIND_VCPU,
    UNMASK,
    RESET,
    INIT_CONTROL,
    EXPAND_ARRAY,
    SET_PRIORITY;

    String tag() {
        return name().toLowerCase(Locale.ROOT);
    }
}
