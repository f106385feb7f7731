package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.guest.SpeakingVmm.Said;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.testing.Eventually;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What VMMs say, and what becomes of their guests. The domains run no code. Needs `/dev/kvm` for a vCPU's descriptor.
class AttachedGuestsTest {
    private static final long BYTES = GuestMemoryMap.MIN_BYTES;
    private static final int VERSION = 1;
    private static final int RESULT = 32;
    private static final int END = 25;

    @TempDir private Path folder = Path.of("");

    private final FakeHypervisor fake = new FakeHypervisor();
    private HostedGuests guests;
    private AttachedGuests attached;
    private MessageSocket.Listener listener;
    private Path path;
    private SpeakingVmm.HostVcpu host;
    private int vcpu;

    @BeforeEach
    void listen() throws IOException {
        assumeTrue(Files.isWritable(KvmSystem.DEVICE), "no /dev/kvm");
        path = folder.resolve("attach");
        guests = new HostedGuests(fake.hypervisor, folder, folder.resolve("migrations"));
        attached = new AttachedGuests(guests, 0);
        listener = MessageSocket.Listener.replace(path, Duration.ofSeconds(60));
        host = SpeakingVmm.HostVcpu.make();
        vcpu = SpeakingVmm.vcpuDescriptor();
    }

    @AfterEach
    void end() throws IOException {
        listener.remove();
        listener.close();
        host.close();
        guests.close();
        fake.close();
        assertTrue(Files.notExists(path));
    }

    /// A VMM, and the thread that serves it.
    private final class Served implements AutoCloseable {
        final SpeakingVmm vmm;
        private final Thread thread;

        Served() throws IOException {
            vmm = new SpeakingVmm(path);
            MessageSocket socket = Objects.requireNonNull(listener.accept());
            thread = Thread.ofPlatform().name("attached-vmm").start(() -> attached.serve(socket));
        }

        /// The VMM goes away.
        @Override
        public void close() {
            vmm.close();
            Uninterruptibles.joinUninterruptibly(thread);
        }

        /// An answer comes, and is this one.
        void answered(int result, String text) throws IOException {
            Said said = vmm.hear();
            assertNotNull(said);
            assertEquals(RESULT, said.type());
            assertEquals(result, said.result(), said::text);
            if (result < 0) {
                assertEquals(text, said.text());
            }
        }

        void done() throws IOException {
            answered(0, "");
        }

        /// The VMM attaches its machine, all but the start.
        void attach(String name) throws IOException {
            vmm.hello(VERSION, "name=" + name + "\n");
            done();
            try (MemFd memory = MemFd.create("guest", BYTES + SpeakingVmm.SPARE_BYTES)) {
                vmm.memory(memory, BYTES, 0);
                done();
            }
            vmm.vcpu(0, vcpu);
            done();
        }

        /// The VMM starts its machine.
        Domain start() throws Exception {
            vmm.start();
            done();
            return fake.next();
        }
    }

    @Test
    void machineIsAGuestUntilItsVmmGoesAway() throws Exception {
        List<String> before = SpeakingVmm.descriptors();
        for (int i = 0; i < 3; i++) {
            try (Served served = new Served()) {
                served.attach("web");
                Domain domain = served.start();
                assertEquals(BYTES, domain.config().memoryBytes());
                assertNotNull(guests.named("web"));
            }
            assertNull(guests.named("web"));
        }
        assertLeft(before);
    }

    @Test
    void endOfTheDomainIsToldAndTheMachineMayBeReset() throws Exception {
        try (Served served = new Served()) {
            served.attach("web");
            Domain first = served.start();
            first.shutdown(ShutdownReason.REBOOT, "");
            Said end = served.vmm.hear();
            assertNotNull(end);
            assertEquals(END, end.type());
            assertEquals(ShutdownReason.REBOOT.code(), end.reason());
            served.vmm.reset();
            served.done();
            Domain second = served.start();
            assertEquals(first.id(), second.id());

            // Without an end: the operator of the machine has reset it.
            served.vmm.reset();
            served.done();
            assertEquals(first.id(), served.start().id());
        }
    }

    @Test
    void guestThatPowersOffIsGoneBeforeItsVmm() throws Exception {
        try (Served served = new Served()) {
            served.attach("web");
            served.start().shutdown(ShutdownReason.POWEROFF, "");
            Said end = served.vmm.hear();
            assertNotNull(end);
            assertEquals(ShutdownReason.POWEROFF.code(), end.reason());
            Eventually.holds("its end", () -> guests.named("web") == null);
            served.vmm.start();
            served.answered(-Errno.ESRCH, "its guest has ended");
        }
    }

    @Test
    void whatAGuestCannotBeIsRefusedInWords() throws Exception {
        try (Served served = new Served();
                Served other = new Served();
                MemFd memory = MemFd.create("guest", 2 * BYTES + SpeakingVmm.SPARE_BYTES)) {
            served.vmm.hello(VERSION + 1, "name=web\n");
            served.answered(
                    -Errno.EINVAL, "the VMM speaks version 2 of the protocol, the service 1");
            served.vmm.hello(VERSION, "name=web\nmemory=64\n");
            served.answered(-Errno.EINVAL, "memory: the VMM's machine has that");
            served.vmm.hello(VERSION, "name=web\n");
            served.done();
            served.vmm.start();
            served.answered(-Errno.EINVAL, "a machine without memory or without vCPUs");
            served.vmm.memory(memory, BYTES, 0, 1L << 33);
            served.answered(
                    -Errno.EINVAL, "memory at 0x200000000: it has to begin at 0 and at 4 GiB");
            served.vmm.memory(memory, BYTES, 0);
            served.answered(-Errno.EINVAL, "lseek: EINVAL (22): memory of another size");
            served.vmm.vcpu(0, memory.fd());
            served.answered(-Errno.EINVAL, "xa_vcpu: EINVAL (22): vCPU 0");
            served.vmm.vcpu(1, vcpu);
            served.answered(-Errno.EINVAL, "xa_vcpu: EINVAL (22): vCPU 1");

            other.attach("web");
            Domain _ = other.start();
            other.vmm.vcpu(1, vcpu);
            other.answered(-Errno.EINVAL, "a vCPU of a machine that has started");
        }
    }

    @Test
    void vmmThatDoesNotSayHelloIsGivenUp() throws Exception {
        List<String> before = SpeakingVmm.descriptors();
        try (Served served = new Served()) {
            served.vmm.vcpu(0, vcpu);
            assertNull(served.vmm.hear());
        }
        assertLeft(before);
    }

    /// VMMs that lie and go away at any point leave nothing, and a good one is served beside them.
    @Test
    void liesEndOnlyTheirOwnGuest() throws Exception {
        List<String> before = SpeakingVmm.descriptors();
        Random random = new Random(18);
        try (Served good = new Served()) {
            good.attach("good");
            Domain domain = good.start();
            HostedGuest guest = Objects.requireNonNull(guests.named("good"));
            Eventually.holds("it runs", () -> guest.state() == GuestState.RUNNING);
            List<String> beside = SpeakingVmm.descriptors();
            for (int i = 0; i < 100; i++) {
                try (Served liar = new Served();
                        MemFd memory = MemFd.create("lie", BYTES + SpeakingVmm.SPARE_BYTES)) {
                    lie(liar.vmm, random, memory);
                }
                assertLeft(beside);
            }
            assertNull(domain.shutdownLatch().get());
        }
        assertLeft(before);
    }

    /// These descriptors are open, and no others, as soon as an ended domain's memory has been freed.
    private static void assertLeft(List<String> descriptors) throws IOException {
        try {
            Eventually.holds(
                    "nothing is left", () -> descriptors.equals(SpeakingVmm.descriptors()));
        } catch (AssertionError e) {
            assertEquals(descriptors, SpeakingVmm.descriptors());
            throw e;
        }
    }

    private void lie(SpeakingVmm vmm, Random random, MemFd memory) {
        try {
            vmm.hello(VERSION, random.nextInt(8) == 0 ? "nome=x" : "name=liar\n");
            int messages = random.nextInt(12);
            for (int i = 0; i < messages; i++) {
                switch (random.nextInt(8)) {
                    case 0 -> vmm.hello(random.nextInt(2), "name=good\n");
                    case 1 -> vmm.memory(memory, BYTES, 0);
                    case 2 -> vmm.memory(memory, BYTES >> random.nextInt(3), random.nextLong());
                    case 3 -> vmm.vcpu(0, vcpu);
                    case 4 -> vmm.vcpu(random.nextInt(3), memory.fd());
                    case 5 -> vmm.start();
                    case 6 -> vmm.reset();
                    default -> {
                        byte[] bytes = new byte[1 + random.nextInt(64)];
                        random.nextBytes(bytes);
                        bytes[0] = random.nextBoolean() ? RESULT : bytes[0];
                        if (bytes.length > 1) {
                            bytes[1] = 0;
                        }
                        vmm.say(bytes, random.nextBoolean() ? new int[] {memory.fd()} : new int[0]);
                    }
                }
            }
        } catch (IOException e) {
            // The service has given it up, which is right.
            assertTrue(String.valueOf(e.getMessage()).startsWith("cannot send"), e::toString);
        }
    }
}
