package io.xenemu.core.replay;

import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.memory.CpuState;

/// The mode of a recorded caller. [RecordedPages] translates addresses, so the registers for that are never asked for.
/// For one thread.
final class RecordedMode implements CpuState {
    private GuestWidth width = GuestWidth.BITS_64;

    /// Takes a caller's mode.
    void set(GuestWidth next) {
        width = next;
    }

    @Override
    public boolean longMode() {
        return width == GuestWidth.BITS_64;
    }

    @Override
    public long cr0() {
        throw unknown();
    }

    @Override
    public long cr3() {
        throw unknown();
    }

    @Override
    public long cr4() {
        throw unknown();
    }

    @Override
    public long efer() {
        throw unknown();
    }

    private static IllegalStateException unknown() {
        return new IllegalStateException("a record has no control registers");
    }
}
