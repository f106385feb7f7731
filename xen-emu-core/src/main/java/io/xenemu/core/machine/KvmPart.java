package io.xenemu.core.machine;

import io.xenemu.core.domain.Part;
import io.xenemu.core.domain.PartState;

/// What KVM keeps of a VM of this process, beside Xen's: registers, local APICs, interrupt chips, timer chip, clock,
/// times of the runstates. It has no thread of its own: KVM's timer chip goes on while the vCPUs stand still, and its
/// interrupts wait in the chips.
final class KvmPart implements Part {
    @Override
    public String name() {
        return "kvm";
    }

    @Override
    public void quiesce() {
        // See the class comment.
    }

    @Override
    public void resume() {
        // See the class comment.
    }

    @Override
    public PartState save() {
        return new PartState.Blocked(
                "the registers and interrupt chips of its VM cannot be saved yet");
    }

    @Override
    public void close() {
        // The domain closes its VM.
    }
}
