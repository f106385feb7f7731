package io.xenemu.core.guest;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.OperatedDomains;
import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.migration.RamCopy;
import io.xenemu.core.migration.RamSource;
import io.xenemu.core.migration.SaveCancelledException;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.kvm.memory.MemFd;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Saves after which the guest goes on: it waits for a copy of its memory, and not for the reader of the file.
@Timeout(120)
final class CheckpointTest {
    private static final long PLACE = 5 << 20;

    /// More than a socket keeps of what nobody reads.
    private static final int BYTES = 4 << 20;

    @TempDir private Path folder = Path.of("");

    private final FakeHypervisor fake = new FakeHypervisor();
    private final OperatedDomains domains = fake.hypervisor.operated();
    private final HostedGuests guests =
            new HostedGuests(fake.hypervisor, Path.of("/nonexistent"), Path.of("/nonexistent"));

    @AfterEach
    void close() {
        guests.close();
        fake.close();
    }

    private Domain create() throws Exception {
        Path kernel = Files.write(folder.resolve("kernel"), TrainingKernel.image());
        guests.create(WebGuest.request(kernel), false);
        return fake.next();
    }

    private static byte[] incompressible() {
        byte[] bytes = new byte[BYTES];
        new Random(1).nextBytes(bytes);
        return bytes;
    }

    private FutureTask<Duration> checkpoint(Domain domain, SavePlace place) {
        CompletableFuture<Duration> stoodStill = new CompletableFuture<>();
        FutureTask<Duration> save =
                new FutureTask<>(() -> {
                    domains.order(
                            domain,
                            new DomainOrder.Save(
                                    place,
                                    DomainOrder.Then.GO_ON,
                                    false,
                                    _ -> {},
                                    stoodStill::complete));
                    return stoodStill.get();
                });
        Thread.ofPlatform().name("saver").start(save);
        return save;
    }

    /// Reads until the section of the guest's state begins.
    private static void readToTheState(InputStream in, ByteArrayOutputStream all)
            throws IOException {
        while (!all.toString(US_ASCII).contains("STAT")) {
            int next = in.read();
            assertTrue(next >= 0, "the stream has ended");
            all.write(next);
        }
    }

    @Test
    void guestGoesOnWhileItsMemoryIsWritten() throws Exception {
        Domain first = create();
        MemorySegment ram = first.memory().ram().asSlice(PLACE, BYTES);
        byte[] before = incompressible();
        ram.copyFrom(MemorySegment.ofArray(before));
        SavePlace socket = new SavePlace(folder.resolve("pipe"), SavePlace.Kind.SOCKET);
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket.path()));
            FutureTask<Duration> save = checkpoint(first, socket);
            try (SocketChannel service = server.accept()) {
                InputStream in = Channels.newInputStream(service);
                readToTheState(in, all);
                assertFalse(save.isDone());
                assertFalse(first.isHeld());
                ram.fill((byte) 7);
                all.write(in.readAllBytes());
                service.write(ByteBuffer.wrap(new byte[] {SavePlace.TAKEN}));
            }
            assertTrue(save.get().isPositive());
        }
        domains.destroy(first);
        HostedGuest left = guests.named("web");
        if (left != null) {
            left.awaitEnd();
        }

        SavePlace file =
                new SavePlace(
                        Files.write(folder.resolve("saved"), all.toByteArray()),
                        SavePlace.Kind.FILE);
        guests.restore(file, ClockPolicy.STAND_STILL, false, false, _ -> {});

        MemorySegment restored = fake.next().memory().ram().asSlice(PLACE, BYTES);
        assertEquals(-1, restored.mismatch(MemorySegment.ofArray(before)));
    }

    private interface Use {
        void of(RamSource ram) throws IOException;
    }

    private static void withPages(Use use) throws IOException {
        try (MemFd file = MemFd.create("ram", 64 << 12)) {
            MemorySegment pages = file.map(0, file.size());
            for (int page : new int[] {3, 4, 63}) {
                pages.set(ValueLayout.JAVA_INT, (long) page << 12, page);
            }
            use.of(new RamSource(file, pages));
        }
    }

    @Test
    void copyIsOfTheMomentWhenItIsTaken() throws IOException {
        withPages(ram -> {
            assertEquals(3 << 12, RamCopy.bytes(ram));
            try (RamCopy copy = RamCopy.begin(ram, new WorkProgress())) {
                ram.file().discard(ram.pages().asSlice(3 << 12, 1 << 12));
                ram.pages().set(ValueLayout.JAVA_INT, 4 << 12, 44);
                ram.pages().set(ValueLayout.JAVA_INT, 20 << 12, 20);
                copy.take();
                ram.pages().set(ValueLayout.JAVA_INT, 4 << 12, 444);
                assertEquals(3 << 12, RamCopy.bytes(copy.source()));
                MemorySegment pages = copy.source().pages();
                assertEquals(0, pages.get(ValueLayout.JAVA_INT, 3 << 12));
                assertEquals(44, pages.get(ValueLayout.JAVA_INT, 4 << 12));
                assertEquals(20, pages.get(ValueLayout.JAVA_INT, 20 << 12));
                assertEquals(63, pages.get(ValueLayout.JAVA_INT, 63 << 12));
            }
        });
    }

    @Test
    void copyIsGivenUpWithItsSave() throws IOException {
        WorkProgress cancelled = new WorkProgress();
        cancelled.cancel();
        withPages(ram -> {
            SaveCancelledException _ =
                    assertThrows(SaveCancelledException.class, () -> RamCopy.begin(ram, cancelled));
        });
    }
}
