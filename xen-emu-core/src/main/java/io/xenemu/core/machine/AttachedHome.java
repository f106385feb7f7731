package io.xenemu.core.machine;

import io.xenemu.core.vm.GuestView;
import io.xenemu.kvm.attach.AttachMessage;
import io.xenemu.kvm.attach.AttachedVm;
import io.xenemu.kvm.ioctl.KvmCapability;
import io.xenemu.kvm.ioctl.KvmVm;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// An attached VMM. It has slots for the guest's RAM, and numbers slots and GSIs from 0 on; the service uses the
/// highest ones.
final class AttachedHome implements VmHome {
    /// `KVM_MAX_IRQ_ROUTES` is 4096: VMMs give their devices' messages the GSIs above the pins, one after the other.
    private static final int GSI_OFFSET = 3000;

    private final AttachedVm vm;
    private final AttachMessage.Ram ranges;
    private final MemFd ram;
    private final int lastSlot;

    /// @param ram the guest's memory
    AttachedHome(AttachedVm vm, AttachMessage.Ram ranges, MemFd ram, KvmVm kvm) {
        this.vm = vm;
        this.ranges = ranges;
        this.ram = ram;
        lastSlot = kvm.checkExtension(KvmCapability.NR_MEMSLOTS) - 1;
    }

    @Override
    public GuestView view(Arena arena, MemFd memory, long offset, long bytes, boolean readOnly) {
        if (memory.equals(ram)) {
            return new View(addressOf(offset, bytes), bytes, true);
        }
        long address = vm.map(memory, offset, bytes, readOnly);
        return new View(address, bytes, false);
    }

    /// Where the VMM has a part of the guest's RAM.
    private long addressOf(long offset, long bytes) {
        return ranges.ranges().stream()
                .filter(it -> offset >= it.offset() && offset + bytes <= it.offset() + it.bytes())
                .mapToLong(it -> it.address() + offset - it.offset())
                .findFirst()
                .orElseThrow();
    }

    @Override
    public void addSlot(KvmVm kvm, int slot, long guestAddress, GuestView view, long bytes) {
        View there = (View) view;
        if (!there.isRam) {
            vm.addSlot(lastSlot - slot, guestAddress, bytes, there.address);
        }
    }

    @Override
    public void deleteSlot(KvmVm kvm, int slot) {
        vm.deleteSlot(lastSlot - slot);
    }

    @Override
    public int gsi(int number) {
        return number + GSI_OFFSET;
    }

    /// A mapping in the VMM. It stays for as long as the VMM: it has few windows.
    private final class View implements GuestView {
        private final long address;
        private final long bytes;
        private final boolean isRam;

        /// @param address in the VMM
        /// @param isRam whether it is the guest's RAM, which the VMM itself has mapped
        View(long address, long bytes, boolean isRam) {
            this.address = address;
            this.bytes = bytes;
            this.isRam = isRam;
        }

        @Override
        public long bytes() {
            return bytes;
        }

        @Override
        public void show(long at, long length, MemFd memory, long offset, boolean readOnly) {
            if (memory.equals(ram)) {
                vm.mapRam(address + at, offset, length, readOnly);
            } else {
                vm.mapOver(address + at, memory, offset, length, readOnly);
            }
        }

        @Override
        public void showAgain(long at, long length, MemFd memory, long offset, boolean readOnly) {
            show(at, length, memory, offset, readOnly);
        }

        @Override
        public Optional<MemorySegment> here() {
            return Optional.empty();
        }
    }
}
