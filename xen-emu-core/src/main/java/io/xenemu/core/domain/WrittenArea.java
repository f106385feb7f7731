package io.xenemu.core.domain;

import io.xenemu.core.vm.VcpuPort;

/// An area in guest memory that KVM writes for one vCPU, and of which KVM knows one address: the second time area, or
/// the runstate. The guest can register it by linear address, by physical address, or both. As on Xen, the one by
/// linear address is not written while there is one by physical address.
///
/// Used on the vCPU's thread.
final class WrittenArea {
    private static final long NONE = VcpuPort.INVALID_GPA;

    /// Tells KVM an address, or [VcpuPort#INVALID_GPA].
    interface Attribute {
        void set(VcpuPort port, long gpa);
    }

    /// Its saved state: guest-physical addresses, [VcpuPort#INVALID_GPA] for none.
    ///
    /// @param linear where the area by linear address was when the guest registered it
    /// @param physical the area by physical address
    record State(long linear, long physical) {
        /// The address that KVM writes.
        long written() {
            return physical == NONE ? linear : physical;
        }
    }

    private final Attribute attribute;
    private State state = new State(NONE, NONE);

    WrittenArea(Attribute attribute) {
        this.attribute = attribute;
    }

    /// Registers or ends the area by linear address.
    ///
    /// @param gpa where it is now, [VcpuPort#INVALID_GPA] to end it
    void registerLinear(VcpuPort port, long gpa) {
        become(port, new State(gpa, state.physical()));
    }

    /// Registers or ends the area by physical address.
    ///
    /// @param gpa in one page of memory, or [VcpuPort#INVALID_GPA] to end it
    void registerPhysical(VcpuPort port, long gpa) {
        become(port, new State(state.linear(), gpa));
    }

    /// Ends both.
    void end(VcpuPort port) {
        become(port, new State(NONE, NONE));
    }

    State save() {
        return state;
    }

    void restore(VcpuPort port, State saved) {
        become(port, saved);
    }

    private void become(VcpuPort port, State next) {
        // Without an area there is nothing to end. The same area is filled again.
        if (next.written() != NONE || state.written() != NONE) {
            attribute.set(port, next.written());
        }
        state = next;
    }
}
