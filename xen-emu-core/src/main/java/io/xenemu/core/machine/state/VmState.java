package io.xenemu.core.machine.state;

import io.xenemu.kvm.ioctl.IrqchipId;
import io.xenemu.kvm.ioctl.KvmVm;
import java.util.Arrays;
import java.util.List;

/// The state of a VM that KVM has beside its vCPUs and its Xen interface.
///
/// @param chips the interrupt chips in the order of [IrqchipId]: both PICs and the I/O APIC
/// @param pit `kvm_pit_state2`: the timer chip
/// @param time a moment in its time
/// @param incarnation how often the guest was made, by its boot or a restore: 1 or more
public record VmState(List<KernelBytes> chips, KernelBytes pit, GuestTime time, int incarnation) {
    static final int CHIPS = IrqchipId.values().length;
    static final int CHIP_BYTES = 512;
    static final int PIT_BYTES = 112;

    /// @throws IllegalArgumentException if KVM has no such state
    public VmState {
        chips = List.copyOf(chips);
        if (chips.size() != CHIPS) {
            throw new IllegalArgumentException(chips.size() + " interrupt chips");
        }
        chips.forEach(chip -> chip.requireSize("an interrupt chip", CHIP_BYTES));
        pit.requireSize("a timer chip", PIT_BYTES);
        if (incarnation < 1) {
            throw new IllegalArgumentException("incarnation " + incarnation);
        }
    }

    /// The chips' state.
    public static List<KernelBytes> captureChips(KvmVm vm) {
        return Arrays.stream(IrqchipId.values())
                .map(chip -> new KernelBytes(vm.getIrqchip(chip)))
                .toList();
    }

    /// Gives a new VM this state, but for the time. Its vCPUs have theirs, since interrupts that wait in the I/O APIC
    /// go to the local APICs at once.
    ///
    /// Lines that the service's devices hold up are up already: raised later, they would be new edges.
    public void applyTo(KvmVm vm) {
        IrqchipId[] ids = IrqchipId.values();
        for (int i = 0; i < ids.length; i++) {
            vm.setIrqchip(ids[i], chips.get(i).toBytes());
        }
        // Last: it begins to count, and interrupts.
        vm.setPit2(pit.toBytes());
    }
}
