/// The flight recorder: hypercalls of a running domain and what else happens to it, taken without holding it up, and
/// printed. The room `replay` makes recorded calls again.
///
/// Start at [TracePoints] and [HypercallTrace].
///
/// Families of files:
///
/// - Recording: [VcpuRecorder] builds the record of a call on its vCPU's thread with [RecordBuilder], in the layout of
///   [RecordLayout] and [AccessKind]. [EventRecorder] records events of each [TraceKind], on any thread. Both put
///   records into a [CallRing]. [TraceFilter] says which. [CallCapture] records calls for the thread that makes them.
/// - A trace: [TracePoints] knows the vCPUs of all domains, and an [EventTap] that sees everything beside traces;
///   [ObserverPair] and [DomainObserverPair] are for both. [HypercallTrace] begins with a [TraceBeginning], and
///   empties the rings into a [TraceWriter].
/// - The file: [TraceFile] is its format; [TraceHeader], [TracedRecord], [TracedCall] with its [TracedAccess]es, and
///   [TracedEvent] its contents, which [TraceReader] reads.
/// - Printing: [CallDecoder] names the parts of a call by [Prototypes] of [Argument]s and gives [Shown] values, from
///   [CopiedBytes]; [TraceText] prints them.
///
/// Locks: that of [TracePoints], and below it that of [EventRecorder], a leaf. A ring has one writer and one reader,
/// and no lock.
@NullMarked
package io.xenemu.core.trace;

import org.jspecify.annotations.NullMarked;
