package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.primitives.Bytes;
import com.google.common.primitives.Ints;
import io.xenemu.core.backend.engine.DomainEngines;
import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.backend.engine.EngineMapState;
import io.xenemu.core.boot.AcpiTables;
import io.xenemu.core.device.AcpiEvents;
import io.xenemu.core.device.ConsoleState;
import io.xenemu.core.device.DeviceStateCodec;
import io.xenemu.core.device.SerialState;
import io.xenemu.core.docs.Document;
import io.xenemu.core.domain.DomainOrigin;
import io.xenemu.core.domain.PartState;
import io.xenemu.core.domain.SavedFrames;
import io.xenemu.core.domain.XenState;
import io.xenemu.core.hypervisor.DeviceAttachment;
import io.xenemu.core.machine.SavedDomain;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceList;
import io.xenemu.core.toolstack.P9Spec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import io.xenemu.xenstore.state.XenStoreCodec;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.state.XenStoreState.NodeState;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.MessageType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

/// A guest that is saved and restored in another process is the same guest, with its XenStore connection, console,
/// serial port and platform.
final class SavedGuestPropertyTest {
    private static final int KINDS = 15;
    private static final int TX = 1;

    /// Something that a guest, a host tool or a person at a terminal does.
    record Step(int kind, int a, int b) {
        String on(SavableGuest guest, boolean isBefore) {
            String node = "data/n" + Math.floorMod(a, 3);
            return switch (kind) {
                case 0 -> guest.ask(MessageType.WRITE, b % 3 == 0 ? TX : 0, node + "\0v" + b, 99);
                case 1 -> guest.ask(MessageType.READ, b % 3 == 0 ? TX : 0, node + "\0", 99);
                case 2 -> guest.ask(MessageType.WATCH, 0, node + "\0t" + b % 2 + "\0", 99);
                // Transactions of a new connection have other numbers.
                case 3 ->
                        isBefore && guest.isHeard()
                                ? guest.ask(MessageType.TRANSACTION_START, 0, "\0", 99)
                                : "";
                case 4 ->
                        guest.ask(MessageType.TRANSACTION_END, TX, b % 2 == 0 ? "T\0" : "F\0", 99);
                case 5 -> guest.ask(MessageType.WRITE, 0, node + "\0x", Math.floorMod(b, 30));
                case 6 -> guest.replies(Math.floorMod(b, 200));
                case 7 -> guest.toolWrites(node, "w" + b);
                case 8 -> guest.print("p" + b % 100);
                case 9 -> guest.readConsole(Math.floorMod(b, 8));
                case 10 -> type(guest, isBefore);
                case 11 -> guest.register(Math.floorMod(a, 8), Math.floorMod(b, 256));
                case 12 -> guest.register(Math.floorMod(a, 8));
                case 13 -> platform(guest);
                default -> seldom(guest);
            };
        }

        private String platform(SavableGuest guest) {
            switch (Math.floorMod(a, 4)) {
                case 0 -> guest.domain().acpiEvents().raise(AcpiEvents.Event.POWER_BUTTON);
                case 1 -> {
                    guest.ports().write(0x12, 2, b);
                    guest.ports().write(0x10, 1, b);
                }
                case 2 -> {
                    guest.ports().write(0x70, 1, 0x40);
                    guest.ports().write(0x71, 1, b);
                }
                default -> {
                    return Integer.toHexString(
                            guest.ports().read(AcpiTables.EVENT_PORT, 1)
                                    + guest.ports().read(0x10, 1)
                                    + guest.ports().read(0x71, 1));
                }
            }
            return "done";
        }

        private String type(SavableGuest guest, boolean isBefore) {
            SavableGuest.Typewriter end = a % 2 == 0 ? guest.console : guest.serial;
            end.fill(b % 3 == 0);
            end.silence(isBefore && b % 3 == 0);
            end.type("k" + b % 10);
            return end.take();
        }

        private String seldom(SavableGuest guest) {
            return switch (Math.floorMod(b, 20)) {
                case 0 -> guest.close(guest.storePort);
                case 1 -> guest.close(guest.consolePort);
                case 2 -> {
                    guest.scribble(a);
                    yield "";
                }
                default -> guest.console.take() + guest.serial.take();
            };
        }
    }

    @Provide
    Arbitrary<List<Step>> steps() {
        return Combinators.combine(
                        Arbitraries.integers().between(0, KINDS - 1),
                        Arbitraries.integers(),
                        Arbitraries.integers())
                .as(Step::new)
                .list()
                .ofMaxSize(40);
    }

    /// Generations count all of a store's changes, also of other domains.
    private static String described(SavedGuest saved) {
        StringBuilder nodes = new StringBuilder();
        XenStoreState store = saved.store();
        for (NodeState node : store.nodes()) {
            nodes.append(node.path())
                    .append(HexFormat.of().formatHex(node.value()))
                    .append(HexFormat.of().formatHex(node.permissions().encode()))
                    .append('\n');
        }
        XenStoreState connection =
                new XenStoreState(
                        List.of(),
                        List.of(),
                        List.of(),
                        XenStoreState.Descriptors.NONE,
                        store.domains(),
                        List.of());
        return saved.xen()
                + "\n"
                + saved.console()
                + saved.serial()
                + saved.rtc()
                + saved.unplug()
                + saved.acpi()
                + saved.engines()
                + "\n"
                + nodes
                + HexFormat.of().formatHex(XenStoreCodec.encode(connection).toBytes());
    }

    private static DomainOrigin.RamContents ramOf(SavableGuest guest) {
        return memory -> memory.ram().copyFrom(guest.domain().memory().ram());
    }

    @Property(tries = 60)
    void restoredGuestIsTheSameAndGoesOnAsTheOldOne(
            @ForAll("steps") List<Step> before, @ForAll("steps") List<Step> after)
            throws Exception {
        try (SavableGuest old = new SavableGuest()) {
            before.forEach(step -> step.on(old, true));
            // Bytes printed before the save have been taken by their reader. Those of which the
            // guest has not told are printed when either goes on.
            old.console.take();
            old.serial.take();
            SavedGuest saved = SavableGuest.read(old.save());
            try (SavableGuest restored = new SavableGuest(saved, ramOf(old))) {
                // A restore rings, since an event may have been lost, and announces pending events.
                old.ring(saved.storePort());
                old.domain().eventChannels().announcePending();
                for (SavableGuest.Typewriter end : List.of(old.console, old.serial)) {
                    end.fill(false);
                    end.silence(false);
                }
                assertSame(old, restored, "restored");
                for (Step step : after) {
                    assertEquals(step.on(old, false), step.on(restored, false), step::toString);
                }
                assertSame(old, restored, "later");
            }
        }
    }

    private static void assertSame(SavableGuest old, SavableGuest restored, String when)
            throws Exception {
        assertEquals(old.console.take(), restored.console.take(), when);
        assertEquals(old.serial.take(), restored.serial.take(), when);
        List<String> expected = described(SavableGuest.read(old.save())).lines().toList();
        List<String> actual = described(SavableGuest.read(restored.save())).lines().toList();
        assertEquals(expected.size(), actual.size(), when);
        for (int i = 0; i < expected.size(); i++) {
            assertEquals(expected.get(i), actual.get(i), when);
        }
    }

    @Test
    void streamThatIsCutOffOrDamagedIsRefusedInOneLine() throws Exception {
        byte[] stream;
        try (SavableGuest guest = new SavableGuest()) {
            stream = guest.save();
        }
        for (int at = 0; at < stream.length; at += 1 + stream.length / 400) {
            byte[] cut = Arrays.copyOf(stream, at);
            assertOneLine(assertThrows(WireException.class, () -> SavableGuest.read(cut)));
            byte[] damaged = stream.clone();
            damaged[at] ^= 0x41;
            assertOneLine(assertThrows(WireException.class, () -> SavableGuest.read(damaged)));
        }
    }

    private static void assertOneLine(Exception e) {
        assertEquals(1, String.valueOf(e.getMessage()).lines().count());
    }

    @Test
    void stateOfAnotherDomainIsRefused() throws Exception {
        try (SavableGuest guest = new SavableGuest()) {
            SavedGuest good = SavableGuest.read(guest.save());
            XenStoreState store = good.store();
            NodeState node = store.nodes().getFirst();
            for (String path :
                    List.of("/local/domain/2", "/local/domain/0/backend/vbd/11", "/vm")) {
                NodeState foreign =
                        new NodeState(Path.of(path), node.value(), node.permissions(), 1, 1);
                assertRefused(
                        good,
                        new XenStoreState(
                                List.of(foreign),
                                List.of(),
                                List.of(),
                                store.descriptors(),
                                store.domains(),
                                List.of()));
            }
            assertRefused(good, store.withoutConnections());
            assertRefused(good, store.withPort(good.xen().id(), 9));
            assertRefused(good, store.withPort(good.xen().id(), good.console().port()));
        }
    }

    private static void assertRefused(SavedGuest good, XenStoreState store) {
        assertThrows(
                IllegalArgumentException.class,
                () ->
                        new SavedGuest(
                                good.xen(),
                                good.kvm(),
                                store,
                                good.console(),
                                good.serial(),
                                good.rtc(),
                                good.unplug(),
                                good.acpi(),
                                good.engines(),
                                good.backends(),
                                good.suspended()));
    }

    @Test
    void everyFrameIsInTheDescriptionOfTheFormat() throws IOException {
        SavedFrames frames = new SavedFrames();
        Supplier<SavedGuest> _ = SavedGuest.addTo(frames);
        Set<String> names = new TreeSet<>();
        for (int type : frames.types()) {
            byte[] letters = Ints.toByteArray(Integer.reverseBytes(type));
            names.add(new String(letters, StandardCharsets.US_ASCII).strip());
        }
        Set<String> described = new TreeSet<>();
        Document.read("xen-emu-core/docs/saved-state.md")
                .table("frames", 3)
                .forEach(row -> described.add(row.getFirst()));
        assertEquals(names, described);
    }

    @Test
    void restoreWithAnIdInUseIsRefusedAndMakesNothing() throws Exception {
        try (SavableGuest guest = new SavableGuest()) {
            SavedGuest saved = SavableGuest.read(guest.save());
            SavedDomain origin =
                    new SavedDomain(
                            new DomainOrigin.Saved(saved.xen(), ramOf(guest)),
                            saved.kvm(),
                            ClockPolicy.STAND_STILL);
            Refused e =
                    assertThrows(
                            Refused.class,
                            () ->
                                    guest.hypervisor.restore(
                                            origin,
                                            guest.hypervisor.unprepared(),
                                            _ -> {
                                                throw new AssertionError("made");
                                            },
                                            new SavableGuest.NoOrders(),
                                            EngineMap.DEFAULT));
            assertEquals("the domain id 1 is in use", e.reason());
        }
    }

    @Test
    void restoredGuestHasItsMapOfEngines() throws Exception {
        EngineMap map = EngineMap.parse("block:0,-,net:0,net:0");
        try (SavableGuest guest = new SavableGuest()) {
            requireEngines(guest).set(map);
            SavedGuest saved = SavableGuest.read(guest.save());
            try (SavableGuest restored = new SavableGuest(saved, ramOf(guest))) {
                assertEquals(map, requireEngines(restored).map());
            }
        }
    }

    private static DomainEngines requireEngines(SavableGuest guest) {
        return Objects.requireNonNull(guest.hypervisor.engines().find(guest.domain().id()));
    }

    @Test
    void restoreIsRefusedIfTheServiceLacksAnEngineOfTheMap() throws Exception {
        try (SavableGuest guest = new SavableGuest()) {
            SavedGuest saved = SavableGuest.read(guest.save());
            SavedGuest elsewhere =
                    new SavedGuest(
                            saved.xen(),
                            saved.kvm(),
                            saved.store(),
                            saved.console(),
                            saved.serial(),
                            saved.rtc(),
                            saved.unplug(),
                            saved.acpi(),
                            new EngineMapState(EngineMap.parse("store:7")),
                            saved.backends(),
                            saved.suspended());
            Refused e =
                    assertThrows(
                            Refused.class, () -> new SavableGuest(elsewhere, ramOf(guest)).close());
            assertEquals("engines: the service has no engine store:7", e.reason());
        }
    }

    /// The share is in the state, and its nodes are in the store's, those of the toolstack too.
    @Test
    void restoredGuestHasItsShares() throws Exception {
        java.nio.file.Path folder = Files.createTempDirectory("share");
        P9Spec spec = P9Spec.parse(List.of("tag=data,max-files=9,path=" + folder));
        try (SavableGuest guest = new SavableGuest()) {
            DeviceAttachment attachment = guest.hypervisor.devices().attachment();
            PvDevice device = attachment.create("web", spec);
            attachment.devices().awaitBackend(device, spec);
            SavedGuest saved = SavableGuest.read(guest.save());
            assertEquals(1, saved.backends().devices().size());
            try (SavableGuest restored = new SavableGuest(saved, ramOf(guest))) {
                DeviceList list = restored.hypervisor.devices().attachment().devices().list();
                assertEquals(device, list.find(DeviceKind.P9, saved.xen().id(), "data"));
                restored.boot().start();
                assertEquals(saved.backends(), SavableGuest.read(restored.save()).backends());
                // As at a reboot of the guest.
                assertEquals(
                        List.of(spec.numbered(0)),
                        restored.hypervisor.devices().keep(restored.domain()).specs());
            }
        } finally {
            Files.delete(folder);
        }
    }

    @Test
    void restoreIsRefusedIfTheFolderOfAShareIsMissing() throws Exception {
        java.nio.file.Path folder = Files.createTempDirectory("share");
        P9Spec spec = P9Spec.parse(List.of("tag=data,path=" + folder));
        try (SavableGuest guest = new SavableGuest()) {
            DeviceAttachment attachment = guest.hypervisor.devices().attachment();
            attachment.devices().awaitBackend(attachment.create("web", spec), spec);
            SavedGuest saved = SavableGuest.read(guest.save());
            Files.delete(folder);
            Refused e =
                    assertThrows(
                            Refused.class, () -> new SavableGuest(saved, ramOf(guest)).close());
            assertTrue(e.reason().startsWith("the folder cannot be shared: "), e.reason());
        }
    }

    /// Earlier versions of the service had no engines, and wrote no frame for them.
    @Test
    void guestThatWasSavedWithoutAMapHasTheDefault() throws Exception {
        try (SavableGuest guest = new SavableGuest()) {
            Map<String, PartState> parts =
                    new LinkedHashMap<>(guest.domain().parts().quiesceAndSave());
            guest.domain().parts().resume();
            assertNotNull(parts.remove("engines"));
            assertEquals(EngineMapState.NONE, SavableGuest.read(XenState.write(parts)).engines());
        }
    }

    @Property
    void devicesAreReadAsTheyWereWritten(
            @ForAll int number, @ForAll boolean flag, @ForAll byte[] typed) throws IOException {
        List<Byte> bytes = List.copyOf(Bytes.asList(typed));
        List<Byte> few = bytes.subList(0, Math.min(bytes.size(), 16));
        ConsoleState console =
                new ConsoleState(number, new ConsoleState.Ring(number, ~number, flag), bytes);
        assertEquals(
                console,
                DeviceStateCodec.console(1, body(DeviceStateCodec.encode(console).toBytes())));
        SerialState serial =
                new SerialState(
                        new SerialState.Registers(
                                number & 0xff, 1, 2, 3, 4, number & 0xffff, flag, !flag, flag),
                        few,
                        few,
                        bytes);
        assertEquals(
                serial,
                DeviceStateCodec.serial(1, body(DeviceStateCodec.encode(serial).toBytes())));
    }

    @Property
    void arbitraryBytesAreADeviceOrRefused(@ForAll byte[] bytes) {
        try {
            DeviceStateCodec.console(1, body(bytes));
            DeviceStateCodec.serial(1, body(bytes));
        } catch (WireException e) {
            assertEquals(WireException.class, e.getClass());
        }
        assertThrows(WireException.class, () -> DeviceStateCodec.console(2, body(bytes)));
        assertThrows(WireException.class, () -> DeviceStateCodec.serial(2, body(bytes)));
    }

    private static BodyReader body(byte[] bytes) {
        return new BodyReader(bytes);
    }

    /// The bytes of version 1, which stay as they are.
    @Test
    void version1IsReadAndWrittenAsItWas() throws IOException {
        ConsoleState console =
                new ConsoleState(2, new ConsoleState.Ring(5, 6, true), List.of((byte) 'k'));
        SerialState serial =
                new SerialState(
                        new SerialState.Registers(1, 2, 3, 4, 5, 0x607, true, false, true),
                        List.of((byte) 8),
                        List.of((byte) 9, (byte) 10),
                        List.of());
        String consoleV1 = "02000000" + "05000000" + "06000000" + "01" + "01000000" + "6b";
        String serialV1 =
                "0102030405" + "0706" + "010001" + "0100000008" + "02000000090a" + "00000000";
        HexFormat hex = HexFormat.of();
        assertEquals(console, DeviceStateCodec.console(1, body(hex.parseHex(consoleV1))));
        assertEquals(serial, DeviceStateCodec.serial(1, body(hex.parseHex(serialV1))));
        assertEquals(consoleV1, hex.formatHex(DeviceStateCodec.encode(console).toBytes()));
        assertEquals(serialV1, hex.formatHex(DeviceStateCodec.encode(serial).toBytes()));
    }
}
