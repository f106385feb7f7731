/// Limits of the memory and objects that a domain can make the store hold, and each domain's use of them.
///
/// Start at [Quota]: the limits by name. [Quotas] has a value for each. [Account] counts what one domain uses and was
/// denied; [Accounts] has all of them, and the limits of later domains. [NodeCounts] counts nodes, also within a
/// transaction. [SavedQuotas] turns limits into saved state and back.
///
/// Lock: the store's is held. Meters read [NodeCounts] without it.
@NullMarked
package io.xenemu.xenstore.quota;

import org.jspecify.annotations.NullMarked;
