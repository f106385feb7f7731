package io.xenemu.core.machine.state;

import io.xenemu.kvm.ioctl.IrqchipId;
import io.xenemu.kvm.ioctl.KvmVm;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
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

    /// `imr` in `kvm_pic_state`.
    private static final int PIC_MASK = 2;

    /// `redirtbl` in `kvm_ioapic_state`, which begins with the address of the registers.
    private static final int IOAPIC_TABLE = 24;

    private static final long IOAPIC_BASE = 0xfec0_0000L;
    private static final int IOAPIC_PINS = 24;
    private static final long IOAPIC_MASKED = 1 << 16;

    private static final int PIT_CHANNELS = 3;
    private static final int PIT_CHANNEL_BYTES = 24;

    /// `mode` in `kvm_pit_channel_state`. No channel has been given a mode after a reset.
    private static final int PIT_MODE = 13;

    private static final int PIT_NO_MODE = 0xff;

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

    /// The state of a machine whose guest knows of no interrupt chips. KVM has them nevertheless: all their lines are
    /// masked, and the timer does not count.
    public static VmState withoutChips(GuestTime time, int incarnation) {
        byte[] pic = new byte[CHIP_BYTES];
        pic[PIC_MASK] = (byte) 0xff;
        ByteBuffer ioapic = ByteBuffer.allocate(CHIP_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        ioapic.putLong(0, IOAPIC_BASE);
        for (int pin = 0; pin < IOAPIC_PINS; pin++) {
            ioapic.putLong(IOAPIC_TABLE + pin * Long.BYTES, IOAPIC_MASKED);
        }
        byte[] pit = new byte[PIT_BYTES];
        for (int channel = 0; channel < PIT_CHANNELS; channel++) {
            pit[channel * PIT_CHANNEL_BYTES + PIT_MODE] = (byte) PIT_NO_MODE;
        }
        return new VmState(
                List.of(
                        new KernelBytes(pic),
                        new KernelBytes(pic),
                        new KernelBytes(ioapic.array())),
                new KernelBytes(pit),
                time,
                incarnation);
    }

    /// The same state with another frequency of the time stamp counters.
    VmState atFrequency(int khz) {
        GuestTime other = new GuestTime(time.clock(), time.realtime(), time.ticks(), khz);
        return new VmState(chips, pit, other, incarnation);
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
