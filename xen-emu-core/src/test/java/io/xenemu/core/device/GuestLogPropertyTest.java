package io.xenemu.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

final class GuestLogPropertyTest {
    private final List<String> lines = new ArrayList<>();
    private long now;
    private final GuestLog log = new GuestLog(lines::add, () -> now);
    private final PortBus bus = new PortBus(new DebugPort(log).ranges());

    private void write(String text) {
        text.chars().forEach(c -> bus.write(0xe9, 1, c));
    }

    @Test
    void lineIsGivenOutWhenItEnds() {
        write("early \t mess");
        assertEquals(List.of(), lines);
        write("age\nnext");
        assertEquals(List.of("early \t message"), lines);
        log.flush();
        log.flush();
        assertEquals(List.of("early \t message", "next"), lines);
    }

    /// CVE-2012-3515: what a guest prints acts on the terminal of whoever reads it.
    @Test
    void cve20123515OnlyPrintableCharactersAreTaken() {
        write("\u001b[31ma\0\r\u007f\u0080\u00ffb\n");
        assertEquals(List.of("[31mab"), lines);
    }

    @Test
    void longLineIsBroken() {
        write("x".repeat(GuestLog.MAX_LINE + 1) + "\n");
        assertEquals(List.of("x".repeat(GuestLog.MAX_LINE), "x"), lines);
    }

    @Test
    void guestThatWritesTooManyLinesLosesSomeAndTheLogSaysSo() {
        for (int i = 0; i < GuestLog.BURST + 3; i++) {
            write(i + "\n");
        }
        assertEquals(GuestLog.BURST, lines.size());
        assertEquals(3, log.lost().sum());
        lines.clear();
        now += GuestLog.INTERVAL_NANOS;
        write("late\n");
        write("lost\n");
        assertEquals(List.of("(3 lines lost: too many in a short time)", "late"), lines);
        assertEquals(4, log.lost().sum());
    }

    @Test
    void readOfTheDebugPortSeesNothing() {
        assertEquals(0xff, bus.read(0xe9, 1));
        assertEquals(0xffff, bus.read(0xe9, 2));
        assertEquals(0, bus.unclaimed());
    }

    @Property
    void anyBytesMakeBoundedLinesOfText(@ForAll byte[] bytes) {
        List<String> given = new ArrayList<>();
        GuestLog some = new GuestLog(given::add, () -> 0);
        for (byte b : bytes) {
            some.write(b & 0xff);
        }
        some.flush();
        for (String line : given) {
            assertTrue(line.length() <= GuestLog.MAX_LINE, line);
            assertTrue(line.chars().allMatch(c -> c == '\t' || (c >= ' ' && c <= '~')), line);
        }
    }
}
