/// Limits of the host and of the process, shared by all domains.
///
/// - The host's limits: [HostLimits] (mappings, descriptors, threads), [ControlGroups], [HostMemory].
/// - The domains' shares of them: [HostBudget].
/// - The end of what was made, step by step: [Teardown].
///
/// Locks: the monitor of [HostBudget] is a leaf.
@NullMarked
package io.xenemu.core.host;

import org.jspecify.annotations.NullMarked;
