package io.xenemu.core.lab;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.OutputStream;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The monitor of a QEMU whose standard streams speak QMP. Questions are those of the human monitor. A QEMU that does
/// not answer keeps no caller waiting: each question has a limit.
final class QemuMonitor {
    private static final Pattern REPLY = Pattern.compile("\"return\": \"(.*)\", \"id\": (\\d+)");

    /// The most late replies: one for each question that took too long.
    private static final int MAX_REPLIES = 64;

    private static final long LOOK_MILLIS = 200;

    private final Process qemu;
    private final BlockingQueue<Matcher> replies = new LinkedBlockingQueue<>(MAX_REPLIES);
    private long lastId;

    /// Takes the process's streams.
    QemuMonitor(Process qemu) throws IOException {
        this.qemu = qemu;
        Thread.ofPlatform().name("lab-qemu-monitor").daemon().start(this::read);
        send("{\"execute\":\"qmp_capabilities\"}\n");
    }

    /// Asks.
    ///
    /// @param question `info registers`, without quotes or backslashes
    /// @return the answer's lines; empty when QEMU ended or did not answer in time
    synchronized Optional<String> ask(String question, Duration limit)
            throws IOException, InterruptedException {
        long id = ++lastId;
        send(
                """
                {"execute":"human-monitor-command","arguments":{"command-line":"%s"},"id":%d}
                """
                        .formatted(question, id));
        long deadline = System.nanoTime() + limit.toNanos();
        do {
            Matcher reply = replies.poll(LOOK_MILLIS, TimeUnit.MILLISECONDS);
            if (reply != null && Long.parseLong(reply.group(2)) == id) {
                return Optional.of(reply.group(1).replace("\\r", "").replace("\\n", "\n"));
            }
        } while (System.nanoTime() < deadline && (qemu.isAlive() || !replies.isEmpty()));
        return Optional.empty();
    }

    private void send(String line) throws IOException {
        OutputStream requests = qemu.getOutputStream();
        requests.write(line.getBytes(UTF_8));
        requests.flush();
    }

    private void read() {
        try {
            BufferedReader lines = qemu.inputReader();
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                Matcher reply = REPLY.matcher(line);
                if (reply.find() && !replies.offer(reply)) {
                    replies.clear();
                }
            }
        } catch (IOException e) {
            // QEMU has ended, which each question notices.
            return;
        }
    }
}
