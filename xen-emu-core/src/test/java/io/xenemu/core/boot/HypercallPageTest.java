package io.xenemu.core.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.HexFormat;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HypercallPageTest {
    private static final int PADDING = 32;

    private static String stub(boolean amd, int number) throws XenError {
        try (Arena arena = Arena.ofConfined()) {
            GuestMemory memory = new GuestMemory();
            memory.add(0x4000, arena.allocate(0x1000, 0x1000));
            new HypercallPage(amd).writeTo(memory, 0x4000);
            byte[] stub = memory.segment(0x4000 + 32L * number, 32).toArray(ValueLayout.JAVA_BYTE);
            return HexFormat.of().formatHex(stub);
        }
    }

    private static String padded(String code) {
        return code + "cc".repeat(PADDING - code.length() / 2);
    }

    @ParameterizedTest
    @CsvSource({
        "false, 0, b8000000000f01c1c3",
        "true, 0, b8000000000f01d9c3",
        "false, 34, b8220000000f01c1c3",
        "true, 127, b87f0000000f01d9c3"
    })
    void stubPutsItsNumberIntoEaxAndLeavesToKvm(boolean amd, int number, String code)
            throws XenError {
        assertEquals(padded(code), stub(amd, number));
    }

    /// `iret` is for PV guests.
    @ParameterizedTest
    @CsvSource({"false", "true"})
    void stub23IsAnInvalidInstruction(boolean amd) throws XenError {
        assertEquals(padded("0f0b"), stub(amd, 23));
    }
}
