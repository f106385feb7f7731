/// Limits of the host and of the process, shared by all domains, and the host's programs.
///
/// - The host's limits: [HostLimits] (mappings, descriptors, threads), [ControlGroups], [HostMemory].
/// - What the host is: [HostFacts].
/// - The domains' shares of them: [HostBudget].
/// - Steps that end something: [Teardown].
/// - How far long work is: [WorkProgress].
/// - Programs that the service runs: [HostProgram], [ProcessOutput].
///
/// Locks: the monitor of [HostBudget] is a leaf.
@NullMarked
package io.xenemu.core.host;

import org.jspecify.annotations.NullMarked;
