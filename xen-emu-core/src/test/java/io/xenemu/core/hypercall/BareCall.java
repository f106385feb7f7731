package io.xenemu.core.hypercall;

/// A hypercall that consists of its registers: for handlers that look at neither domain nor memory.
public final class BareCall {
    private BareCall() {}

    /// The call `number` with its first argument, made at privilege level `cpl`.
    @SuppressWarnings("NullAway") // what is not there must not be used: then this fails
    public static HypercallContext of(long number, long first, int cpl) {
        HypercallContext call = new HypercallContext(null, null, null);
        call.begin(number, cpl);
        call.setParameter(0, first);
        return call;
    }

    /// As a guest's kernel calls.
    public static HypercallContext of(long number, long first) {
        return of(number, first, 0);
    }
}
