package io.xenemu.core.jfr;

import jdk.jfr.Label;
import jdk.jfr.Name;

/// The use of a granted page by another domain or by the service.
@Name("io.xenemu.Grant")
@Label("Grant Use")
final class GrantUseEvent extends XenEvent {
    @Label("Grant Reference")
    int ref;

    /// -1 at the end of a use.
    @Label("User")
    int user;

    /// `map`, `copy` or `end`.
    @Label("Use")
    String use;

    GrantUseEvent(int domain, int ref, int user, String use) {
        super(domain);
        this.ref = ref;
        this.user = user;
        this.use = use;
    }
}
