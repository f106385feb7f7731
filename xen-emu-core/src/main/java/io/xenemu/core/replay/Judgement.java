package io.xenemu.core.replay;

import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallOp;
import io.xenemu.core.trace.AccessKind;
import io.xenemu.core.trace.TracedCall;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.xen.EvtchnStructs.BindInterdomain;
import io.xenemu.kvm.abi.xen.EvtchnStructs.Status;
import io.xenemu.kvm.abi.xen.MemoryStructs.AddToPhysmapBatch;
import io.xenemu.kvm.abi.xen.SchedStructs.Shutdown;
import java.util.Optional;

/// Decides how a replay treats a recorded call. Everything is made and compared, unless this class gives the reason why
/// not.
///
/// @param way how much is compared
/// @param reason for an operator; empty if all is compared
record Judgement(Way way, String reason) {
    /// How much of a call is replayed.
    enum Way {
        /// The call is made; its result and the bytes that it writes are compared.
        ALL,
        /// The call is made, and its result is compared. The bytes that it writes are compared by their places.
        SHAPE,
        /// The call is made, and nothing is compared.
        EFFECT,
        /// The call is not made.
        NOTHING,
        /// The call is not made; a port in its stead keeps the table of ports in step, and its number is compared.
        PORT
    }

    static final Judgement ALL = new Judgement(Way.ALL, "");

    /// XENMAPSPACE_gmfn_foreign.
    private static final long FOREIGN = 4;

    /// EVTCHNSTAT_unbound and EVTCHNSTAT_interdomain.
    private static final long UNBOUND = 1;

    private static final long INTERDOMAIN = 2;

    /// SHUTDOWN_suspend.
    private static final long SUSPEND = 2;

    /// Decides by the operation and by its recorded argument.
    ///
    /// @param self the traced domain
    static Judgement of(HypercallOp row, TracedCall call, DomId self) {
        if (call.result() == HypercallContext.CONTINUED) {
            return new Judgement(Way.EFFECT, "interrupted, and made again by the guest");
        }
        return switch (row.hypercall() + '/' + row.op()) {
            case "vcpu_op/get_runstate_info", "hvm_op/get_time" ->
                    new Judgement(Way.SHAPE, "gives a time");
            case "vcpu_op/is_up" -> new Judgement(Way.EFFECT, "asks for a vCPU's state in KVM");
            case "sched_op/poll", "sched_op/block" -> new Judgement(Way.NOTHING, "waits");
            case "sched_op/shutdown" -> shutdown(call);
            case "memory_op/maximum_ram_page" ->
                    new Judgement(Way.EFFECT, "depends on pages of all domains");
            case "memory_op/add_to_physmap_batch" -> batch(call);
            case "grant_table_op/map_grant_ref",
                    "grant_table_op/unmap_grant_ref",
                    "grant_table_op/copy" ->
                    new Judgement(Way.NOTHING, "uses pages by their grants");
            case "event_channel_op/bind_interdomain" -> bindInterdomain(call, self);
            case "event_channel_op/status" -> status(call);
            default -> ALL;
        };
    }

    private static Judgement shutdown(TracedCall call) {
        long reason =
                argument(call, AccessKind.IN, Shutdown.REASON.offset(call.width()), Integer.BYTES)
                        .orElse(0L);
        return (reason & 0xff) == SUSPEND ? new Judgement(Way.NOTHING, "suspends the domain") : ALL;
    }

    private static Judgement batch(TracedCall call) {
        Optional<Long> space =
                argument(
                        call,
                        AccessKind.IN,
                        AddToPhysmapBatch.SPACE.offset(call.width()),
                        Short.BYTES);
        return space.isPresent() && space.get() == FOREIGN
                ? new Judgement(Way.NOTHING, "maps pages of another domain")
                : ALL;
    }

    private static Judgement bindInterdomain(TracedCall call, DomId self) {
        Optional<Long> remote = remote(call);
        boolean isOwn =
                remote.isEmpty()
                        || remote.get() == self.value()
                        || remote.get() == DomId.SELF.value();
        if (isOwn) {
            return ALL;
        }
        return new Judgement(
                call.result() == 0 ? Way.PORT : Way.NOTHING, "binds to another domain's port");
    }

    /// The other domain of a bind.
    static Optional<Long> remote(TracedCall call) {
        return argument(
                call, AccessKind.IN, BindInterdomain.REMOTE_DOM.offset(call.width()), Short.BYTES);
    }

    /// The port that a bind has given.
    static Optional<Long> localPort(TracedCall call) {
        return argument(
                call,
                AccessKind.OUT,
                BindInterdomain.LOCAL_PORT.offset(call.width()),
                Integer.BYTES);
    }

    /// Another domain binds and closes its end when it likes.
    private static Judgement status(TracedCall call) {
        long status =
                argument(call, AccessKind.OUT, Status.STATUS.offset(call.width()), Integer.BYTES)
                        .orElse(0L);
        return status == UNBOUND || status == INTERDOMAIN
                ? new Judgement(Way.EFFECT, "depends on the other end of a channel")
                : ALL;
    }

    private static Optional<Long> argument(TracedCall call, AccessKind kind, int offset, int size) {
        return RecordedBytes.number(call, kind, call.word(1), offset, size);
    }
}
