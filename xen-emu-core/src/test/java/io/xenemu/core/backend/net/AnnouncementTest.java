package io.xenemu.core.backend.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.toolstack.MacAddress;
import java.lang.foreign.Arena;
import java.util.HexFormat;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/// A restored guest is announced a few times, whatever the host's end takes.
final class AnnouncementTest {
    private static final MacAddress ADDRESS = new MacAddress(0x0016_3e01_0203L);

    private final FakePort port = new FakePort();

    @Test
    void theFrameIsRarpFromTheGuestToAll() {
        assertEquals(
                "ffffffffffff"
                        + "00163e010203"
                        + "8035"
                        + "0001"
                        + "0800"
                        + "06"
                        + "04"
                        + "0003"
                        + "00163e010203"
                        + "00000000"
                        + "00163e010203"
                        + "00000000"
                        + "00".repeat(18),
                HexFormat.of().formatHex(Announcement.frame(ADDRESS)));
    }

    @Test
    void framesComeWithGrowingPauses() {
        try (Arena arena = Arena.ofConfined()) {
            Announcement announcement = new Announcement(ADDRESS, port, arena, 1000);
            long now = 1000;
            for (int sent = 1; sent < 5; sent++) {
                long pause = announcement.work(now);
                assertEquals(TimeUnit.MILLISECONDS.toNanos(100L * sent - 50), pause);
                assertEquals(sent, port.sent.size());
                assertEquals(1, announcement.work(now + pause - 1), "not yet");
                now += pause;
            }
            assertEquals(0, announcement.work(now));
            assertEquals(0, announcement.work(now + 1));
            assertEquals(5, port.sent.size());
            assertArrayEquals(Announcement.frame(ADDRESS), port.frame(4));
        }
    }

    @Test
    void aHostThatTakesNoneLosesThem() {
        try (Arena arena = Arena.ofConfined()) {
            Announcement announcement = new Announcement(ADDRESS, port, arena, 0);
            port.isFull = true;
            long now = 0;
            for (long pause = announcement.work(now); pause > 0; ) {
                now += pause;
                pause = announcement.work(now);
            }
            assertEquals(0, port.sent.size());
        }
    }
}
