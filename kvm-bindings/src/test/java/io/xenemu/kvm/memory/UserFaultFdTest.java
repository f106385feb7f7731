package io.xenemu.kvm.memory;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.libc.Libc;
import io.xenemu.kvm.testing.Eventually;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.opentest4j.TestAbortedException;

/// Threads that wait for pages, and pages that come. The waiting threads wait in native code, so that this JVM goes on.
@Timeout(60)
class UserFaultFdTest {
    private static final long PAGE = 4096;

    private final MemFd ram = MemFd.create("late", 8 * PAGE);
    private final MemorySegment all = ram.map(0, 8 * PAGE);
    private final MemorySegment view = ram.map(2 * PAGE, 4 * PAGE);
    private final UserFaultFd faults = open();
    private final PresentPages present = PresentPages.create("present", 8);
    private final Arena arena = Arena.ofShared();
    private final MemorySegment messages = UserFaultFd.messages(arena, 4);
    private final MemorySegment page = arena.allocate(4 * PAGE, PAGE);

    private static UserFaultFd open() {
        try {
            return UserFaultFd.open();
        } catch (KvmException e) {
            if (e.errno() == Errno.EPERM) {
                throw new TestAbortedException("needs the right to use userfaultfd: run as root");
            }
            throw e;
        }
    }

    @AfterEach
    void close() {
        ram.close();
        faults.close();
        present.close();
        arena.close();
    }

    private MissingPages missing() {
        return new MissingPages(
                List.of(
                        new MissingPages.Mapped(all.address(), all.address() + 8 * PAGE, 0),
                        new MissingPages.Mapped(view.address(), view.address() + 4 * PAGE, 2)),
                present);
    }

    private static FutureTask<Long> reader(MissingPages missing, MemorySegment from, long offset) {
        FutureTask<Long> task =
                new FutureTask<>(() -> {
                    missing.await(from.address() + offset, Long.BYTES);
                    return from.get(JAVA_LONG, offset);
                });
        Thread.ofPlatform().daemon().start(task);
        return task;
    }

    private long nextAddress() {
        Eventually.holds("a thread waits", () -> faults.read(messages) == 1);
        return UserFaultFd.address(messages, 0);
    }

    @Test
    void threadWaitsUntilItsPageHasCome() throws Exception {
        faults.register(all);
        faults.register(view);
        FutureTask<Long> reader = reader(missing(), view, PAGE + 8);

        assertEquals(view.address() + PAGE, nextAddress() & -PAGE);
        assertFalse(reader.isDone());
        page.set(JAVA_LONG, 8, 0x1234);
        assertEquals(PAGE, faults.copy(all.address() + 3 * PAGE, page.asSlice(0, PAGE)));
        assertEquals(0, faults.wake(view.address() + PAGE, PAGE));

        assertEquals(0x1234, reader.get());
    }

    @Test
    void pagesThatAreThereStay() {
        faults.register(all);
        page.fill((byte) 1);
        assertEquals(PAGE, faults.copy(all.address() + 2 * PAGE, page.asSlice(0, PAGE)));
        page.fill((byte) 2);

        assertEquals(2 * PAGE, faults.copy(all.address(), page));
        assertEquals(-Errno.EEXIST, faults.copy(all.address() + 2 * PAGE, page));
        assertEquals(-Errno.EEXIST, faults.zero(all.address() + 2 * PAGE));
        assertEquals(0, faults.zero(all.address() + 3 * PAGE));

        assertEquals(0x0202_0202_0202_0202L, all.get(JAVA_LONG, PAGE));
        assertEquals(0x0101_0101_0101_0101L, all.get(JAVA_LONG, 2 * PAGE));
        assertEquals(0, all.get(JAVA_LONG, 3 * PAGE));
        assertEquals(-Errno.ENOENT, faults.zero(view.address()));
    }

    @Test
    void messageThatNobodyHasAnsweredComesAgainAfterAWake() throws Exception {
        faults.register(all);
        FutureTask<Long> reader = reader(missing(), all, 0);
        assertEquals(all.address(), nextAddress() & -PAGE);
        assertEquals(0, faults.read(messages));

        assertEquals(0, faults.wake(all.address(), all.byteSize()));
        assertEquals(all.address(), nextAddress() & -PAGE);

        assertEquals(0, faults.zero(all.address()));
        assertEquals(0, reader.get());
    }

    @Test
    void pagesThatAreKnownToBeThereAreNotWaitedFor() {
        MissingPages missing = missing();
        // Nobody answers for this page.
        present.set(3, 4);
        missing.await(view.address() + PAGE + 5, PAGE - 5);
        faults.register(all);
        missing.await(all.address() + 3 * PAGE, PAGE);
        assertEquals(0, faults.read(messages));
        try (PresentPages other = PresentPages.received(dup(present.fd()), 8)) {
            assertTrue(other.has(3) && !other.has(2));
            other.set(2, 8);
        }
        assertTrue(present.hasAll(2, 8) && !present.hasAll(1, 8));
    }

    private static int dup(int fd) {
        return Libc.fcntl(fd, 0, 0);
    }

    @Test
    void releasedThreadDoesNotUseAPageThatIsLost() {
        faults.register(all);
        MissingPages missing = missing();
        FutureTask<Long> reader = reader(missing, all, 0);
        assertEquals(all.address(), nextAddress() & -PAGE);
        missing.lose("it is gone");
        faults.unregister(all);

        assertEquals(
                "io.xenemu.kvm.abi.KvmException: userfaultfd: EIO (5): it is gone",
                assertThrows(ExecutionException.class, reader::get).getMessage());
        all.set(JAVA_LONG, PAGE, 7);
    }

    @Test
    void mappingOfAnotherProcessIsReleasedByItsAddress() throws Exception {
        faults.register(all);
        FutureTask<Long> reader = reader(missing(), all, 0);
        assertEquals(all.address(), nextAddress() & -PAGE);
        assertEquals(0, faults.unregister(all.address(), all.byteSize()));
        assertEquals(0, reader.get());
        assertEquals(-Errno.ENOENT, faults.zero(all.address() + PAGE));
    }

    @Test
    void guestMemoryWaitsForItsPages() throws Exception {
        GuestMemory memory = new GuestMemory();
        memory.add(0x10_0000, all);
        faults.register(all);
        memory.awaits(missing());
        FutureTask<Long> reader = new FutureTask<>(() -> memory.read64(0x10_0000 + 5 * PAGE));
        Thread.ofPlatform().daemon().start(reader);
        assertEquals(all.address() + 5 * PAGE, nextAddress() & -PAGE);
        page.fill((byte) 3);
        assertEquals(PAGE, faults.copy(all.address() + 5 * PAGE, page.asSlice(0, PAGE)));
        assertEquals(0x0303_0303_0303_0303L, reader.get());

        FutureTask<Integer> writer =
                new FutureTask<>(() -> memory.atomics().getAndOr32(0x10_0000 + 6 * PAGE, 1));
        Thread.ofPlatform().daemon().start(writer);
        assertEquals(all.address() + 6 * PAGE, nextAddress() & -PAGE);
        assertEquals(PAGE, faults.copy(all.address() + 6 * PAGE, page.asSlice(0, PAGE)));
        assertEquals(0x0303_0303, writer.get());
        memory.awaits(null);
        faults.unregister(all);
        assertEquals(0, memory.read64(0x10_0000));
    }
}
