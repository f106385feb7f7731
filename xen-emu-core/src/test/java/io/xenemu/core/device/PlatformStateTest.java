package io.xenemu.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.common.io.Resources;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

/// The bytes of the platform's saved state. The golden file has a line for each device, and is never made again.
final class PlatformStateTest {
    private static final RtcState RTC = new RtcState(0x32, registers(), -3600);
    private static final UnplugState UNPLUG = new UnplugState(0x1234, true, 1);
    private static final AcpiState ACPI =
            new AcpiState(5, new GenerationId(0x0123_4567_89ab_cdefL, -2));

    private static List<Byte> registers() {
        List<Byte> registers = new ArrayList<>();
        for (int i = 0; i < RtcState.REGISTERS; i++) {
            registers.add((byte) (i * 3));
        }
        return registers;
    }

    private static List<String> golden() throws IOException {
        return Resources.readLines(
                Resources.getResource(PlatformStateTest.class, "platform-v1.hex"),
                StandardCharsets.US_ASCII);
    }

    private static String hex(BodyWriter body) {
        return HexFormat.of().formatHex(body.toBytes());
    }

    private static BodyReader body(String hex) {
        return new BodyReader(HexFormat.of().parseHex(hex));
    }

    @Test
    void version1IsReadAndWrittenAsInItsGoldenFile() throws IOException {
        List<String> lines = golden();
        assertEquals(
                lines,
                List.of(
                        hex(DeviceStateCodec.encode(RTC)),
                        hex(DeviceStateCodec.encode(UNPLUG)),
                        hex(DeviceStateCodec.encode(ACPI))));
        assertEquals(RTC, DeviceStateCodec.rtc(1, body(lines.get(0))));
        assertEquals(UNPLUG, DeviceStateCodec.unplug(1, body(lines.get(1))));
        assertEquals(ACPI, DeviceStateCodec.acpi(1, body(lines.get(2))));
    }

    @Test
    void otherVersionsAndImpossibleClocksAreRefused() throws IOException {
        List<String> lines = golden();
        assertThrows(WireException.class, () -> DeviceStateCodec.rtc(2, body(lines.get(0))));
        assertThrows(WireException.class, () -> DeviceStateCodec.unplug(2, body(lines.get(1))));
        assertThrows(WireException.class, () -> DeviceStateCodec.acpi(2, body(lines.get(2))));
        String index = "80" + lines.getFirst().substring(2);
        assertThrows(WireException.class, () -> DeviceStateCodec.rtc(1, body(index)));
        String late = lines.getFirst().substring(0, 2 * 129) + "ffffffffffffff7f";
        assertThrows(WireException.class, () -> DeviceStateCodec.rtc(1, body(late)));
        String early = lines.getFirst().substring(0, 2 * 129) + "0000000000000080";
        assertThrows(WireException.class, () -> DeviceStateCodec.rtc(1, body(early)));
    }

    @Test
    void generationIdHasXensForms() {
        GenerationId id = ACPI.generation();
        assertEquals("81985529216486895:18446744073709551614", id.text());
        assertEquals("efcdab8967452301" + "feffffffffffffff", HexFormat.of().formatHex(id.bytes()));
    }
}
