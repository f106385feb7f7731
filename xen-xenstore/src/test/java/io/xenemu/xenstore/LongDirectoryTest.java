package io.xenemu.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.xenemu.xenstore.wire.MessageType;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// A directory with many children costs what a request asks of it, not what it has.
class LongDirectoryTest {
    private static final int CHILDREN = 20_000;

    /// A part of a listing, its reply, and the new versions of two nodes; sorting takes ten times as much.
    private static final long BYTES_PER_CHANGE = 64 << 10;

    private static final int CHANGES = 100;

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private final Rig rig = new Rig();
    private final Rig.Client client = rig.client(0);

    @AfterEach
    void close() {
        rig.close();
    }

    @Test
    void namesOfALongDirectoryAreNotSortedAgainAfterANewChild() {
        for (int i = 0; i < CHILDREN; i++) {
            client.ask(MessageType.MKDIR, "/d/entry" + i + "\0");
        }
        change(CHILDREN); // has the names sorted once, and the array made longer
        long before = THREADS.getCurrentThreadAllocatedBytes();
        for (int i = 1; i <= CHANGES; i++) {
            change(CHILDREN + i);
        }
        long each = (THREADS.getCurrentThreadAllocatedBytes() - before) / CHANGES;
        assertTrue(each < BYTES_PER_CHANGE, "bytes for each new child: " + each);
    }

    private void change(int number) {
        assertEquals("OK\0", client.ask(MessageType.MKDIR, "/d/entry" + number + "\0"));
        String part = client.ask(MessageType.DIRECTORY_PART, "/d\0" + "0\0");
        assertTrue(part.contains("\0entry0\0entry1\0"), part);
        assertEquals("E2BIG", client.ask(MessageType.DIRECTORY, "/d\0"));
    }
}
