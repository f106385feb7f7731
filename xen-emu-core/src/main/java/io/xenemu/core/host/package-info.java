/// Limits of the host and of the process, shared by all domains.
///
/// - The host's limits: [HostLimits] (mappings, descriptors, threads), [ControlGroups], [HostMemory].
/// - The domains' shares of them: [HostBudget].
/// - Steps that end something: [Teardown].
///
/// Locks: the monitor of [HostBudget] is a leaf.
@NullMarked
package io.xenemu.core.host;

import org.jspecify.annotations.NullMarked;
