package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.CpuState;
import io.xenemu.kvm.memory.GuestArgument;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

final class HypercallContextTest {
    private static final int PAGE = GuestMemory.PAGE_SIZE;
    private static final int LEVELS = 4;
    private static final int RIGHTS = 0x63;

    /// Linear address 0 is in the page that this entry maps.
    private static final long ENTRY = (long) PAGE * (LEVELS - 1);

    private static final long FIRST_PAGE = 0x8000;
    private static final long SECOND_PAGE = 0x9000;
    private static final int XEN_VERSION = 17;

    private final Arena arena = Arena.ofConfined();
    private final GuestMemory memory = new GuestMemory();
    private HypercallContext call;

    @BeforeEach
    @SuppressWarnings("NullAway") // neither domain nor vCPU is looked at
    void mapOnePage() throws XenError {
        memory.add(0, arena.allocate(16L * PAGE, PAGE));
        for (long table = 0; table < ENTRY; table += PAGE) {
            memory.write64(table, (table + PAGE) | RIGHTS);
        }
        memory.write64(ENTRY, FIRST_PAGE | RIGHTS);
        memory.write32(FIRST_PAGE, 1);
        memory.write32(SECOND_PAGE, 2);
        call = new HypercallContext(null, null, new GuestArgument(memory, new Kernel(), arena));
    }

    @AfterEach
    void unmap() {
        arena.close();
    }

    @Test
    void eachHypercallSeesThePageTablesAsTheyAreThen() throws XenError {
        assertEquals(1, firstWordOfACall());

        memory.write64(ENTRY, SECOND_PAGE | RIGHTS);
        call.begin(XEN_VERSION, 0);
        assertEquals(2, firstWordOfACall());

        memory.write64(ENTRY, FIRST_PAGE | RIGHTS);
        assertEquals(1, firstWordOfACall());
    }

    private int firstWordOfACall() throws XenError {
        call.begin(XEN_VERSION, 0);
        return call.argument().linear().read32(0);
    }

    /// The control registers of a kernel in 64-bit mode with 4-level paging.
    private record Kernel() implements CpuState {
        @Override
        public long cr0() {
            return 1L << 31 | 1L << 16;
        }

        @Override
        public long cr3() {
            return 0;
        }

        @Override
        public long cr4() {
            return 1L << 5;
        }

        @Override
        public long efer() {
            return 1L << 10;
        }

        @Override
        public boolean longMode() {
            return true;
        }
    }
}
