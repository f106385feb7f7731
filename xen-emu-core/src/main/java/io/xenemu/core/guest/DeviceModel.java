package io.xenemu.core.guest;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.device.ConsoleLog;
import io.xenemu.core.host.HostProgram;
import io.xenemu.core.host.ProcessOutput;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.socket.MessageSocket;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The process of a guest's device model: a child of the service, which attaches its machine to a socket that nobody
/// else knows. It ends with its guest, and the guest ends with it. Its standard input and output are the guest's serial
/// port.
final class DeviceModel implements AttachedGuests.Starter {
    private static final Logger log = LoggerFactory.getLogger(DeviceModel.class);

    /// From its start to its connection, on the slowest host.
    private static final Duration START = Duration.ofMinutes(2);

    private static final Duration LOOK_AGAIN = Duration.ofMillis(100);

    /// To end by itself when its guest has ended, and then by each signal.
    private static final Duration END = Duration.ofSeconds(10);

    /// Lines of it that are logged. A guest can make a QEMU complain as often as it likes.
    private static final int MAX_LINES = 100;

    private static final int CHUNK = 4096;

    private final String name;
    private final boolean paused;
    private final AttachedGuests attached;
    private final Consumer<DeviceModel> ended;
    private final Path folder;
    private final MessageSocket.Listener listener;
    private final ProcessOutput output;
    private final Process process;
    private final Thread thread;
    private final CompletableFuture<HostedGuest> begun = new CompletableFuture<>();
    private volatile @Nullable String refusal;
    private volatile boolean lost;
    private volatile boolean ending;

    private DeviceModel(
            String name,
            boolean paused,
            AttachedGuests attached,
            Consumer<DeviceModel> ended,
            Path folder,
            MessageSocket.Listener listener,
            ProcessOutput output) {
        this.name = name;
        this.paused = paused;
        this.attached = attached;
        this.ended = ended;
        this.folder = folder;
        this.listener = listener;
        this.output = output;
        process = output.process();
        thread = Thread.ofPlatform().name("device-model-" + name).unstarted(this::run);
    }

    /// Starts one. The caller then has it supervised.
    ///
    /// @param name of the guest
    /// @param paused whether the guest begins paused
    /// @param ended called when nothing is left of it
    /// @throws IOException if the process cannot be started
    static DeviceModel start(
            String name,
            List<String> command,
            Map<String, String> environment,
            boolean paused,
            AttachedGuests attached,
            Consumer<DeviceModel> ended)
            throws IOException {
        // The JDK makes it for its user alone (mode 0700).
        Path folder = Files.createTempDirectory("xen-emu-model-");
        Path socket = folder.resolve("attach");
        MessageSocket.Listener listener = null;
        boolean done = false;
        try {
            listener = MessageSocket.Listener.bind(socket, LOOK_AGAIN);
            ProcessBuilder builder = new ProcessBuilder(command);
            builder.environment().putAll(environment);
            builder.environment().put("XEN_EMU_ATTACH", socket.toString());
            ProcessOutput output =
                    ProcessOutput.startWithErrors(
                            builder, "device-model-log-" + name, new Lines(name));
            done = true;
            return new DeviceModel(name, paused, attached, ended, folder, listener, output);
        } finally {
            if (!done) {
                if (listener != null) {
                    listener.close();
                }
                delete(folder);
            }
        }
    }

    /// What it says, for the log.
    private static final class Lines implements Consumer<String> {
        private final String name;
        private final AtomicInteger count = new AtomicInteger();

        Lines(String name) {
            this.name = name;
        }

        @Override
        public void accept(String line) {
            int number = count.incrementAndGet();
            if (number <= MAX_LINES) {
                log.info("{}: its device model says: {}", name, line);
            } else if (number == MAX_LINES + 1) {
                log.info("{}: what else its device model says is not logged", name);
            }
        }
    }

    private static void delete(Path folder) {
        try {
            Files.deleteIfExists(folder.resolve("attach"));
            Files.deleteIfExists(folder);
        } catch (IOException e) {
            log.debug("{} stays: {}", folder, IoReason.of(e));
        }
    }

    /// Has it supervised from now on.
    void supervise() {
        thread.start();
    }

    /// Waits until the guest's first domain runs.
    ///
    /// @throws BootException when the host cannot run the guest
    /// @throws Refused when it does not start; the message says why
    void await() throws BootException, Refused, InterruptedException {
        HostedGuest guest;
        try {
            guest = begun.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Refused refused) {
                throw refused;
            }
            throw new IllegalStateException(name + ": its device model has failed", e);
        }
        while (!guest.isStarted()) {
            log.debug("{} is starting", name);
        }
    }

    private void run() {
        try {
            MessageSocket vmm = accept();
            if (vmm != null) {
                attached.serve(vmm, this);
            }
        } catch (IOException e) {
            refusal = IoReason.of(e);
        } finally {
            listener.close();
            // It has gone, but for its last words.
            if (!HostProgram.hasEnded(process, begun.isDone() ? END : Duration.ZERO)) {
                HostProgram.end(process, END);
            }
            tellEnd();
            delete(folder);
            ended.accept(this);
        }
    }

    /// Waits for its connection.
    ///
    /// @return null if it does not come
    private @Nullable MessageSocket accept() throws IOException {
        long limit = System.nanoTime() + START.toNanos();
        while (true) {
            boolean isAlive = process.isAlive();
            MessageSocket vmm = listener.accept();
            if (vmm != null || !isAlive) {
                return vmm;
            }
            if (System.nanoTime() - limit > 0) {
                refusal = "it does not attach within %d s".formatted(START.toSeconds());
                return null;
            }
        }
    }

    private void tellEnd() {
        String code = process.isAlive() ? "is stuck" : "exit code " + process.exitValue();
        String said = output.lastLine(it -> it);
        String reason = refusal;
        boolean failed =
                begun.completeExceptionally(
                        new Refused(
                                "the device model cannot start: "
                                        + (reason == null
                                                ? "%s (%s)".formatted(said, code)
                                                : reason)));
        if (!failed && lost && !ending) {
            log.error("{}: its device model has gone ({}): {}", name, code, said);
        }
    }

    @Override
    public boolean pauses() {
        return paused;
    }

    @Override
    public void refused(String reason) {
        refusal = reason;
    }

    @Override
    public void lost() {
        lost = true;
    }

    @Override
    public void begun(HostedGuest guest) {
        ConsoleLog serial = guest.serial();
        Thread _ =
                Thread.ofPlatform()
                        .name("device-model-tty-" + name)
                        .daemon()
                        .start(() -> print(serial));
        serial.attach(() -> type(serial));
        Thread _ =
                Thread.ofPlatform()
                        .name("device-model-end-" + name)
                        .daemon()
                        .start(() -> follow(guest));
        boolean _ = begun.complete(guest);
    }

    /// The guest's output on the serial port.
    private void print(ConsoleLog serial) {
        byte[] bytes = new byte[CHUNK];
        try (InputStream in = process.getInputStream()) {
            for (int n = in.read(bytes); n > 0; n = in.read(bytes)) {
                int _ = serial.output().offer(bytes, 0, n);
            }
        } catch (IOException _) {
            // The process was killed.
        }
    }

    /// What was typed for the serial port.
    private synchronized void type(ConsoleLog serial) {
        byte[] bytes = new byte[CHUNK];
        OutputStream out = process.getOutputStream();
        try {
            for (int n = serial.input().poll(bytes, 0, CHUNK);
                    n > 0;
                    n = serial.input().poll(bytes, 0, CHUNK)) {
                out.write(bytes, 0, n);
            }
            out.flush();
        } catch (IOException e) {
            log.debug("{}: nobody reads its serial port: {}", name, IoReason.of(e));
        }
    }

    /// Ends the process when its guest has ended, if it does not do so by itself.
    private void follow(HostedGuest guest) {
        try {
            guest.awaitEnd();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (!HostProgram.hasEnded(process, END)) {
            log.warn("{}: its device model does not end with it, and is killed", name);
            HostProgram.end(process, END);
        }
    }

    /// Ends it, and with it its guest, and waits for that.
    void end() {
        ending = true;
        boolean _ = process.destroyForcibly().isAlive();
        Uninterruptibles.joinUninterruptibly(thread);
    }
}
