package io.xenemu.core.guest;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.p9.P9Kind;
import io.xenemu.core.boot.AcpiTables;
import io.xenemu.core.device.BytePipe;
import io.xenemu.core.device.ByteSink;
import io.xenemu.core.device.ByteSource;
import io.xenemu.core.device.GenerationId;
import io.xenemu.core.device.HostConsole;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.DomainOrigin;
import io.xenemu.core.domain.XenState;
import io.xenemu.core.hypervisor.DomainDriver;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.core.toolstack.DevicesOverReboot;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.EvtchnStatus;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/// A guest on a fake VM as in a process of its own: with its own hypervisor, XenStore and host's ends. It runs no code;
/// a test acts as its drivers.
final class SavableGuest implements AutoCloseable {
    static final int CONSOLE_IN = 0;
    static final int CONSOLE_OUT = 0x400;

    /// The VM generation id of one that boots.
    static final GenerationId GENERATION = new GenerationId(3, -4);

    /// How far its clock is ahead of the host's.
    static final int CLOCK_OFFSET = 7200;

    private static final int STORE_REPLIES = 0x400;
    private static final int REQUEST_CONSUMER = 0x800;
    private static final int REQUEST_PRODUCER = 0x804;
    private static final int REPLY_CONSUMER = 0x808;
    private static final int REPLY_PRODUCER = 0x80c;
    private static final int CONSOLE_IN_CONSUMER = 0xc00;
    private static final int CONSOLE_IN_PRODUCER = 0xc04;
    private static final int CONSOLE_OUT_CONSUMER = 0xc08;
    private static final int CONSOLE_OUT_PRODUCER = 0xc0c;

    private final FakeHypervisor fake = new FakeHypervisor(new P9Kind(new SimpleMeterRegistry()));
    final Hypervisor hypervisor = fake.hypervisor;
    final Typewriter console = new Typewriter();
    final Typewriter serial = new Typewriter();
    private final GuestBoot boot;
    final EvtchnPort storePort = new EvtchnPort(1);
    final EvtchnPort consolePort = new EvtchnPort(2);

    /// A guest that has been booted.
    SavableGuest() throws Exception {
        Path kernel = Files.createTempFile("kernel", "");
        try {
            Files.write(kernel, TrainingKernel.image());
            DomainConfig config = WebGuest.config(2);
            GuestRequest request =
                    new GuestRequest(
                            config,
                            config.vcpus(),
                            kernel,
                            List.of(),
                            "",
                            new PlatformSettings(GENERATION, CLOCK_OFFSET, false),
                            EndActions.ONCE,
                            true);
            boot = GuestBoot.build(hypervisor, request, new NoOrders(), console, serial);
        } finally {
            Files.delete(kernel);
        }
        boot.connect(DevicesOverReboot.ofFirstBoot(List.of()), domain().config().vcpus()).join();
    }

    /// A guest that was saved.
    SavableGuest(SavedGuest saved, DomainOrigin.RamContents ram) throws Exception {
        try {
            boot =
                    GuestBoot.restore(
                            hypervisor,
                            hypervisor.unprepared(),
                            saved,
                            null,
                            ram,
                            ClockPolicy.STAND_STILL,
                            new NoOrders(),
                            console,
                            serial);
        } catch (Exception e) {
            hypervisor.close();
            throw e;
        }
    }

    Domain domain() {
        return boot.domain();
    }

    byte[] save() throws Exception {
        byte[] stream = XenState.write(domain().parts().quiesceAndSave());
        domain().parts().resume();
        return stream;
    }

    static SavedGuest read(byte[] stream) throws IOException {
        return SavedGuest.read(new ByteArrayInputStream(stream));
    }

    /// The host's end of a console or serial port, without threads.
    static final class Typewriter implements HostConsole {
        private static final int ROOM = 64;

        private final BytePipe input = new BytePipe(1 << 12);
        private final StringBuilder printed = new StringBuilder();
        private boolean full;
        private boolean silent;
        private Runnable service = () -> {};

        void type(String text) {
            byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
            input.offer(bytes, 0, bytes.length);
            service.run();
        }

        void fill(boolean isFull) {
            full = isFull;
            service.run();
        }

        /// Keeps typed bytes back, so that they are saved as not taken. A restored guest has such bytes itself, where
        /// no host's end can keep them back.
        void silence(boolean isSilent) {
            silent = isSilent;
            service.run();
        }

        String take() {
            String all = printed.toString();
            printed.setLength(0);
            return all;
        }

        @Override
        public ByteSink output() {
            return (bytes, offset, length) -> {
                int taken = full ? 0 : Math.min(length, ROOM);
                printed.append(new String(bytes, offset, taken, StandardCharsets.US_ASCII));
                return taken;
            };
        }

        @Override
        public ByteSource input() {
            return (bytes, offset, length) -> silent ? 0 : input.poll(bytes, offset, length);
        }

        @Override
        public byte[] typed() {
            byte[] bytes = new byte[1 << 12];
            int count = input.poll(bytes, 0, bytes.length);
            input.offer(bytes, 0, count);
            return Arrays.copyOf(bytes, count);
        }

        @Override
        public void attach(Runnable next) {
            service = next;
            next.run();
        }

        @Override
        public boolean awaitRoom() {
            return false;
        }

        @Override
        public void hurry() {}
    }

    private MemorySegment storePage() {
        return domain().special().xenstore();
    }

    private MemorySegment consolePage() {
        return domain().special().console();
    }

    private static int index(MemorySegment page, int at) {
        return page.get(ValueLayout.JAVA_INT, at);
    }

    private static void index(MemorySegment page, int at, int value) {
        page.set(ValueLayout.JAVA_INT, at, value);
    }

    /// Puts a request into the ring, or its first bytes, and sends an event.
    String ask(MessageType type, int transaction, String payload, int length) {
        byte[] body = payload.getBytes(StandardCharsets.US_ASCII);
        byte[] message = new byte[MessageHeader.SIZE + body.length];
        MessageHeader.put(message, 0, type, 7, transaction, body.length);
        System.arraycopy(body, 0, message, MessageHeader.SIZE, body.length);
        return put(message, 0, Math.min(length, message.length));
    }

    /// Puts bytes into the ring as far as there is room.
    String put(byte[] message, int from, int to) {
        int producer = index(storePage(), REQUEST_PRODUCER);
        int room = STORE_REPLIES - (producer - index(storePage(), REQUEST_CONSUMER));
        int count = Math.min(to - from, room);
        for (int i = 0; i < count; i++) {
            storePage()
                    .set(
                            ValueLayout.JAVA_BYTE,
                            producer + i & STORE_REPLIES - 1,
                            message[from + i]);
        }
        index(storePage(), REQUEST_PRODUCER, producer + count);
        return count + " " + send(storePort);
    }

    /// Takes up to `limit` bytes of replies and events.
    String replies(int limit) {
        int consumer = index(storePage(), REPLY_CONSUMER);
        int count = Math.min(limit, index(storePage(), REPLY_PRODUCER) - consumer);
        byte[] bytes = new byte[Math.max(count, 0)];
        for (int i = 0; i < bytes.length; i++) {
            long at = (long) STORE_REPLIES + (consumer + i & STORE_REPLIES - 1);
            bytes[i] = storePage().get(ValueLayout.JAVA_BYTE, at);
        }
        index(storePage(), REPLY_CONSUMER, consumer + bytes.length);
        return HexFormat.of().formatHex(bytes) + " " + send(storePort);
    }

    String print(String text) {
        MemorySegment page = consolePage();
        int producer = index(page, CONSOLE_OUT_PRODUCER);
        for (int i = 0; i < text.length(); i++) {
            page.set(
                    ValueLayout.JAVA_BYTE,
                    CONSOLE_OUT + (producer + i & 2047),
                    (byte) text.charAt(i));
        }
        index(page, CONSOLE_OUT_PRODUCER, producer + text.length());
        return send(consolePort);
    }

    String readConsole(int limit) {
        MemorySegment page = consolePage();
        int consumer = index(page, CONSOLE_IN_CONSUMER);
        int count = Math.min(limit, index(page, CONSOLE_IN_PRODUCER) - consumer);
        StringBuilder read = new StringBuilder();
        for (int i = 0; i < count; i++) {
            read.append((char) page.get(ValueLayout.JAVA_BYTE, CONSOLE_IN + (consumer + i & 1023)));
        }
        index(page, CONSOLE_IN_CONSUMER, consumer + count);
        return read + " " + send(consolePort);
    }

    /// Writes another value to one of the service's own indices.
    void scribble(int value) {
        index(consolePage(), CONSOLE_OUT_CONSUMER, value);
    }

    String register(int number, int value) {
        fake.domains().ports(domain()).write(AcpiTables.COM1_PORT + number, 1, value);
        return "written";
    }

    String register(int number) {
        int value = fake.domains().ports(domain()).read(AcpiTables.COM1_PORT + number, 1);
        return Integer.toHexString(value);
    }

    /// Its I/O space.
    PortBus ports() {
        return fake.domains().ports(domain());
    }

    /// Its boot, or its restore.
    GuestBoot boot() {
        return boot;
    }

    String send(EvtchnPort port) {
        try {
            domain().eventChannels().send(port);
            console.service.run();
            return "sent";
        } catch (XenError e) {
            return e.symbol();
        }
    }

    String close(EvtchnPort port) {
        try {
            domain().eventChannels().close(port);
            return "closed";
        } catch (XenError e) {
            return e.symbol();
        }
    }

    private boolean isOpen(EvtchnPort port) {
        return domain().eventChannels().save().ports().stream()
                .anyMatch(saved -> saved.number() == port.value());
    }

    /// Whether XenStore has taken all requests, and hears of the next one.
    boolean isHeard() {
        return isOpen(storePort)
                && index(storePage(), REQUEST_PRODUCER) == index(storePage(), REQUEST_CONSUMER);
    }

    /// Rings a port from domain 0, as a restore does.
    void ring(EvtchnPort port) throws XenError {
        if (isOpen(port)
                && domain().eventChannels().status(DomId.SELF, port)
                        instanceof EvtchnStatus.Interdomain end) {
            hypervisor.servicePorts().channels().send(end.port());
        }
    }

    String toolWrites(String node, String value) {
        try (XenStoreClient client = hypervisor.xenstore().client()) {
            client.write("/local/domain/" + domain().id().value() + "/" + node, value);
            return "written";
        } catch (XenError e) {
            return e.symbol();
        }
    }

    @Override
    public void close() {
        hypervisor.close();
    }

    static final class NoOrders implements DomainDriver {
        @Override
        public void order(DomId domain, DomainOrder order) {}

        @Override
        public void destroy() {}
    }
}
