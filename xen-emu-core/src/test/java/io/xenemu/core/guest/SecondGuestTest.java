package io.xenemu.core.guest;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.device.ConsoleLog;
import java.io.ByteArrayOutputStream;
import org.junit.jupiter.api.Test;

class SecondGuestTest {
    private final ConsoleLog console = new ConsoleLog();

    @Test
    void eachLineHasTheNameInFront() {
        print("one\ntwo\n");
        assertEquals("receiver: one\nreceiver: two\n", printed());
    }

    @Test
    void outputWithoutAFinalLineEndGetsOne() {
        print("login: ");
        assertEquals("receiver: login: \n", printed());
    }

    @Test
    void tooLongLineIsCut() {
        print("x".repeat(5000));
        String expected =
                "receiver: " + "x".repeat(4096) + "\nreceiver: " + "x".repeat(5000 - 4096) + "\n";
        assertEquals(expected, printed());
    }

    private void print(String text) {
        byte[] bytes = text.getBytes(UTF_8);
        assertEquals(bytes.length, console.output().offer(bytes, 0, bytes.length));
    }

    private String printed() {
        console.close();
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        SecondGuest.print(console.reader(), "receiver: ", out);
        return out.toString(UTF_8);
    }
}
