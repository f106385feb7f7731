/// The processor that a guest sees: CPUID leaves, and what an operator may choose of them. Nothing here calls KVM.
///
/// Start at [CpuConfig].
///
/// Families of files:
///
/// - Policies: [CpuPolicy] is what a processor offers, [HostPolicy] that of this host, [XenPolicy] what Xen has
///   shown; both begin with [SharedLeaves]. [LeafRule] says how policies combine, [Consistency] which features need
///   others. [PolicyFile] is the text form. [CannotOfferException] says what a host lacks.
/// - Their words: [PolicyLeaf], [Register], [Registers], [CpuFeature], [FeatureNames], [PolicyText].
/// - Choices: [CpuidOverrides] with [CpuidNotation], [TscMode], [Viridian] with [Enlightenment]; saved by
///   [CpuConfigCodec].
/// - Leaves of a vCPU: [XenCpuid], [XenLeaves] with [TscInfo], [CpuidTopology].
///
/// No locks: all values are immutable.
@NullMarked
package io.xenemu.core.cpuid;

import org.jspecify.annotations.NullMarked;
