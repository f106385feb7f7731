package io.xenemu.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class RtcTest {
    private Instant now = Instant.parse("2026-11-29T13:14:15.5Z");
    private final List<Long> offsets = new ArrayList<>();
    private final Rtc rtc = new Rtc(() -> now, RtcState.initial(0), offsets::add);
    private final PortBus bus = new PortBus(rtc.ranges());

    private int read(int register) {
        return read(bus, register);
    }

    private static int read(PortBus bus, int register) {
        bus.write(0x70, 1, register);
        return bus.read(0x71, 1);
    }

    private void write(int register, int value) {
        bus.write(0x70, 1, register);
        bus.write(0x71, 1, value);
    }

    private String time() {
        return "%02x%02x-%02x-%02x %02x:%02x:%02x"
                .formatted(read(0x32), read(9), read(8), read(7), read(4), read(2), read(0));
    }

    @Test
    void guestReadsTheHostsTimeInBcd() {
        assertEquals("2026-11-29 13:14:15", time());
        assertEquals(1, read(6), "a Sunday");
        assertEquals(0x26, read(0xa));
        assertEquals(2, read(0xb));
        assertEquals(0, read(0xc));
        assertEquals(0x80, read(0xd));
        assertEquals(0xff, bus.read(0x70, 1));
    }

    @Test
    void binaryAndTwelveHoursAreShownAsTheGuestWants() {
        write(0xb, 4);
        assertEquals(0x80 | 1, read(4));
        assertEquals(14, read(2));
        write(0xb, 0);
        now = Instant.parse("2026-11-29T00:59:00Z");
        assertEquals(0x12, read(4));
        assertEquals(0x59, read(2));
        now = Instant.parse("2026-11-29T12:00:00Z");
        assertEquals(0x92, read(4));
    }

    @Test
    void updateIsAnnouncedBeforeTheSecondEnds() {
        assertEquals(0x26, read(0xa));
        now = Instant.parse("2026-11-29T13:14:15.997Z");
        assertEquals(0x26, read(0xa));
        now = Instant.parse("2026-11-29T13:14:15.998Z");
        assertEquals(0xa6, read(0xa));
        write(0xb, 0x82);
        assertEquals(0x26, read(0xa), "a clock that is being set has no updates");
    }

    @Test
    void guestSetsTheClockWhileItStandsStill() {
        write(0xb, 0x82);
        now = now.plusSeconds(100);
        assertEquals("2026-11-29 13:14:15", time());
        write(0x32, 0x20);
        write(9, 0x30);
        write(8, 0x02);
        write(7, 0x28);
        write(4, 0x23);
        write(2, 0x59);
        write(0, 0x58);
        assertEquals(List.of(), offsets);
        write(0xb, 2);
        assertEquals("2030-02-28 23:59:58", time());
        now = now.plusSeconds(2);
        assertEquals("2030-03-01 00:00:00", time());
        assertEquals(1, offsets.size());
        assertEquals(
                Instant.parse("2030-03-01T00:00:00Z").getEpochSecond() - now.getEpochSecond(),
                offsets.getFirst());
    }

    @Test
    void registerThatIsWrittenWhileTheClockRunsCountsAtOnce() {
        write(4, 0x14);
        assertEquals(List.of(3600L), offsets);
        assertEquals("2026-11-29 14:14:15", time());
        write(0, 0x15);
        assertEquals(List.of(3600L), offsets, "the same time again");
    }

    @Test
    void timeBeyondItsRangeCountsOn() {
        write(7, 0x31);
        assertEquals("2026-12-01 13:14:15", time());
    }

    @Test
    void offsetShowsInTheTime() {
        Rtc late = new Rtc(() -> now, RtcState.initial(-90), offsets::add);
        assertEquals(0x12, read(new PortBus(late.ranges()), 2));
        assertEquals(-90, late.offsetSeconds());
    }

    @Test
    void otherRegistersAreMemory() {
        write(0x0e, 0x55);
        write(1, 0xc0);
        write(0x7f, 0xaa);
        assertEquals(0x55, read(0x0e));
        assertEquals(0xc0, read(0x81), "the highest bit of the index masks NMIs");
        assertEquals(0xaa, read(0x7f));
    }
}
