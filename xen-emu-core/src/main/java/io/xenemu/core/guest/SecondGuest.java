package io.xenemu.core.guest;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.device.ConsoleLog;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.toolstack.Refused;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A second guest that runs beside the one in the foreground (`demo --pair`). Its console goes to the same output, line
/// by line, prefixed with its name.
public final class SecondGuest implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(SecondGuest.class);
    private static final int PIECE = 4096;

    /// The longest wait for a reader that does not read.
    private static final Duration READER_LIMIT = Duration.ofSeconds(5);

    /// Longer lines are cut in two.
    private static final int LINE_LIMIT = 4096;

    private final HostedGuest guest;
    private final Thread printer;

    private SecondGuest(HostedGuest guest, Thread printer) {
        this.guest = guest;
        this.printer = printer;
    }

    /// Starts the guest, and waits until its domain has been built.
    ///
    /// @param dumps the folder for core dumps
    /// @param out not closed
    /// @throws BootException when a file is no kernel, or cannot be read, or does not fit
    /// @throws Refused when the guest is destroyed before it runs
    public static SecondGuest start(
            Hypervisor hypervisor, GuestRequest request, Path dumps, OutputStream out)
            throws BootException, Refused, InterruptedException {
        String name = request.config().name();
        HostedGuest guest =
                HostedGuest.booting(hypervisor, name, new Guest(request, dumps), false, () -> {});
        guest.start();
        Thread printer =
                Thread.ofVirtual()
                        .name(name + "-out")
                        .start(() -> print(guest.console().reader(), name + ": ", out));
        return new SecondGuest(guest, printer);
    }

    /// Asks the guest to power off, if it can be asked now. Does not wait.
    public void askToPowerOff() {
        boolean _ = guest.askToPowerOff();
    }

    /// Prints until the guest is gone.
    static void print(ConsoleLog.Reader reader, String prefix, OutputStream out) {
        byte[] bytes = new byte[PIECE];
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        try {
            for (int count = reader.take(bytes); count > 0; count = reader.take(bytes)) {
                for (int i = 0; i < count; i++) {
                    if (bytes[i] != '\n') {
                        line.write(bytes[i]);
                    }
                    if (bytes[i] == '\n' || line.size() == LINE_LIMIT) {
                        write(prefix, line, out);
                    }
                }
            }
            if (line.size() > 0) {
                write(prefix, line, out);
            }
        } catch (IOException e) {
            log.debug("{}nobody reads: {}", prefix, e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// Writes the line in one piece, so that no other output comes between.
    private static void write(String prefix, ByteArrayOutputStream line, OutputStream out)
            throws IOException {
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        whole.writeBytes(prefix.getBytes(UTF_8));
        line.writeTo(whole);
        line.reset();
        whole.write('\n');
        whole.writeTo(out);
        out.flush();
    }

    /// Destroys the guest, and waits until its output is written.
    @Override
    public void close() {
        try {
            guest.stop();
            printer.join(READER_LIMIT);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
