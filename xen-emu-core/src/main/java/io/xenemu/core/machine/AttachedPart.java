package io.xenemu.core.machine;

import io.xenemu.core.domain.Part;
import io.xenemu.core.domain.PartState;
import io.xenemu.core.domain.SaveScope;
import java.util.Optional;

/// The state of a domain's VM that KVM has beside Xen's, when another VMM has made the VM: that VMM has it, with the
/// state of its devices.
final class AttachedPart implements Part {
    private static final String REASON = "its VM belongs to an attached VMM";

    @Override
    public String name() {
        return "kvm";
    }

    @Override
    public void quiesce() {}

    @Override
    public void resume() {}

    @Override
    public Optional<String> blocker(SaveScope scope) {
        return Optional.of(REASON);
    }

    @Override
    public PartState save() {
        throw new IllegalStateException(REASON);
    }

    @Override
    public void close() {}
}
