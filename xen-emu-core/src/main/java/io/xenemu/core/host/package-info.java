/// Limits of the host and of the process, shared by all domains.
///
/// - What the host has: [HostLimits] (mappings, descriptors, threads), [ControlGroups], [HostMemory].
/// - What a domain may take of it: [HostBudget].
/// - The end of what was made, step by step: [Teardown].
///
/// Locks: the monitor of [HostBudget] is a leaf.
@NullMarked
package io.xenemu.core.host;

import org.jspecify.annotations.NullMarked;
