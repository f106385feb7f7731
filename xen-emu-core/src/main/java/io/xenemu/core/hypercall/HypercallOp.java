package io.xenemu.core.hypercall;

/// One row of the hypercall table.
///
/// @param hypercall name in Xen's public headers without its prefix, such as `event_channel_op`
/// @param number the hypercall's number (`__HYPERVISOR_*`)
/// @param op name of the sub-operation, such as `bind_virq`; empty for a hypercall without any
/// @param command the sub-operation's number, or -1 for a hypercall without any
/// @param handler serves the operation
/// @param index position in the table, dense from 0, for metrics
public record HypercallOp(
        String hypercall, int number, String op, int command, HypercallHandler handler, int index) {

    /// Whether a module of ours serves it. All other rows give a fixed answer, mostly Xen's refusal.
    public boolean isServed() {
        return !(handler instanceof FixedAnswer);
    }

    /// True for the row that answers the unknown sub-operations of a hypercall, or unknown hypercalls.
    public boolean unknown() {
        return op.equals(HypercallTable.UNKNOWN) || hypercall.equals(HypercallTable.UNKNOWN);
    }
}
