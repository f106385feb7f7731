package io.xenemu.core.machine;

import io.xenemu.core.vm.GuestView;
import io.xenemu.core.vm.LocalView;
import io.xenemu.kvm.ioctl.KvmVm;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// The process that has made a VM, as far as the VM's memory and interrupt routes depend on it.
interface VmHome {
    /// This process.
    VmHome HERE = new Here();

    /// See [io.xenemu.core.vm.VmPort#view].
    GuestView view(Arena arena, MemFd memory, long offset, long bytes, boolean readOnly);

    /// Makes a slot for the begin of a view.
    void addSlot(KvmVm kvm, int slot, long guestAddress, GuestView view, long bytes);

    /// Deletes a slot of [#addSlot].
    void deleteSlot(KvmVm kvm, int slot);

    /// KVM's number of a GSI that is not a pin.
    int gsi(int number);

    /// Local, and alone in its VM.
    final class Here implements VmHome {
        private Here() {}

        @Override
        public GuestView view(
                Arena arena, MemFd memory, long offset, long bytes, boolean readOnly) {
            return LocalView.of(arena, memory, offset, bytes, readOnly);
        }

        @Override
        public void addSlot(KvmVm kvm, int slot, long guestAddress, GuestView view, long bytes) {
            MemorySegment host = view.here().orElseThrow();
            kvm.setMemoryRegion(slot, 0, guestAddress, host.asSlice(0, bytes));
        }

        @Override
        public void deleteSlot(KvmVm kvm, int slot) {
            kvm.deleteMemoryRegion(slot);
        }

        @Override
        public int gsi(int number) {
            return number;
        }
    }
}
