/// Hypercalls: the table from number and command to handler, one file for each hypercall, and the dispatcher.
///
/// Start at [HypercallTable#standard] and [HypercallDispatcher]. `docs/hypercalls.md` prints the table.
///
/// Families of files:
///
/// - One file for each hypercall: [ConsoleIoOp], [EventChannelOp], [GrantTableOp] with [GrantMappingOps],
///   [HvmOp], [MemoryOp] with
///   [MemoryExchange] and [RefusedMemoryOps], [MulticallOp], [PhysdevOp], [SchedOp], [SetTimerOp], [VcpuOp],
///   [VmAssistOp], [XenVersionOp] with [XenIdentity]. Each yields a [HypercallFamily], copies its argument in
///   once, and calls the module that owns the semantics. [VcpuContext] decodes the longest argument, and
///   [PhysmapAddition] serves two operations of [MemoryOp].
/// - Hypercalls that are refused as a whole: [ToolstackOps], [PvOnlyOps].
/// - Refusals as data: [FixedAnswer], with [Check]s of [Operand]s.
/// - The table: [HypercallTable], [HypercallFamily], [HypercallOp], [HypercallHandler].
/// - A call: [HypercallDispatcher], [HypercallContext], [HypercallCounters] with [HypercallMetrics]. Each belongs to
///   one vCPU's thread.
/// - A [HypercallObserver] sees all of a vCPU's calls while it is traced.
///
/// No locks, and no allocation on the way of a call.
@NullMarked
package io.xenemu.core.hypercall;

import org.jspecify.annotations.NullMarked;
