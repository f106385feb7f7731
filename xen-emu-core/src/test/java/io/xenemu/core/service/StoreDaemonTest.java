package io.xenemu.core.service;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.cli.XenEmu;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.kvm.testing.TestJvm;
import io.xenemu.kvm.testing.Tool;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.ring.GuestDomains;
import io.xenemu.xenstore.stream.MigrationStream;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// `xen-emu xenstored` as a process.
@Timeout(300)
final class StoreDaemonTest {
    @TempDir private Path folder = Path.of("");

    private final List<Process> started = new ArrayList<>();

    @AfterEach
    void end() throws InterruptedException {
        for (Process process : started) {
            process.destroyForcibly().waitFor();
        }
    }

    private Path socket() {
        return folder.resolve("socket");
    }

    private static List<String> command(String... options) {
        List<String> command = new ArrayList<>(TestJvm.command(XenEmu.class, "xenstored"));
        command.addAll(List.of(options));
        return command;
    }

    private Process start(List<String> command) throws IOException {
        Process process =
                new ProcessBuilder(command)
                        .redirectOutput(Redirect.INHERIT)
                        .redirectError(folder.resolve("errors").toFile())
                        .start();
        started.add(process);
        return process;
    }

    private String errors() throws IOException {
        return Files.readString(folder.resolve("errors"));
    }

    /// Waits for an effect of a process, at most as long as the process lives.
    private void awaitOf(Process process, String what, Eventually.Condition<IOException> condition)
            throws IOException {
        Eventually.holds(
                what,
                () -> {
                    boolean holds = condition.holds();
                    assertTrue(holds || process.isAlive(), errors());
                    return holds;
                });
    }

    private void awaitSocket(Process process) throws IOException {
        awaitOf(process, "the socket", () -> Files.exists(socket()));
    }

    private Process serve(String... options) throws Exception {
        List<String> all = command("--socket", socket().toString());
        all.addAll(List.of(options));
        Files.deleteIfExists(
                socket()); // of one that was killed, so that this one's can be waited for
        Process daemon = start(all);
        awaitSocket(daemon);
        return daemon;
    }

    private SocketChannel connect() throws IOException {
        return SocketChannel.open(UnixDomainSocketAddress.of(socket()));
    }

    private static byte[] message(MessageType type, int transaction, String payload) {
        byte[] body = payload.getBytes(StandardCharsets.ISO_8859_1);
        byte[] message = new byte[MessageHeader.SIZE + body.length];
        MessageHeader.put(message, 0, type, 1, transaction, body.length);
        System.arraycopy(body, 0, message, MessageHeader.SIZE, body.length);
        return message;
    }

    private static byte[] read(SocketChannel channel, int size) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(size);
        while (bytes.hasRemaining()) {
            if (channel.read(bytes) < 0) {
                throw new EOFException();
            }
        }
        return bytes.array();
    }

    private static String reply(SocketChannel channel) throws IOException {
        byte[] header = read(channel, MessageHeader.SIZE);
        byte[] payload = read(channel, MessageHeader.length(header, 0));
        return new String(payload, StandardCharsets.ISO_8859_1);
    }

    private static String ask(SocketChannel channel, MessageType type, int tx, String payload)
            throws IOException {
        channel.write(ByteBuffer.wrap(message(type, tx, payload)));
        return reply(channel);
    }

    /// A client that writes numbers and remembers the last one that was acknowledged.
    private final class Writer implements Runnable {
        final int number;
        final AtomicInteger acknowledged = new AtomicInteger();

        Writer(int number) {
            this.number = number;
        }

        @Override
        public void run() {
            try (SocketChannel channel = connect()) {
                for (int value = 1; ; value++) {
                    if (number % 2 == 0) {
                        inTransaction(channel, value);
                    } else {
                        pipelined(channel, value);
                    }
                    acknowledged.set(value);
                }
            } catch (IOException e) {
                return; // the daemon has been killed
            }
        }

        private void inTransaction(SocketChannel channel, int value) throws IOException {
            String start = ask(channel, MessageType.TRANSACTION_START, 0, "\0");
            int tx = Integer.parseInt(start.replace("\0", ""));
            for (String name : List.of("x", "y")) {
                String payload = "/w" + number + "/" + name + "\0" + value;
                assertEquals("OK\0", ask(channel, MessageType.WRITE, tx, payload));
            }
            assertEquals("OK\0", ask(channel, MessageType.TRANSACTION_END, tx, "T\0"));
        }

        private void pipelined(SocketChannel channel, int value) throws IOException {
            ByteArrayOutputStream requests = new ByteArrayOutputStream();
            for (int i = 0; i < 16; i++) {
                String payload = "/w" + number + "/n" + i + "\0" + value;
                requests.writeBytes(message(MessageType.WRITE, 0, payload));
            }
            channel.write(ByteBuffer.wrap(requests.toByteArray()));
            for (int i = 0; i < 16; i++) {
                assertEquals("OK\0", reply(channel));
            }
        }

        void check(SocketChannel channel) throws IOException {
            int least = acknowledged.get();
            List<Integer> values = new ArrayList<>();
            for (int i = 0; i < (number % 2 == 0 ? 2 : 16); i++) {
                String name = number % 2 == 0 ? i == 0 ? "x" : "y" : "n" + i;
                String text = ask(channel, MessageType.READ, 0, "/w" + number + "/" + name + "\0");
                values.add(Integer.valueOf(text));
            }
            for (int value : values) {
                assertTrue(
                        value == least || value == least + 1,
                        "writer " + number + ": acknowledged " + least + ", there is " + values);
            }
            if (number % 2 == 0) {
                assertEquals(values.get(0), values.get(1), "a transaction is whole");
            }
        }
    }

    @Test
    void acknowledgedWritesSurviveAKill() throws Exception {
        Path store = folder.resolve("store");
        for (int round = 0; round < 3; round++) {
            Process daemon = serve("--persist", store.toString());
            List<Writer> writers = new ArrayList<>();
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                Writer writer = new Writer(i);
                writers.add(writer);
                threads.add(Thread.ofPlatform().start(writer));
            }
            int enough = 20 + round * 7;
            for (Writer writer : writers) {
                awaitOf(daemon, "writes", () -> writer.acknowledged.get() >= enough);
            }
            daemon.destroyForcibly().waitFor();
            for (Thread thread : threads) {
                thread.join();
            }
            Process successor = serve("--persist", store.toString());
            try (SocketChannel channel = connect()) {
                for (Writer writer : writers) {
                    writer.check(channel);
                }
            }
            successor.destroyForcibly().waitFor();
        }
    }

    @Test
    void signalEndsItInOrder() throws Exception {
        Path pid = folder.resolve("pid");
        Process daemon = serve("--pid-file", pid.toString(), "-Q", "nodes=5", "-Q", "watches=7");
        String serving = "xen-emu: INFO [main] serving " + socket() + "\n";
        awaitOf(daemon, "the line in the log", () -> errors().equals(serving));
        assertEquals(daemon.pid() + "\n", Files.readString(pid));
        daemon.destroy();
        assertEquals(0, daemon.waitFor());
        assertEquals(serving, errors());
        assertFalse(Files.exists(socket()));
        assertFalse(Files.exists(pid));
    }

    @Test
    void secondDaemonOnOneFileIsRefused() throws Exception {
        String store = folder.resolve("store").toString();
        serve("--persist", store);
        Process second =
                start(command("--socket", folder.resolve("other").toString(), "--persist", store));
        assertEquals(1, second.waitFor());
        assertEquals("xen-emu: --persist: " + store + ": in use by another process\n", errors());
    }

    /// A dump with the node `/from/dump`.
    private Path dump() throws Exception {
        try (XenStoreServer source =
                new XenStoreServer(
                        Quotas.DEFAULT,
                        GuestDomains.NONE,
                        new XenStoreMetrics(new SimpleMeterRegistry()),
                        Runnable::run)) {
            source.client().write("/from/dump", "value");
            return Files.write(folder.resolve("dump"), MigrationStream.encode(source.save(), 1));
        }
    }

    @Test
    void damagedDumpLeavesNoStoreSoTheRightOneCanBeRestored() throws Exception {
        Path store = folder.resolve("store");
        Path damaged = Files.writeString(folder.resolve("damaged"), "this is something else");
        Process failed =
                start(
                        command(
                                "--socket",
                                socket().toString(),
                                "--persist",
                                store.toString(),
                                "--restore",
                                damaged.toString()));
        assertEquals(1, failed.waitFor());
        assertTrue(errors().startsWith("xen-emu: --restore: " + damaged), errors());

        Process daemon = serve("--persist", store.toString(), "--restore", dump().toString());
        daemon.destroyForcibly().waitFor();
        serve("--persist", store.toString());
        try (SocketChannel client = connect()) {
            assertEquals("value", ask(client, MessageType.READ, 0, "/from/dump\0"));
        }
    }

    @Test
    void startsWithADumpButNotInsteadOfANewerStore() throws Exception {
        Path store = folder.resolve("store");
        Path dump = dump();
        Process daemon = serve("--persist", store.toString(), "--restore", dump.toString());
        try (SocketChannel client = connect()) {
            assertEquals("value", ask(client, MessageType.READ, 0, "/from/dump\0"));
            assertEquals("OK\0", ask(client, MessageType.WRITE, 0, "/from/dump\0newer"));
        }
        daemon.destroyForcibly().waitFor();

        Process again =
                start(
                        command(
                                "--socket",
                                folder.resolve("other").toString(),
                                "--persist",
                                store.toString(),
                                "--restore",
                                dump.toString()));
        assertEquals(1, again.waitFor());
        assertEquals(
                "xen-emu: --restore: the file of --persist has a newer store already; leave out one of the two options\n",
                errors());
        serve("--persist", store.toString());
        try (SocketChannel client = connect()) {
            assertEquals("newer", ask(client, MessageType.READ, 0, "/from/dump\0"));
        }
    }

    @Test
    void damagedFileIsReportedInOneLine() throws Exception {
        Path store = Files.writeString(folder.resolve("store"), "this is something else");
        Process daemon = start(command("--socket", socket() + "", "--persist", store + ""));
        assertEquals(1, daemon.waitFor());
        assertEquals(
                "xen-emu: --persist: "
                        + store
                        + ": damaged at byte 0: not a file of this kind and version\n",
                errors());
    }

    @Test
    void unusablePathIsReportedOnceWithItsReason() throws Exception {
        Path file = Files.createFile(folder.resolve("file"));
        Path below = file.resolve("x");
        String socket = socket().toString();

        assertEquals(1, start(command("--socket", below.toString())).waitFor());
        assertEquals("xen-emu: cannot listen at " + below + ": Not a directory\n", errors());
        assertEquals(
                1, start(command("--socket", socket, "--persist", below.toString())).waitFor());
        assertEquals("xen-emu: --persist: " + below + ": Not a directory\n", errors());
        assertEquals(
                1, start(command("--socket", socket, "--restore", below.toString())).waitFor());
        assertEquals("xen-emu: --restore: " + below + ": Not a directory\n", errors());
        Path none = folder.resolve("none");
        assertEquals(1, start(command("--socket", socket, "--restore", none.toString())).waitFor());
        assertEquals("xen-emu: --restore: " + none + ": no such file or directory\n", errors());
        assertEquals(
                1, start(command("--socket", socket, "--metrics", "192.0.2.1:9100")).waitFor());
        assertEquals(
                "xen-emu: --metrics 192.0.2.1:9100: Cannot assign requested address\n", errors());
    }

    /// The socket is passed as systemd does it, by a program that is part of systemd.
    @Test
    void socketThatWasPassedIsServed() throws Exception {
        String activate = Tool.need("systemd-socket-activate", "systemd");
        List<String> all = new ArrayList<>(List.of(activate, "-l", socket().toString(), "/bin/sh"));
        // As the launcher does it: a JVM takes a socket only as its standard input.
        all.addAll(
                List.of(
                        "-c",
                        "[ \"$LISTEN_PID\" = $$ ] && [ \"$LISTEN_FDS\" = 1 ] && exec <&3 3<&-; exec \"$0\" \"$@\""));
        all.addAll(command());
        Process process = start(all);
        awaitSocket(process);
        try (SocketChannel channel = connect()) {
            assertEquals("OK\0", ask(channel, MessageType.WRITE, 0, "/a\0b"));
            assertEquals("b", ask(channel, MessageType.READ, 0, "/a\0"));
        }
        process.destroy();
        assertEquals(0, process.waitFor());
    }
}
