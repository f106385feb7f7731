package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.device.GenerationId;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.testing.GoldenFile;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.CharRange;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

/// A saved guest's request is read as it was written.
final class GuestRequestCodecPropertyTest {
    private static final GuestRequest REQUEST =
            request(
                    77,
                    2,
                    List.of("/boot/initrd.img", "/boot/module with=an argument"),
                    "console=hvc0 root=/dev/xvda1 % + \u00e4",
                    new PlatformSettings(new GenerationId(3, -4), -3600, true),
                    new EndActions(
                            EndAction.RESTART,
                            EndAction.RENAME_RESTART,
                            EndAction.PRESERVE,
                            EndAction.COREDUMP_RESTART,
                            EndAction.SOFT_RESET),
                    true,
                    EngineMap.parse("block:0,-,net:1"));

    private static GuestRequest request(
            int id,
            int online,
            List<String> modules,
            String commandLine,
            PlatformSettings platform,
            EndActions ends,
            boolean overcommit,
            EngineMap engines) {
        return new GuestRequest(
                new DomainConfig(
                        "web",
                        new UUID(1, 2),
                        512 << 20,
                        1 << 30,
                        4,
                        0x4_0013,
                        new GrantLimits(32, 512, 1),
                        new EventChannelConfig(true, 100, true),
                        CpuConfig.DEFAULT),
                online,
                Path.of("/boot/vm linuz"),
                modules,
                commandLine,
                platform,
                ends,
                List.of(),
                overcommit,
                engines,
                new DomId(id),
                null);
    }

    private static byte[] bytes(GuestRequest request, DomId id) {
        return GuestRequestCodec.encode(id, request).toBytes();
    }

    private static GuestRequest decode(byte[] bytes) throws WireException {
        BodyReader body = new BodyReader(bytes);
        GuestRequest request = GuestRequestCodec.decode(GuestRequestCodec.VERSION, body);
        body.end();
        return request;
    }

    /// The golden file is of the version in its name and is never made again.
    @Test
    void savedRequestsOfVersion1AreRead() throws Exception {
        byte[] golden =
                GoldenFile.bytes(GuestRequestCodecPropertyTest.class, "guest-request-v1.hex");
        HexFormat hex = HexFormat.of();
        assertEquals(hex.formatHex(golden), hex.formatHex(bytes(REQUEST, new DomId(77))));
        assertEquals(REQUEST, GuestRequestCodec.decode(1, new BodyReader(golden)));
    }

    @Provide
    static Arbitrary<EndActions> ends() {
        Arbitrary<EndAction> words =
                Arbitraries.of(EndAction.class).filter(word -> word != EndAction.SOFT_RESET);
        return Combinators.combine(words, words, words, words, Arbitraries.of(EndAction.class))
                .as(EndActions::new);
    }

    @Property
    void anyRequestIsReadAsItWasWritten(
            @ForAll @IntRange(min = 1, max = 0x7fef) int id,
            @ForAll @IntRange(min = 1, max = 4) int online,
            @ForAll @Size(max = 64) List<@CharRange(to = '\ud7ff') String> modules,
            @ForAll @CharRange(to = '\ud7ff') String commandLine,
            @ForAll long number,
            @ForAll("ends") EndActions ends,
            @ForAll boolean flag)
            throws WireException {
        GuestRequest request =
                request(
                        id,
                        online,
                        modules,
                        commandLine,
                        new PlatformSettings(new GenerationId(number, ~number), number, flag),
                        ends,
                        !flag,
                        EngineMap.DEFAULT);
        GuestRequest saved = decode(bytes(request, new DomId(id)));
        assertEquals(request, saved);
    }

    @Property
    void damagedRequestsAreOthersOrRefused(
            @ForAll @IntRange(max = 400) int at, @ForAll byte value) {
        byte[] bytes = bytes(REQUEST, new DomId(77));
        bytes[at % bytes.length] = value;
        assertOtherOrRefused(bytes);
    }

    @Property
    void arbitraryBytesAreARequestOrRefused(@ForAll byte[] bytes) {
        assertOtherOrRefused(bytes);
    }

    private static void assertOtherOrRefused(byte[] bytes) {
        try {
            decode(bytes);
        } catch (WireException e) {
            assertEquals(1, String.valueOf(e.getMessage()).lines().count(), e::getMessage);
        }
    }

    @Test
    void otherVersionsAndIdsAreRefused() {
        byte[] good = bytes(REQUEST, new DomId(77));
        assertThrows(WireException.class, () -> GuestRequestCodec.decode(2, new BodyReader(good)));
        for (int id : List.of(0, 0x7ff0, 0xffff)) {
            byte[] bytes = bytes(REQUEST, new DomId(id));
            assertThrows(WireException.class, () -> decode(bytes));
        }
    }
}
