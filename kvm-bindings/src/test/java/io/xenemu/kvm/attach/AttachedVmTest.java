package io.xenemu.kvm.attach;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.ioctl.ExitReason;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmCapability;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.KvmVm;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.testing.Tool;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A VMM in C with a guest on the host's KVM, attached to this process. Needs `/dev/kvm`, with or without Xen.
class AttachedVmTest {
    private static final Path SOURCES = Path.of("src/main/native").toAbsolutePath();
    private static final int SPIN_MICROS = 20;
    private static final int PORT = 0x10;
    private static final int MSR = 0x4000_0000;
    private static final int TIMES = 2000;
    private static final int KILLS = 6;
    private static final long END_CODE = 0x1100;
    private static final int AFTER_END = 7;

    @TempDir private Path folder = Path.of("");

    private CompletableFuture<Integer> started = new CompletableFuture<>();
    private final AtomicReference<String> failure = new AtomicReference<>("");

    @SuppressWarnings("NullAway.Init")
    private MessageSocket.Listener listener;

    @SuppressWarnings("NullAway.Init")
    private AttachConnection connection;

    @SuppressWarnings("NullAway.Init")
    private AttachedVm vm;

    private @Nullable Process vmm;

    @SuppressWarnings("NullAway.Init")
    private Thread receiver;

    @BeforeEach
    void listen() throws Exception {
        assumeTrue(Files.isWritable(Path.of("/dev/kvm")), "no /dev/kvm");
        listener = MessageSocket.Listener.bind(folder.resolve("attach"), Duration.ofSeconds(20));
    }

    /// Starts the VMM, and waits until its machine is to start.
    ///
    /// @return the tag of its start
    private int attach(String what) throws Exception {
        Path program = folder.resolve("attached_vm");
        String _ =
                Files.exists(program)
                        ? ""
                        : Tool.run(
                                Tool.need("gcc", "gcc libc6-dev linux-libc-dev"),
                                "-std=c11",
                                "-O2",
                                "-I" + SOURCES,
                                "-o",
                                program.toString(),
                                Path.of("src/test/c/attached_vm.c").toAbsolutePath().toString(),
                                SOURCES.resolve("xen_attach.c").toString(),
                                "-lpthread");
        vmm =
                new ProcessBuilder(program.toString(), folder.resolve("attach").toString(), what)
                        .redirectErrorStream(true)
                        .start();
        connection = new AttachConnection(Objects.requireNonNull(listener.accept()));
        vm = new AttachedVm(connection, SPIN_MICROS);
        receiver = Thread.ofPlatform().start(this::receive);
        return started.get();
    }

    private void receive() {
        try {
            connection.receive(this::asked);
        } catch (IOException e) {
            failure.set(String.valueOf(e.getMessage()));
        }
    }

    private void asked(int tag, AttachMessage message, int descriptor) throws WireException {
        switch (message) {
            case AttachMessage.Hello hello -> {
                assertEquals("name=test\n", hello.settings());
                connection.welcome(tag);
            }
            case AttachMessage.Ram ram -> {
                vm.memory(ram, descriptor);
                connection.done(tag);
            }
            case AttachMessage.Vcpu vcpu -> connection.done(tag, vm.add(vcpu, descriptor).fd());
            case AttachMessage.Start _ -> started.complete(tag);
            case AttachMessage.Reset _ -> throw new WireException("a reset");
        }
    }

    @AfterEach
    void end() throws Exception {
        listener.close();
        letGo();
    }

    private void letGo() throws Exception {
        Process process = vmm;
        if (process == null) {
            return;
        }
        process.destroyForcibly().waitFor();
        receiver.join();
        vm.close();
        connection.close();
        process.getInputStream().close();
        vmm = null;
        started = new CompletableFuture<>();
    }

    /// Lets the machine run.
    private KvmVcpu run(int tag) {
        vm.started(true);
        connection.done(tag);
        return vm.vcpus().getFirst();
    }

    private Process process() {
        return Objects.requireNonNull(vmm);
    }

    private int exitCode() throws Exception {
        int code = process().waitFor();
        assertEquals("", new String(process().getInputStream().readAllBytes(), UTF_8));
        return code;
    }

    @Test
    void ioctlsAreCarriedOutByTheVmm() throws Exception {
        int _ = attach("1");
        KvmVm kvm = vm.kvm();
        KvmVcpu vcpu = vm.vcpus().getFirst();

        assertTrue(kvm.checkExtension(KvmCapability.NR_MEMSLOTS) > 100);
        assertTrue(kvm.getClock().clock() > 0);
        assertEquals(0x1000, vcpu.getRegs().get(Gpr.RIP));
        vcpu.setRegs(vcpu.getRegs().set(Gpr.RIP, END_CODE));
        assertEquals(END_CODE, vcpu.getRegs().get(Gpr.RIP));
        // What the kernel refuses.
        KvmException refused = assertThrows(KvmException.class, () -> kvm.deleteMemoryRegion(5));
        assertEquals(Errno.EINVAL, refused.errno());
        // A structure with an address in it: EFAULT if the VMM did not put its own there.
        kvm.trapMsr(MSR);
    }

    @Test
    void memoryIsMappedInTheVmm() throws Exception {
        int _ = attach("1");
        KvmVm kvm = vm.kvm();
        int slot = kvm.checkExtension(KvmCapability.NR_MEMSLOTS) - 1;
        try (MemFd memory = MemFd.create("test", 1 << 16)) {
            long address = vm.map(memory, 0, 1 << 16, false);
            vm.addSlot(slot, 0x1_0000_0000L, 1 << 16, address);
            vm.mapOver(address + 4096, memory, 8192, 4096, true);
            vm.mapRam(address, 0, 4096, false);
            vm.deleteSlot(slot);
            connection.unmap(address, 1 << 16);
            KvmException gone =
                    assertThrows(KvmException.class, () -> connection.unmap(address, 1 << 16));
            assertEquals(Errno.ENOENT, gone.errno());
            // Nothing of the VMM's own can be mapped over.
            KvmException refused =
                    assertThrows(
                            KvmException.class, () -> vm.mapOver(address, memory, 0, 4096, false));
            assertEquals(Errno.EACCES, refused.errno());
        }
    }

    @Test
    void guestsMemoryIsShared() throws Exception {
        int _ = attach("3");
        try (MemFd ram = vm.ram();
                Arena arena = Arena.ofConfined()) {
            MemorySegment first = ram.map(arena, 0x1000, 4096, false);
            // mov dx, 0x10
            assertEquals((byte) 0xba, first.get(ValueLayout.JAVA_BYTE, 0));
        }
    }

    @Test
    void claimedExitsComeHereAndOthersGoToTheVmm() throws Exception {
        int tag = attach(Integer.toString(TIMES));
        connection.claim(PORT, 4, MSR);
        KvmVcpu vcpu = run(tag);

        int exits = 0;
        while (exits < TIMES) {
            int errno = vcpu.enter();
            if (errno == 0) {
                assertEquals(ExitReason.IO, vcpu.run().exitReason());
                assertEquals(PORT, vcpu.run().ioPort());
                vcpu.run().ioData(0, exits++ & 0x7f);
                if (exits % 100 == 0) {
                    // An ioctl in between is carried out on the vCPU's thread.
                    assertEquals(PORT, vcpu.getRegs().get(Gpr.RDX));
                }
            } else {
                assertEquals(Errno.EINTR, errno);
            }
        }
        Thread last = Thread.ofPlatform().start(vcpu::enter);
        assertEquals((TIMES - 1) & 0x7f, exitCode());
        last.join();
        assertEquals("", failure.get());
    }

    @Test
    void kickedVcpuComesOutOfTheGuest() throws Exception {
        int tag = attach("loop");
        KvmVcpu vcpu = run(tag);
        // It comes once before it runs.
        assertEquals(Errno.EINTR, vcpu.enter());
        for (int i = 0; i < 50; i++) {
            Thread kicker = Thread.ofPlatform().start(vcpu::kick);
            assertEquals(Errno.EINTR, vcpu.enter());
            kicker.join();
            vcpu.run().clearImmediateExit();
            assertEquals(0x1000, vcpu.getRegs().get(Gpr.RIP));
        }
        vcpu.setRegs(vcpu.getRegs().set(Gpr.RIP, END_CODE));
        Thread last = Thread.ofPlatform().start(vcpu::enter);
        assertEquals(AFTER_END, exitCode());
        last.join();
    }

    @Test
    void refusedStartEndsTheVmm() throws Exception {
        int tag = attach("1");
        connection.refuse(tag, Errno.EINVAL, "not here");
        assertEquals(255, process().waitFor());
    }

    @Test
    void endOfTheDomainIsASystemEvent() throws Exception {
        int tag = attach("loop");
        KvmVcpu vcpu = run(tag);
        assertEquals(Errno.EINTR, vcpu.enter());
        connection.end(1);
        Thread last = Thread.ofPlatform().start(vcpu::enter);
        // KVM_SYSTEM_EVENT_RESET is 2.
        assertEquals(102, exitCode());
        last.join();
    }

    @Test
    void killedVmmIsNoticed() throws Exception {
        int tag = attach("loop");
        KvmVcpu vcpu = run(tag);
        assertEquals(Errno.EINTR, vcpu.enter());
        Thread killer = Thread.ofPlatform().start(() -> process().destroyForcibly());
        assertEquals(Errno.EINTR, vcpu.enter());
        killer.join();
        assertTrue(connection.isLost());
        assertFalse(process().isAlive());
        KvmException lost = assertThrows(KvmException.class, vcpu::getRegs);
        assertEquals(Errno.EIO, lost.errno());
    }

    /// At any exit of the guest, and in the middle of an ioctl.
    @Test
    void vmmThatIsKilledAtAnyMomentLeavesNothing() throws Exception {
        Random random = new Random();
        List<String> before = descriptors();
        for (int round = 0; round < KILLS; round++) {
            int tag = attach(Integer.toString(TIMES));
            connection.claim(PORT, 4, MSR);
            KvmVcpu vcpu = run(tag);
            int last = random.nextInt(TIMES);
            Thread killer = null;
            for (int exits = 0; !connection.isLost(); exits++) {
                int errno = vcpu.enter();
                if (exits == last) {
                    killer = Thread.ofPlatform().start(() -> process().destroyForcibly());
                }
                if (errno == 0) {
                    try {
                        assertEquals(PORT, vcpu.getRegs().get(Gpr.RDX));
                    } catch (KvmException e) {
                        assertEquals(Errno.EIO, e.errno());
                    }
                }
            }
            Objects.requireNonNull(killer).join();
            // Whoever rings its guest notices nothing.
            vm.kvm().irqLine(0, true);
            assertEquals("", failure.get());
            letGo();
        }
        assertEquals(before, descriptors());
    }

    private static List<String> descriptors() throws IOException {
        try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
            return open.map(AttachedVmTest::target)
                    .filter(it -> it.contains("memfd:") || it.contains("socket:"))
                    .map(it -> it.replaceAll("[0-9]+", ""))
                    .sorted()
                    .toList();
        }
    }

    private static String target(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).toString();
        } catch (IOException e) {
            return "";
        }
    }
}
