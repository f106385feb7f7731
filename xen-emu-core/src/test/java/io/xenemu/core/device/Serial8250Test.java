package io.xenemu.core.device;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class Serial8250Test {
    private static final int BASE = 0x3f8;
    private static final int IER = 1;
    private static final int IIR = 2;
    private static final int FCR = 2;
    private static final int LCR = 3;
    private static final int MCR = 4;
    private static final int LSR = 5;
    private static final int MSR = 6;
    private static final int SCR = 7;
    private static final int OUT2 = 8;

    private final BytePipe output = new BytePipe(4);
    private final BytePipe input = new BytePipe(100);
    private final AtomicInteger pulses = new AtomicInteger();
    private final Serial8250 serial = new Serial8250(BASE, output, input, pulses::incrementAndGet);

    @BeforeEach
    void connectToTheBus() {
        out(FCR, 1);
        out(MCR, OUT2);
    }

    private int in(int register) {
        return serial.read(BASE + register);
    }

    private void out(int register, int value) {
        serial.write(BASE + register, value);
    }

    private String sent() {
        var bytes = new byte[100];
        return new String(bytes, 0, output.poll(bytes, 0, 100), StandardCharsets.US_ASCII);
    }

    private void type(int count) throws InterruptedException {
        input.put("abcdefghijklmnopqrstuvwxyz".getBytes(StandardCharsets.US_ASCII), 0, count);
        serial.service();
    }

    @Test
    void registersKeepWhatA16550Keeps() {
        out(IER, 0xff);
        assertEquals(0x0f, in(IER));
        out(IER, 0);
        out(SCR, 0xa5);
        assertEquals(0xa5, in(SCR));
        out(LCR, 0x1b);
        assertEquals(0x1b, in(LCR));
        out(MCR, 0xe3);
        assertEquals(0x03, in(MCR));
    }

    @Test
    void heldPortTakesNoInputFromTheHostAndCatchesUp() throws InterruptedException {
        out(IER, 1);
        serial.hold();
        type(3);
        assertEquals(0, pulses.get());

        serial.release();

        assertEquals(1, pulses.get());
        assertEquals('a', in(0));
    }

    @Test
    void divisorIsBehindDlab() {
        out(LCR, 0x83);
        out(0, 0x34);
        out(1, 0x12);
        assertEquals(0x34, in(0));
        assertEquals(0x12, in(1));
        out(LCR, 3);
        assertEquals(0, in(IER));
        assertEquals("", sent());
    }

    @Test
    void loopbackShowsTheModemLinesAsLinuxExpects() {
        out(MCR, 0x10 | 0x0a);
        assertEquals(0x90, in(MSR));
        out(MCR, 0x10 | 0x05);
        assertEquals(0x60, in(MSR) & 0xf0);
        out(MCR, OUT2);
        assertEquals(0xb0, in(MSR));
    }

    @Test
    void fifosAreThoseOfA16550AAndNoLater() {
        assertEquals(0xc1, in(IIR));
        out(FCR, 0);
        assertEquals(0x01, in(IIR));
        out(LCR, 0x80);
        out(FCR, 0x21);
        out(LCR, 0);
        assertEquals(0xc1, in(IIR));
    }

    @Test
    void loopbackFifoHolds16Bytes() {
        out(MCR, 0x10);
        for (int i = 0; i < 256; i++) {
            out(0, i);
        }
        for (int i = 0; i < 16; i++) {
            assertEquals(1, in(LSR) & 1);
            assertEquals(i, in(0));
        }
        assertEquals(0, in(LSR) & 1);
        assertEquals("", sent());
    }

    @Test
    void enablingTheTransmitterInterruptRaisesItEachTime() {
        out(IER, 2);
        assertEquals(0xc2, in(IIR));
        assertEquals(0xc1, in(IIR));
        out(IER, 0);
        out(IER, 2);
        assertEquals(0xc2, in(IIR));
        assertEquals(2, pulses.get());
    }

    @Test
    void eachSentByteRaisesTheTransmitterInterruptAgain() {
        out(IER, 2);
        assertEquals(0xc2, in(IIR));
        out(0, 'x');
        assertEquals(2, pulses.get());
        assertEquals("x", sent());
        assertEquals(0x60, in(LSR) & 0x60);
    }

    @Test
    void fullSinkKeepsTheTransmitterFull() {
        for (char c : "abcdef".toCharArray()) {
            out(0, c);
        }
        assertEquals(0, in(LSR) & 0x60);
        out(IER, 2);
        assertEquals(0xc1, in(IIR));
        assertEquals(0, pulses.get());
        assertEquals("abcd", sent());
        serial.service();
        assertEquals("ef", sent());
        assertEquals(1, pulses.get());
        assertEquals(0x60, in(LSR) & 0x60);
    }

    @Test
    void inputInterruptsOnceAndIsReadInOrder() throws InterruptedException {
        out(IER, 1);
        type(3);
        type(1);
        assertEquals(1, pulses.get());
        assertEquals(0xc4, in(IIR));
        assertEquals('a', in(0));
        assertEquals('b', in(0));
        assertEquals('c', in(0));
        assertEquals(0xc4, in(IIR));
        assertEquals('a', in(0));
        assertEquals(0xc1, in(IIR));
        assertEquals(0, in(LSR) & 1);
    }

    @Test
    void inputBeyondTheFifoWaitsAndIsNotLost() throws InterruptedException {
        type(26);
        var text = new StringBuilder();
        while ((in(LSR) & 1) != 0) {
            text.append((char) in(0));
        }
        assertEquals("abcdefghijklmnopqrstuvwxyz", text.toString());
    }

    @Test
    void receiverGoesBeforeTransmitter() throws InterruptedException {
        out(IER, 3);
        type(1);
        assertEquals(0xc4, in(IIR));
        in(0);
        assertEquals(0xc2, in(IIR));
    }

    @Test
    void overrunIsALineStatusThatReadingClears() {
        out(MCR, 0x10);
        for (int i = 0; i < 17; i++) {
            out(0, i);
        }
        out(IER, 4);
        assertEquals(0xc6, in(IIR));
        assertEquals(2, in(LSR) & 2);
        assertEquals(0, in(LSR) & 2);
        assertEquals(0xc1, in(IIR));
    }

    @Test
    void out2DisconnectsTheInterrupt() {
        out(MCR, 0);
        out(IER, 2);
        assertEquals(0, pulses.get());
        out(MCR, OUT2);
        assertEquals(1, pulses.get());
    }

    @Test
    void clearingTheReceiverDropsItsBytes() throws InterruptedException {
        type(5);
        out(FCR, 3);
        assertEquals(0, in(LSR) & 1);
    }
}
