package io.xenemu.core.hypercall;

import io.xenemu.kvm.memory.CpuState;
import io.xenemu.kvm.memory.GuestArgument;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.Arena;

/// A hypercall that consists of its registers: for handlers that look at no domain. There is no memory.
public final class BareCall {
    private BareCall() {}

    /// The call `number` with its first argument, made at privilege level `cpl`.
    @SuppressWarnings("NullAway") // what is not there must not be used: then this fails
    public static HypercallContext of(long number, long first, int cpl) {
        HypercallContext call =
                new HypercallContext(
                        null,
                        null,
                        new GuestArgument(new GuestMemory(), new Flat(), Arena.ofAuto()));
        call.begin(number, cpl);
        call.setParameter(0, first);
        return call;
    }

    /// As a guest's kernel calls.
    public static HypercallContext of(long number, long first) {
        return of(number, first, 0);
    }

    /// A kernel in 32-bit mode without paging.
    private record Flat() implements CpuState {
        @Override
        public long cr0() {
            return 0;
        }

        @Override
        public long cr3() {
            return 0;
        }

        @Override
        public long cr4() {
            return 0;
        }

        @Override
        public long efer() {
            return 0;
        }

        @Override
        public boolean longMode() {
            return false;
        }
    }
}
