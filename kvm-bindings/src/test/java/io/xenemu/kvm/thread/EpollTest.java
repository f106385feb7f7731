package io.xenemu.kvm.thread;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.testing.LeastAllocation;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class EpollTest {
    private static final int MOST = 4;
    private static final long KEY = 0x1234_5678_9abc_def0L;

    private static final int CALLS = 500;

    private final Epoll epoll = new Epoll(MOST);
    private final EventFd first = EventFd.create();
    private final EventFd second = EventFd.create();

    @AfterEach
    void close() {
        epoll.close();
        first.close();
        second.close();
    }

    @Test
    void eachSignalIsToldWithoutRead() {
        epoll.add(first.fd(), KEY);
        epoll.add(second.fd(), 2);
        assertEquals(0, epoll.await(0));
        for (int round = 0; round < 3; round++) {
            first.signal();
            first.signal();
            assertEquals(1, epoll.await(-1));
            assertEquals(KEY, epoll.key(0));
            assertEquals(0, epoll.await(0));
        }
    }

    @Test
    void signalBeforeTheAdditionIsTold() {
        first.signal();
        epoll.add(first.fd(), KEY);
        assertEquals(1, epoll.await(-1));
    }

    @Test
    void closedOtherEndIsToldAsBroken(@TempDir Path folder) throws Exception {
        try (MessageSocket.Listener listener =
                        MessageSocket.Listener.bind(folder.resolve("s"), Duration.ofSeconds(60));
                MessageSocket one = MessageSocket.connect(folder.resolve("s"))) {
            epoll.add(one.fd(), KEY);
            MessageSocket other = Objects.requireNonNull(listener.accept());
            other.send(new byte[] {1});
            assertEquals(1, epoll.await(-1));
            assertFalse(epoll.isBroken(0));
            other.close();
            assertEquals(1, epoll.await(-1));
            assertEquals(KEY, epoll.key(0));
            assertTrue(epoll.isBroken(0));
        }
    }

    @Test
    void anotherEpollIsToldOfTheDescriptorsOfThisOne() {
        try (Epoll outer = new Epoll(MOST)) {
            epoll.add(first.fd(), 1);
            outer.add(epoll.fd(), KEY);
            assertEquals(0, outer.await(0));
            for (int round = 0; round < 3; round++) {
                first.signal();
                assertEquals(1, outer.await(-1));
                assertEquals(KEY, outer.key(0));
                assertEquals(0, outer.await(0));
            }
            epoll.add(second.fd(), 2);
            second.signal();
            assertEquals(1, outer.await(-1));
        }
    }

    @Test
    void descriptorIsToldWhenItCanBeWrittenToOnlyIfThatIsWanted() {
        epoll.add(first.fd(), KEY);
        assertEquals(0, epoll.await(0));
        epoll.writable(first.fd(), KEY, true);
        assertEquals(1, epoll.await(0));
        epoll.writable(first.fd(), KEY, false);
        assertEquals(0, epoll.await(0));
    }

    @Test
    void removedDescriptorIsNotTold() {
        epoll.add(first.fd(), KEY);
        epoll.remove(first.fd());
        first.signal();
        assertEquals(0, epoll.await(0));
    }

    @Test
    void mutedDescriptorIsToldOnceItIsUnmuted() {
        epoll.add(first.fd(), 1);
        epoll.mute(first.fd());
        first.signal();
        assertEquals(0, epoll.await(0));
        first.signal();
        epoll.unmute(first.fd(), KEY);
        assertEquals(1, epoll.await(-1));
        assertEquals(KEY, epoll.key(0));
        assertEquals(0, epoll.await(0));
        first.signal();
        assertEquals(1, epoll.await(-1));
        epoll.mute(first.fd());
        epoll.remove(first.fd());
    }

    @Test
    void wrongDescriptorsAreErrorsOfTheCall() {
        epoll.add(first.fd(), KEY);
        assertEquals(
                Errno.EEXIST,
                assertThrows(KvmException.class, () -> epoll.add(first.fd(), 1)).errno());
        assertEquals(
                Errno.ENOENT,
                assertThrows(KvmException.class, () -> epoll.remove(second.fd())).errno());
        assertEquals(
                Errno.ENOENT,
                assertThrows(KvmException.class, () -> epoll.mute(second.fd())).errno());
    }

    @Test
    void waitingAllocatesNothing() throws Exception {
        assumeFalse(
                ManagementFactory.getRuntimeMXBean()
                        .getInputArguments()
                        .contains("-XX:TieredStopAtLevel=1"),
                "a JVM that optimises");
        epoll.add(first.fd(), 1);
        assertEquals(0, LeastAllocation.of(this::signalAndWait), "bytes for " + CALLS + " waits");
    }

    private void signalAndWait() {
        long keys = 0;
        for (int call = 0; call < CALLS; call++) {
            first.signal();
            int _ = epoll.await(-1);
            keys += epoll.key(0);
        }
        assertEquals(CALLS, keys);
    }
}
