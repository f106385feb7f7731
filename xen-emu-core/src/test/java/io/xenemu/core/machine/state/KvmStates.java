package io.xenemu.core.machine.state;

import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.MsrEntry;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// States of VMs that never were, for domains on a fake VM.
public final class KvmStates {
    private KvmStates() {}

    /// A state in which no two values are the same.
    public static KvmState of(int vcpus) {
        List<KernelBytes> chips = new ArrayList<>();
        for (int i = 0; i < VmState.CHIPS; i++) {
            chips.add(filled(VmState.CHIP_BYTES, 1 + i));
        }
        VmState vm =
                new VmState(
                        chips,
                        filled(VmState.PIT_BYTES, 4),
                        new GuestTime(5_000_000_000L, 1_700_000_000_000_000_000L, 12, 2_400_000),
                        2);
        List<VcpuState> states = new ArrayList<>();
        for (int i = 0; i < vcpus; i++) {
            states.add(vcpu(16 + 16 * i));
        }
        return new KvmState(vm, states);
    }

    private static VcpuState vcpu(int first) {
        return new VcpuState(
                filled(VcpuState.REGISTERS_BYTES, first),
                filled(VcpuState.SYSTEM_BYTES, first + 1),
                filled(VcpuState.DEBUG_BYTES, first + 2),
                filled(VcpuState.XCRS_BYTES, first + 3),
                filled(VcpuState.MIN_XSAVE_BYTES, first + 4),
                List.of(new MsrEntry(0x277, first + 5), new MsrEntry(0xc000_0081, -first)),
                filled(VcpuState.LAPIC_BYTES, first + 6),
                filled(VcpuState.EVENTS_BYTES, first + 7),
                first == 16 ? MpState.RUNNABLE : MpState.HALTED,
                -7L - first);
    }

    private static KernelBytes filled(int size, int value) {
        byte[] bytes = new byte[size];
        Arrays.fill(bytes, (byte) value);
        return new KernelBytes(bytes);
    }
}
