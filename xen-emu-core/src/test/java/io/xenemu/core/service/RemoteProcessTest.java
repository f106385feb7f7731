package io.xenemu.core.service;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.evtchn.EvtchnOptions;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.Pirq;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.iohub.IoHub;
import io.xenemu.kvm.iohub.IoHubClient;
import io.xenemu.kvm.iohub.IoHubMessage;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.testing.Eventually;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Processes of remote devices, and where their lines lead.
@Timeout(120)
final class RemoteProcessTest {
    private static final int GSI = 17;
    private static final int OTHER_GSI = 18;
    private static final long SHARED_INFO_GFN = 0x70;
    private static final long PENDING = (SHARED_INFO_GFN << 12) + 0x800;
    private static final EventChannelConfig WITH_PIRQS =
            new EventChannelConfig(false, EvtchnOptions.UNLIMITED, true);

    @TempDir private Path folder = Path.of("");
    private final FakeVm vm = new FakeVm();
    private final List<AutoCloseable> open = new ArrayList<>();
    private final List<Thread> serving = new ArrayList<>();
    private TestDomain test;
    private Domain domain;
    private MessageSocket.Listener listener;

    @BeforeEach
    void setUp() throws Exception {
        test = new TestDomain(vm, 2, WITH_PIRQS);
        domain = test.domain();
        domain.sharedInfo().map(0, SHARED_INFO_GFN);
        listener = MessageSocket.Listener.bind(folder.resolve("s"), Duration.ofSeconds(60));
    }

    @AfterEach
    void tearDown() throws Exception {
        for (AutoCloseable each : open) {
            each.close();
        }
        for (Thread thread : serving) {
            thread.join();
        }
        listener.close();
        test.close();
    }

    private void serve() {
        serving.add(
                Thread.ofPlatform()
                        .start(() -> {
                            try (MessageSocket socket = Objects.requireNonNull(listener.accept());
                                    RemoteProcess process = new RemoteProcess(socket, this::find)) {
                                process.serve();
                            } catch (IOException e) {
                                assertNotNull(e.getMessage());
                            }
                        }));
    }

    private Optional<Domain> find(int domid) {
        return domid == TestDomain.ID.value() ? Optional.of(domain) : Optional.empty();
    }

    private IoHubClient process() throws IOException {
        serve();
        IoHubClient client = IoHubClient.connect(folder.resolve("s"), TestDomain.ID.value());
        open.add(client);
        return client;
    }

    private MessageSocket raw() throws IOException {
        serve();
        MessageSocket socket = MessageSocket.connect(folder.resolve("s"));
        open.add(socket);
        return socket;
    }

    private List<Integer> gsisInKernel() {
        return vm.irqfds().values().stream().map(FakeVm.Irqfd::gsi).sorted().toList();
    }

    private double meter(String name) {
        return test.registry().get(name).functionCounter().count();
    }

    private boolean takes(EvtchnPort port) throws XenError {
        long bit = 1L << port.value();
        long word = test.memory().read64(PENDING);
        if ((word & bit) != 0) {
            test.memory().write64(PENDING, word & ~bit);
        }
        return (word & bit) != 0;
    }

    private void awaitEvent(EvtchnPort port) throws XenError {
        Eventually.holds("the event is pending", () -> takes(port));
    }

    private void endInterrupt(Pirq pirq) throws XenError {
        domain.eventChannels().pirqs().eoi(pirq);
        domain.remoteLines().ended(pirq);
    }

    @Test
    void lineIsAnIrqfdOfKvmUntilItsPirqHasAPort() throws Exception {
        IoHubClient process = process();
        process.connect(GSI);
        assertEquals(List.of(GSI), gsisInKernel());
        assertTrue(vm.irqfds().values().iterator().next().resamplefd() >= 0);

        Pirq pirq = domain.eventChannels().pirqs().mapGsi(GSI, -1);
        assertEquals(List.of(GSI), gsisInKernel());
        EvtchnPort port = domain.eventChannels().bindPirq(pirq, 0);
        assertEquals(List.of(), gsisInKernel());
        domain.eventChannels().close(port);
        assertEquals(List.of(GSI), gsisInKernel());

        EvtchnPort _ = domain.eventChannels().bindPirq(pirq, 0);
        assertEquals(List.of(), gsisInKernel());
        domain.eventChannels().pirqs().unmap(pirq);
        assertEquals(List.of(GSI), gsisInKernel());
        assertEquals(pirq, domain.eventChannels().pirqs().mapGsi(GSI, pirq.value()));
        assertEquals(List.of(), gsisInKernel());
        domain.eventChannels().reset(DomId.SELF);
        assertEquals(List.of(GSI), gsisInKernel());
        assertEquals(0, process.hub().counts(GSI).raises());
        process.release(GSI);
        assertEquals(List.of(), gsisInKernel());
    }

    /// One that waits as device processes do.
    private static void serveEnds(IoHubClient process, long ends) {
        Eventually.holds(
                "the process is told",
                () -> {
                    process.hub().await(10);
                    return process.hub().counts(GSI).ends() >= ends;
                });
    }

    @Test
    void heldLineIsAnEventAgainAtEachEndOfIt() throws Exception {
        IoHubClient process = process();
        Pirq pirq = domain.eventChannels().pirqs().mapGsi(GSI, -1);
        EvtchnPort port = domain.eventChannels().bindPirq(pirq, 0);
        process.connect(GSI);
        process.hub().raise(GSI);
        awaitEvent(port);
        endInterrupt(pirq);
        serveEnds(process, 1);
        awaitEvent(port);
        process.hub().lower(GSI);
        endInterrupt(pirq);
        serveEnds(process, 2);
        assertEquals(new IoHub.Counts(1, 1, 2), process.hub().counts(GSI));
        process.tellCounts(GSI);
        assertEquals(1, meter("xen.remote.raises"));
        assertEquals(1, meter("xen.remote.reraises"));
        assertEquals(2, meter("xen.remote.resamples"));
        Eventually.holds("both raises are counted", () -> meter("xen.remote.events") == 2);
        assertFalse(takes(port));
    }

    @Test
    void lineThatIsHeldWhenItsPirqIsBoundIsAnEvent() throws Exception {
        IoHubClient process = process();
        process.connect(GSI);
        process.hub().raise(GSI);
        Pirq pirq = domain.eventChannels().pirqs().mapGsi(GSI, -1);
        EvtchnPort port = domain.eventChannels().bindPirq(pirq, 0);
        serveEnds(process, 1);
        awaitEvent(port);
        domain.eventChannels().bindVcpu(port, new VcpuId(1));
        endInterrupt(pirq);
        serveEnds(process, 2);
        awaitEvent(port);
        assertTrue(test.memory().read64((SHARED_INFO_GFN << 12) + 64 + 8) != 0);
    }

    @Test
    void lineOfTwoProcessesStaysUpUntilTheLastLetsGo() throws Exception {
        IoHubClient first = process();
        IoHubClient second = process();
        Pirq pirq = domain.eventChannels().pirqs().mapGsi(GSI, -1);
        EvtchnPort port = domain.eventChannels().bindPirq(pirq, 0);
        first.connect(GSI);
        second.connect(GSI);
        first.hub().raise(GSI);
        second.hub().raise(GSI);
        Eventually.holds("both are raised", () -> meter("xen.remote.events") == 2);
        awaitEvent(port);
        first.hub().lower(GSI);
        endInterrupt(pirq);
        serveEnds(first, 1);
        serveEnds(second, 1);
        awaitEvent(port);
        // A process that ends lets go.
        second.close();
        Eventually.holds("it has no line", () -> gauge() == 1);
        endInterrupt(pirq);
        serveEnds(first, 2);
        assertFalse(takes(port));
    }

    private double gauge() {
        return test.registry().get("xen.remote.lines").gauge().value();
    }

    private static long descriptors() throws IOException {
        try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
            return all.count();
        }
    }

    @Test
    void unplugAndEndOfAProcessLeaveNoDescriptor() throws Exception {
        long held = test.resources().descriptors().charged();
        try (IoHubClient warm = process()) {
            warm.connect(GSI);
        }
        Eventually.holds("the line is closed", () -> gauge() == 0);
        serving.getFirst().join();
        Eventually.holds(
                "the descriptors are closed",
                () -> test.resources().descriptors().charged() == held);
        long before = descriptors();
        IoHubClient process = process();
        for (int i = 0; i < 5; i++) {
            process.connect(GSI);
            process.connect(OTHER_GSI);
        }
        assertEquals(2, gauge());
        assertEquals(List.of(GSI, OTHER_GSI), gsisInKernel());
        process.release(GSI);
        assertEquals(List.of(OTHER_GSI), gsisInKernel());
        process.close();
        Eventually.holds("all is closed", () -> descriptors() <= before);
        assertEquals(List.of(), gsisInKernel());
        assertEquals(held, test.resources().descriptors().charged());
    }

    @Test
    void endOfTheDomainEndsItsProcesses() throws Exception {
        IoHubClient process = process();
        process.connect(GSI);
        assertEquals(
                List.of("remote lines: a process of remote devices has interrupt lines"),
                domain.parts().blockers());
        domain.close();
        for (Thread thread : serving) {
            thread.join();
        }
        assertEquals(List.of(), gsisInKernel());
        assertThrows(IOException.class, () -> process.connect(GSI));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 2})
    void linesOfTheTimerAreRefused(int gsi) throws Exception {
        IoHubClient process = process();
        assertThrows(IOException.class, () -> process.connect(gsi));
        process.connect(GSI);
    }

    @Test
    void unknownDomainAndVersionAreRefused() throws Exception {
        serve();
        assertThrows(IOException.class, () -> IoHubClient.connect(folder.resolve("s"), 9));
        MessageSocket old = raw();
        old.send(new IoHubMessage.Hello(1, 7, 0, TestDomain.ID.value()).encode());
        assertEquals(new IoHubMessage.Result(1, -95), received(old));
    }

    private static IoHubMessage received(MessageSocket socket) throws Exception {
        MessageSocket.Message message = Objects.requireNonNull(socket.receive());
        message.closeDescriptors();
        return IoHubMessage.decode(message.bytes(), message.descriptors().length());
    }

    private static void assertGivenUp(MessageSocket socket) throws IOException {
        MessageSocket.Message message;
        while ((message = socket.receive()) != null) {
            message.closeDescriptors();
        }
        assertNull(message);
    }

    private MessageSocket greeted() throws Exception {
        MessageSocket socket = raw();
        socket.send(
                new IoHubMessage.Hello(1, IoHubMessage.VERSION, 0, TestDomain.ID.value()).encode());
        assertEquals(new IoHubMessage.Result(1, 0), received(socket));
        return socket;
    }

    @Test
    void descriptorsThatAreRefusedAreTakenBack() throws Exception {
        MessageSocket socket = greeted();
        socket.send(new IoHubMessage.Connect(5, GSI).encode());
        IoHubMessage.SetIrqfd given = (IoHubMessage.SetIrqfd) received(socket);
        assertEquals(GSI, given.pirq());
        socket.send(new IoHubMessage.Result(given.tag(), -12).encode());
        assertEquals(new IoHubMessage.Result(5, -12), received(socket));
        assertEquals(List.of(), gsisInKernel());
        assertEquals(0, gauge());
    }

    @Test
    void whatNoProcessMaySayEndsIt() throws Exception {
        byte[] connect = new IoHubMessage.Connect(1, GSI).encode();
        MessageSocket silent = raw();
        silent.send(connect);
        assertGivenUp(silent);
        for (byte[] wrong :
                List.of(
                        Arrays.copyOf(connect, connect.length + 1),
                        new IoHubMessage.Connect(1, IoHubMessage.PIRQS).encode(),
                        new IoHubMessage.Result(99, 0).encode(),
                        new IoHubMessage.SetIrqfd(1, GSI).encode())) {
            MessageSocket socket = greeted();
            socket.send(wrong);
            assertGivenUp(socket);
        }
        MessageSocket giver = greeted();
        try (EventFd one = EventFd.create()) {
            giver.send(connect, one.fd(), one.fd());
        }
        assertGivenUp(giver);
        assertEquals(List.of(), gsisInKernel());
    }

    @Test
    void processThatConfirmsNothingIsGivenUp() throws Exception {
        MessageSocket socket = greeted();
        for (int i = 0; i <= IoHubMessage.PIRQS; i++) {
            socket.send(new IoHubMessage.Connect(i, GSI).encode());
        }
        assertGivenUp(socket);
        Eventually.holds("the lines are closed", () -> gauge() == 0);
    }

    /// Any sequence of messages with possible and impossible numbers harms no other process.
    @Test
    void hostileProcessesLeaveAnotherProcessItsLine() throws Exception {
        Random random = new Random(18);
        IoHubClient honest = process();
        Pirq pirq = domain.eventChannels().pirqs().mapGsi(GSI, -1);
        EvtchnPort port = domain.eventChannels().bindPirq(pirq, 0);
        honest.connect(GSI);
        for (int round = 0; round < 20; round++) {
            MessageSocket hostile = greeted();
            for (int i = 0; i < 30; i++) {
                try {
                    hostile.send(anyMessage(random));
                } catch (IOException e) {
                    break; // It was given up.
                }
            }
            hostile.shutdown();
        }
        Eventually.holds("the others have gone", () -> gauge() == 1);
        boolean _ = takes(port);
        honest.hub().raise(GSI);
        awaitEvent(port);
    }

    private static byte[] anyMessage(Random random) {
        int pirq = random.nextInt(-1, 26);
        int tag = random.nextInt(4);
        byte[] bytes =
                switch (random.nextInt(6)) {
                    case 0, 1, 2 -> new IoHubMessage.Connect(tag, pirq).encode();
                    case 3 -> new IoHubMessage.Release(tag, pirq).encode();
                    case 4 -> new IoHubMessage.Result(tag, -random.nextInt(3)).encode();
                    default -> new IoHubMessage.Counts(tag, pirq, random.nextLong(), 1).encode();
                };
        return random.nextInt(20) == 0 ? Arrays.copyOf(bytes, random.nextInt(1, 50)) : bytes;
    }
}
