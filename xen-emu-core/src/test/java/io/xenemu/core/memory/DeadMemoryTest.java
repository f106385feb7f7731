package io.xenemu.core.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.gnttab.BackendMappings;
import io.xenemu.gnttab.GrantMapping;
import io.xenemu.gnttab.GrantRef;
import io.xenemu.gnttab.GrantStatus;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// The memory that a domain leaves on the host when others use a page of it.
final class DeadMemoryTest {
    private static final String RAM = "/memfd:xen-ram-dead ";
    private static final long PAGE = 4096;
    private static final int WORD = 0x5eed;
    private static final int LIMIT_SECONDS = 60;

    private final TestDomain guest = TestDomain.named("dead");
    private final BackendMappings backend = guest.domain().grantTable().backend();

    DeadMemoryTest() throws BootException, XenError {}

    @AfterEach
    void close() {
        guest.close();
    }

    /// Bytes that the host has allocated for the guest's RAM.
    private static long allocated() throws IOException {
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            for (Path descriptor : descriptors.toList()) {
                if (isRam(descriptor)) {
                    Path own = Path.of("/proc/" + ProcessHandle.current().pid());
                    String file = own.resolve("fd").resolve(descriptor.getFileName()).toString();
                    Process stat = new ProcessBuilder("stat", "-L", "-c", "%b", file).start();
                    String blocks =
                            new String(
                                    stat.getInputStream().readAllBytes(),
                                    StandardCharsets.US_ASCII);
                    return Long.parseLong(blocks.strip()) * 512;
                }
            }
        }
        return 0;
    }

    private static boolean isRam(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).toString().startsWith(RAM);
        } catch (IOException closedMeanwhile) {
            return false;
        }
    }

    private static long mappings() throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
            return lines.filter(line -> line.contains(RAM)).count();
        }
    }

    private GrantMapping map(int ref, long gfn) throws XenError {
        guest.domain().pages().mapGrantFrame(0, 0x123);
        guest.memory().write32(0x12_3000 + 8 * ref + 4, Math.toIntExact(gfn));
        guest.memory().write32(0x12_3000 + 8 * ref, 1);
        guest.memory().write32(gfn * PAGE, WORD + ref);
        GrantMapping mapping = new GrantMapping();
        assertEquals(GrantStatus.OKAY, backend.map(new GrantRef(ref), DomId.DOM0, false, mapping));
        return mapping;
    }

    private void endDomain() {
        try {
            guest.domain().close();
        } catch (KvmException e) {
            // Without Xen in KVM there is no table of ports to empty.
            assertEquals(Errno.ENOTTY, e.errno());
        }
    }

    @Test
    void onePageInUseKeepsOnePage() throws IOException, XenError {
        guest.memory().fill(0, GuestMemoryMap.MIN_BYTES, (byte) 1);
        GrantMapping first = map(9, 0x200);
        GrantMapping second = map(10, 0x400);
        assertTrue(allocated() >= GuestMemoryMap.MIN_BYTES);

        endDomain();

        assertEquals(2 * PAGE, allocated());
        assertEquals(1, mappings(), "the service's own");
        assertEquals(2, guest.resources().mappings().charged());
        assertEquals(2, guest.resources().descriptors().charged());
        assertEquals(0, guest.resources().threads().charged());
        assertEquals(WORD + 9, first.page().get(ValueLayout.JAVA_INT, 0));
        assertEquals(WORD + 10, second.page().get(ValueLayout.JAVA_INT, 0));
        long dead = guest.resources().deadMemory().bytes();
        assertTrue(dead > 2 * PAGE && dead < GuestMemoryMap.MIN_BYTES / 4, dead + " bytes");

        backend.unmap(first);

        assertEquals(PAGE, allocated());
        assertEquals(dead - PAGE, guest.resources().deadMemory().bytes());
        assertEquals(WORD + 10, second.page().get(ValueLayout.JAVA_INT, 0));
        backend.unmap(second);
        guest.resources().close();
        assertEquals(0, mappings());
        assertEquals(0, guest.resources().mappings().charged());
        assertEquals(0, guest.resources().deadMemory().bytes());
    }

    @Test
    void noPageInUseKeepsNoMemory() throws IOException, XenError {
        backend.unmap(map(9, 0x200));

        endDomain();

        assertEquals(0, mappings());
        assertEquals(0, guest.resources().deadMemory().bytes());
    }

    @Test
    void lastPagesAreFreedByASeparateThread() throws InterruptedException {
        SimpleMeterRegistry registry = new SimpleMeterRegistry();
        AtomicReference<Thread> freeing = new AtomicReference<>();
        CountDownLatch freed = new CountDownLatch(2);
        try (DeadMemory dead = new DeadMemory()) {
            dead.register(registry);
            dead.add(5 * PAGE);
            assertEquals(5 * PAGE, Math.round(registry.get("xen.gnttab.dead").gauge().value()));
            dead.later(() -> {
                freed.countDown();
                throw new IllegalStateException("one that cannot be freed");
            });
            dead.later(() -> {
                freeing.set(Thread.currentThread());
                freed.countDown();
            });
            assertTrue(freed.await(LIMIT_SECONDS, TimeUnit.SECONDS));
        }
        assertEquals("dead-memory", freeing.get().getName());
    }

    @Test
    void machineFrameNumbersAreNotReused() {
        MachineFrames frames = new MachineFrames();
        long first = frames.reserve(1000);
        assertEquals(first + 1000, frames.reserve(1L << 28));
        assertEquals(first + 1000 + (1L << 28), frames.reserve(1));
        assertThrows(IllegalStateException.class, () -> frames.reserve(1L << 51));
    }
}
