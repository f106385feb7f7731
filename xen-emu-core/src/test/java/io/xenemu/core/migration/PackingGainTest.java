package io.xenemu.core.migration;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/// Which sections of a stream are worth being compressed.
final class PackingGainTest {
    private static final int SECTION = 1 << 20;
    private static final long PACKING = TimeUnit.MILLISECONDS.toNanos(3);
    private static final long FAST = TimeUnit.MICROSECONDS.toNanos(500);
    private static final long SLOW = TimeUnit.MILLISECONDS.toNanos(10);

    private final PackingGain gain = new PackingGain(1);

    private void took(long nanos) {
        for (int i = 0; i < 100; i++) {
            gain.took(SECTION, nanos);
        }
    }

    @Test
    void sectionsAreTriedUntilTheStreamIsKnown() {
        assertTrue(gain.isWorth(SECTION, SECTION, PACKING));
        gain.took(0, SLOW);
        assertTrue(gain.isWorth(SECTION, SECTION, PACKING));
    }

    @Test
    void shorterSectionsAreWorthItOnASlowStream() {
        took(SLOW);
        assertTrue(gain.isWorth(SECTION, SECTION / 2, PACKING));
    }

    @Test
    void shorterSectionsAreNotWorthItOnAStreamThatIsFasterThanTheCompressor() {
        took(FAST);
        assertFalse(gain.isWorth(SECTION, SECTION / 4, PACKING));
    }

    @Test
    void moreCompressorsMakeItWorthIt() {
        PackingGain ofFour = new PackingGain(4);
        for (int i = 0; i < 100; i++) {
            ofFour.took(SECTION, PACKING / 2);
            gain.took(SECTION, PACKING / 2);
        }
        assertTrue(ofFour.isWorth(SECTION, SECTION / 4, PACKING));
        assertFalse(gain.isWorth(SECTION, SECTION / 4, PACKING));
    }

    @Test
    void sectionsThatDoNotBecomeShorterAreTriedOnlyWhereThatTakesLittle() {
        took(SLOW);
        assertFalse(gain.isWorth(SECTION, SECTION, PACKING));
        took(10 * SLOW);
        assertTrue(gain.isWorth(SECTION, SECTION, PACKING));
    }

    @Test
    void aStreamThatBecomesSlowIsNoticed() {
        took(FAST);
        assertFalse(gain.isWorth(SECTION, SECTION / 2, PACKING));
        took(SLOW);
        assertTrue(gain.isWorth(SECTION, SECTION / 2, PACKING));
    }

    @Test
    void sectionsThatAreWaitedForAreTriedUntilCompressingIsKnown() {
        took(FAST);
        assertTrue(gain.isWorthWaiting());
    }

    @Test
    void sectionThatIsWaitedForIsSentAsItIsOnAFastStream() {
        took(FAST);
        boolean _ = gain.isWorth(SECTION, SECTION / 4, PACKING);
        assertFalse(gain.isWorthWaiting());
    }

    /// One section is compressed by one of them.
    @Test
    void otherCompressorsDoNotHelpASectionThatIsWaitedFor() {
        PackingGain ofFour = new PackingGain(4);
        for (int i = 0; i < 100; i++) {
            ofFour.took(SECTION, PACKING / 2);
        }
        assertTrue(ofFour.isWorth(SECTION, SECTION / 4, PACKING));
        assertFalse(ofFour.isWorthWaiting());
    }

    @Test
    void sectionThatIsWaitedForIsCompressedOnASlowStream() {
        took(SLOW);
        boolean _ = gain.isWorth(SECTION, SECTION / 2, PACKING);
        assertTrue(gain.isWorthWaiting());
    }
}
