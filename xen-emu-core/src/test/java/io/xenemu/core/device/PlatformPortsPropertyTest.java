package io.xenemu.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.AcpiTables;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/// Whatever a guest does to the ports of its platform, the devices answer within the width of the access. A restored
/// guest gets the same answers as the saved one.
final class PlatformPortsPropertyTest {
    private static final int[] PORTS = {
        0x10, 0x11, 0x12, 0x13, 0x70, 0x71, 0xe9, AcpiTables.EVENT_PORT
    };

    private static final List<AcpiEvents.Event> EVENTS = List.of(AcpiEvents.Event.values());

    private static final Instant START = Instant.parse("2026-11-29T13:14:15Z");

    /// An access, or an event of the host.
    ///
    /// @param kind 0 and 1 read and write; 2 is an event, 3 lets time pass
    record Step(int kind, int port, int size, int value) {}

    @Provide
    Arbitrary<List<Step>> steps() {
        Arbitrary<Integer> values =
                Arbitraries.oneOf(
                        Arbitraries.integers(),
                        Arbitraries.integers().between(0, 0x40),
                        Arbitraries.of(0x80, 0x82, 0x86, 0x99, 0x3, 0xffff));
        return Combinators.combine(
                        Arbitraries.integers().between(0, 3),
                        Arbitraries.of(0, 1, 2, 3, 4, 5, 6, 7),
                        Arbitraries.of(1, 2, 4),
                        values)
                .as(Step::new)
                .list()
                .ofMaxSize(60);
    }

    /// The devices of one guest.
    private static final class Platform {
        private Instant now;
        private final List<Long> offsets = new ArrayList<>();
        private boolean line;
        private final AcpiEvents events = new AcpiEvents(up -> line = up);
        private final GuestLog log = new GuestLog(text -> {}, () -> 0);
        private final Rtc rtc;
        private final UnplugPorts unplug;
        private final PortBus bus;

        Platform(Instant now, RtcState rtc, UnplugState unplug, int pending) {
            this.now = now;
            this.rtc = new Rtc(() -> this.now, rtc, offsets::add);
            this.unplug =
                    new UnplugPorts(
                            log, (product, build) -> product == 3 && build > 9, _ -> {}, unplug);
            events.restore(pending);
            List<PortBus.Range> ranges = new ArrayList<>(this.rtc.ranges());
            ranges.addAll(this.unplug.ranges());
            ranges.addAll(new DebugPort(log).ranges());
            ranges.addAll(events.ranges());
            bus = new PortBus(ranges);
        }

        Platform restored() throws WireException {
            return new Platform(
                    now,
                    DeviceStateCodec.rtc(1, body(DeviceStateCodec.encode(rtc.save()))),
                    DeviceStateCodec.unplug(1, body(DeviceStateCodec.encode(unplug.save()))),
                    events.save());
        }

        int on(Step step) {
            int port = PORTS[step.port];
            switch (step.kind) {
                case 0 -> {
                    int value = bus.read(port, step.size);
                    assertEquals(value, value & PortBus.allOnes(step.size));
                    assertEquals(events.save() != 0, line);
                    return value;
                }
                case 1 -> bus.write(port, step.size, step.value);
                case 2 -> events.raise(EVENTS.get(step.port % EVENTS.size()));
                default -> now = now.plusNanos(step.value & 0x7fff_ffff);
            }
            assertEquals(events.save() != 0, line);
            assertTrue(Math.abs(rtc.offsetSeconds()) <= RtcState.MAX_OFFSET_SECONDS);
            return 0;
        }
    }

    private static BodyReader body(BodyWriter writer) {
        return new BodyReader(writer.toBytes());
    }

    @Property
    void restoredDevicesAnswerAsTheSavedOnes(
            @ForAll("steps") List<Step> before, @ForAll("steps") List<Step> after)
            throws WireException {
        Platform saved = new Platform(START, RtcState.initial(0), UnplugState.INITIAL, 0);
        before.forEach(saved::on);
        Platform restored = saved.restored();
        saved.offsets.clear();
        for (Step step : after) {
            assertEquals(saved.on(step), restored.on(step), step::toString);
        }
        assertEquals(saved.offsets, restored.offsets);
    }

    @Property
    void arbitraryBytesAreAStateOrRefused(@ForAll byte[] bytes) {
        for (Decoder decoder :
                List.<Decoder>of(
                        DeviceStateCodec::rtc, DeviceStateCodec::unplug, DeviceStateCodec::acpi)) {
            try {
                decoder.decode(1, new BodyReader(bytes));
            } catch (WireException e) {
                assertEquals(1, String.valueOf(e.getMessage()).lines().count());
            }
        }
    }

    private interface Decoder {
        Object decode(int version, BodyReader body) throws WireException;
    }
}
