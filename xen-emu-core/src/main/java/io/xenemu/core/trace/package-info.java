/// The flight recorder: hypercalls of a running domain, taken without holding it up, printed, and replayed.
///
/// Start at [TracePoints] and [HypercallTrace].
///
/// Families of files:
///
/// - Recording, on the vCPUs' threads: [VcpuRecorder] builds a record with [RecordBuilder] in the layout of
///   [RecordLayout] and [AccessKind], and puts it into its [CallRing]. [TraceFilter] says which calls.
/// - A trace: [TracePoints] knows the vCPUs of all domains, [HypercallTrace] empties the rings into a [TraceWriter].
/// - The file: [TraceFile] is its format; [TraceHeader], [TracedCall] and [TracedAccess] its contents, which
///   [TraceReader] reads.
/// - Printing: [CallDecoder] names the parts of a call by [Prototypes] of [Argument]s and gives [Shown] values, from
///   [CopiedBytes]; [TraceText] prints them.
///
/// Locks: that of [TracePoints], a leaf. A ring has one writer and one reader, and no lock.
@NullMarked
package io.xenemu.core.trace;

import org.jspecify.annotations.NullMarked;
