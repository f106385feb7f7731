package io.xenemu.core.backend.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NbdUriTest {
    @Test
    void tcpHasHostPortAndExport() throws Exception {
        assertEquals(
                new NbdUri("store", 10809, null, "a/b c"), NbdUri.parse("nbd://store/a/b%20c"));
        assertEquals(new NbdUri("::1", 7, null, ""), NbdUri.parse("nbd://[::1]:7"));
        assertEquals(new NbdUri("10.0.0.1", 7, null, "x"), NbdUri.parse("nbd+tcp://10.0.0.1:7/x"));
    }

    @Test
    void unixHasSocketAndExport() throws Exception {
        assertEquals(
                new NbdUri("", 0, Path.of("/run/a b"), "x"),
                NbdUri.parse("nbd+unix:///x?socket=/run/a%20b"));
        assertEquals(
                new NbdUri("", 0, Path.of("/run/s"), ""),
                NbdUri.parse("nbd+unix://?socket=/run/s"));
    }

    @Test
    void textOfOneParsesAgain() throws Exception {
        for (String text : new String[] {"nbd://[::1]:7/x", "nbd+unix:///x?socket=/run/s"}) {
            assertEquals(text, NbdUri.parse(text).toString());
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "nbds://host/x",
                "nbd+vsock://1/x",
                "nbd:///x",
                "nbd://user@host/x",
                "nbd://host:0/x",
                "nbd://host:99999/x",
                "nbd://host/x?a=b",
                "nbd://host/x#y",
                "nbd+unix:///x",
                "nbd+unix:///x?socket=",
                "nbd+unix:///x?file=/s",
                "nbd+unix:///x?socket=/s&a=b",
                "nbd+unix://host/x?socket=/s",
                "nbd+unix:///x?socket=/s%00",
                "nbd://%zz/",
                "http://host/x"
            })
    void othersAreRefusedInOneLine(String text) {
        var e = assertThrows(NbdException.class, () -> NbdUri.parse(text));
        assertTrue(e.getMessage().startsWith("cannot use " + text + ": "), e.getMessage());
        assertTrue(e.isFinal());
    }

    @Test
    void pathIsNotOne() {
        assertFalse(NbdUri.isOne("/dev/nbd0"));
        assertFalse(NbdUri.isOne("nbd.qcow2"));
        assertTrue(NbdUri.isOne("nbds://host/x"));
    }
}
