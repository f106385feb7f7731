package io.xenemu.core.toolstack;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;
import net.jqwik.api.constraints.StringLength;

/// Any text is either a device's specification or refused with one line.
final class SpecPropertyTest {
    @Property
    void anyWordsAreADiskOrRefused(@ForAll List<@StringLength(max = 40) String> words) {
        checkDisk(words);
    }

    @Property
    void anyPartsAreADiskOrRefused(@ForAll("diskWords") List<String> words) {
        checkDisk(words);
    }

    private static void checkDisk(List<String> words) {
        try {
            DiskSpec disk = DiskSpec.parse(words);
            assertEquals(OptionalInt.of(disk.number()), VirtualDisk.number(disk.vdev()));
            assertFalse(disk.target().isEmpty() || disk.backend().isEmpty());
        } catch (Refused e) {
            assertFalse(e.reason().isBlank());
        }
    }

    @Provide
    Arbitrary<List<String>> diskWords() {
        return Arbitraries.of(
                        "/dev/x",
                        "raw",
                        "xvda",
                        "hdz",
                        "sda1",
                        "ro",
                        "w",
                        "",
                        "vdev=",
                        "vdev=xvdq1",
                        "target=a,b",
                        "backend=db",
                        "access=",
                        "access=r",
                        "format=",
                        "discard",
                        "phy:/x",
                        "tap:aio:",
                        "drbd:r0",
                        "hdc:cdrom",
                        "cdrom",
                        "foo:",
                        ":",
                        "=",
                        "script=/s",
                        " xvda")
                .list()
                .ofMaxSize(7)
                .map(parts -> String.join(",", parts))
                .list()
                .ofMaxSize(3);
    }

    @Property
    void anyWordsAreAShareOrRefused(@ForAll("shareWords") List<String> words) {
        try {
            P9Spec share = P9Spec.parse(words);
            assertTrue(share.path().startsWith("/"));
            assertFalse(share.tag().isEmpty() || share.backend().isEmpty());
            assertTrue(share.maxOpenFiles().orElse(1) >= 1);
            assertTrue(share.quota().isLimited() || !share.quota().deletesOldest());
        } catch (Refused e) {
            assertFalse(e.reason().isBlank());
        }
    }

    @Property
    void anyWordsAreAConsoleOrRefused(@ForAll("consoleWords") List<String> words) {
        try {
            ConsoleSpec console = ConsoleSpec.parse(words);
            boolean hasPath = console.connection() != ConsoleSpec.Connection.PTY;
            assertEquals(hasPath, console.path().startsWith("/"));
            assertTrue(console.limit() >= 4096 && console.limit() <= 16 << 20);
            assertTrue(console.maxSize() >= 4096);
            assertFalse(console.backend().isEmpty());
        } catch (Refused e) {
            assertFalse(e.reason().isBlank());
        }
    }

    @Provide
    Arbitrary<List<String>> consoleWords() {
        return Arbitraries.oneOf(
                        List.of(
                                Arbitraries.of(
                                        "name=a",
                                        "name=",
                                        "connection=pty",
                                        "connection=socket",
                                        "connection=FILE",
                                        "connection=x",
                                        "path=/a",
                                        " path = /a b ",
                                        "path=a",
                                        "limit=4K",
                                        "limit=4095",
                                        "limit=1G",
                                        "max-size=1G",
                                        "max-size=0",
                                        "backend=",
                                        "backend=b"),
                                Arbitraries.strings().ofMaxLength(20)))
                .list()
                .ofMaxSize(6)
                .map(parts -> List.of(String.join(",", parts)));
    }

    @Provide
    Arbitrary<List<String>> shareWords() {
        return Arbitraries.oneOf(
                        List.of(
                                Arbitraries.of(
                                        "tag=t",
                                        "path=/a",
                                        "ro",
                                        "ro=0",
                                        "backend=",
                                        "security_model=none",
                                        "security_model=mapped",
                                        "max-open-files=99",
                                        "max-files=3",
                                        "max-space=x",
                                        "auto-delete=1",
                                        "type=xen_9pfsd",
                                        "tag",
                                        "=",
                                        "type=qemu"),
                                Arbitraries.strings().ofMaxLength(8).map(text -> "path=/" + text),
                                Arbitraries.strings().ofMaxLength(8).map(text -> "tag=" + text),
                                Arbitraries.strings().ofMaxLength(20)))
                .list()
                .ofMaxSize(6);
    }

    @Property
    void anyWordsAreANetworkInterfaceOrRefused(
            @ForAll("nicWords") List<String> words, @ForAll long seed) {
        try {
            NicSpec nic = NicSpec.parse(words, new Random(seed));
            assertFalse(nic.backend().isEmpty());
            assertTrue(nic.mtu() >= 68 && nic.mtu() <= 65535);
            assertTrue(nic.id().orElse(0) >= 0);
        } catch (Refused e) {
            assertFalse(e.reason().isBlank());
        }
    }

    @Provide
    Arbitrary<List<String>> nicWords() {
        Arbitrary<String> value =
                Arbitraries.oneOf(
                        Arbitraries.strings().ofMaxLength(10),
                        Arbitraries.integers().map(number -> Integer.toString(number)),
                        Arbitraries.of("vif", "00:16:3e:0:1:2", "1", "68", "65536"));
        Arbitrary<String> part =
                Arbitraries.of("mac", "mtu", "devid", "backend", "type", "trusted", "ip", "x")
                        .flatMap(key -> value.map(text -> key + "=" + text));
        return part.list().ofMaxSize(4).map(parts -> String.join(",", parts)).list().ofMaxSize(2);
    }

    @Property
    void everyDiskAndPartitionHasItsNumber(
            @ForAll @IntRange(max = (1 << 20) - 1) int disk,
            @ForAll @IntRange(max = 255) int partition) {
        int expected =
                disk < 16 && partition < 16
                        ? 202 * 256 + disk * 16 + partition
                        : 0x1000_0000 + disk * 256 + partition;
        String name = "xvd" + letters(disk) + (partition == 0 ? "" : partition);

        assertEquals(OptionalInt.of(expected), VirtualDisk.number(name));
        assertEquals(OptionalInt.of(expected), VirtualDisk.number("d" + disk + "p" + partition));
        assertEquals(OptionalInt.of(expected), VirtualDisk.number(Integer.toString(expected)));
        assertEquals(
                OptionalInt.of(expected), VirtualDisk.number("0x" + Integer.toHexString(expected)));
    }

    private static String letters(int disk) {
        String last = Character.toString('a' + disk % 26);
        return disk < 26 ? last : letters(disk / 26 - 1) + last;
    }

    @Property
    void addressIsReadAsItIsWritten(@ForAll @LongRange(min = 0, max = 0xffff_ffff_ffffL) long mac) {
        MacAddress address = new MacAddress(mac);

        assertEquals(17, address.toString().length());
        assertEquals(Optional.of(address), MacAddress.parse(address.toString()));
    }

    @Property
    void randomAddressHasXensPrefix(@ForAll long seed) {
        assertTrue(MacAddress.random(new Random(seed)).toString().matches("00:16:3e:[0-7].*"));
    }

    @Property
    void anyTextIsAnAddressOrNone(@ForAll String text) {
        MacAddress.parse(text).ifPresent(mac -> assertEquals(17, mac.toString().length()));
    }
}
