package io.xenemu.kvm.ioctl;

import java.util.List;

/// Multiprocessing state of a vCPU (`KVM_MP_STATE_*` in `linux/kvm.h`).
public enum MpState {
    RUNNABLE(0),
    UNINITIALIZED(1),
    INIT_RECEIVED(2),
    HALTED(3),
    SIPI_RECEIVED(4);

    private static final List<MpState> BY_VALUE = List.of(values());

    private final int value;

    MpState(int value) {
        this.value = value;
    }

    /// The value in C.
    public int value() {
        return value;
    }

    /// The state with this value in C.
    ///
    /// @throws IndexOutOfBoundsException if there is none
    public static MpState of(int value) {
        return BY_VALUE.get(value);
    }
}
