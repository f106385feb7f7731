package io.xenemu.it.bench;

import java.util.List;

/// One target of the design: a benchmark of ours, against a multiple of a reference.
///
/// @param benchmark as the guest names it
/// @param description for the table
/// @param referenceIsFloor the reference: true for `noarg` on the floor, false for the same benchmark on the peer
/// @param multiple of the reference that counts as one, such as two floor exits for two hypercalls
/// @param limit the ratio to stay under
record Target(
        String benchmark,
        String description,
        boolean referenceIsFloor,
        int multiple,
        double limit) {

    /// The rows of the design's last table that this guest measures.
    static final List<Target> ALL =
            List.of(
                    new Target("noarg", "hypercall without argument", true, 1, 1.10),
                    new Target("arg", "hypercall with argument in memory", true, 1, 1.15),
                    new Target("alloc", "alloc_unbound + close", true, 2, 1.15),
                    new Target("send", "send to an IPI, in the kernel", false, 1, 1.00),
                    new Target("xenstore", "XenStore READ through the ring", false, 1, 0.85));

    /// The divisor of the ratio, in ticks.
    double reference(Samples floor, Samples peer) {
        return referenceIsFloor ? multiple * floor.median("noarg") : peer.median(benchmark);
    }
}
