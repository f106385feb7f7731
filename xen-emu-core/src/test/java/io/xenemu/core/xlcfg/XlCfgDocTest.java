package io.xenemu.core.xlcfg;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.docs.Document;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/// The documented table of keys is that of the code.
final class XlCfgDocTest {
    @Test
    void documentedKeysAreThoseOfTheTable() throws IOException {
        List<List<String>> rows =
                Arrays.stream(XlKey.values())
                        .map(key -> List.of(key.key(), key.use().word(), key.note()))
                        .toList();

        assertEquals(rows, Document.read("xen-emu-core/docs/xl-cfg.md").table("keys", 3));
    }
}
