package io.xenemu.core.cli;

import io.xenemu.core.control.ControlClient;
import io.xenemu.core.device.StandardOutput;
import io.xenemu.core.device.Terminal;
import io.xenemu.core.hypervisor.HostException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// `xen-emu console`, as xl's.
@Command(
        name = "console",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class ConsoleCommand implements Callable<Integer> {
    enum Kind {
        pv,
        serial
    }

    @Mixin private ServiceOption service = new ServiceOption();

    @Option(
            names = {"-t", "--type"},
            paramLabel = "pv|serial",
            defaultValue = "pv",
            description =
                    "The PV console (hvc0) or the serial port (ttyS0). Default: ${DEFAULT-VALUE}.")
    private Kind kind = Kind.pv;

    @Option(
            names = {"-n", "--num"},
            paramLabel = "NUM",
            defaultValue = "0",
            description =
                    "The number of the PV console: 1 to 9 for further ones on a terminal (hvc1 and so on). Default: ${DEFAULT-VALUE}.")
    private int number;

    @Parameters(paramLabel = "DOMAIN", description = "Guest's name or domain id.")
    private String domain = "";

    @Override
    public Integer call() throws HostException {
        connect(console());
        return 0;
    }

    /// Connects the terminal to a console.
    static void connect(ControlClient.Console console) throws HostException {
        try (Terminal _ = Terminal.raw()) {
            console.connect(new EscapableInput(System.in), StandardOutput.stream());
        }
    }

    /// Waits until the guest of a console has ended.
    static void awaitEnd(ControlClient.Console console) throws HostException {
        console.connect(new SilentInput(), OutputStream.nullOutputStream());
    }

    /// Input in which nobody types, and that does not end.
    private static final class SilentInput extends InputStream {
        private final CountDownLatch never = new CountDownLatch(1);

        @Override
        public int read() throws IOException {
            try {
                never.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new InterruptedIOException("interrupted");
            }
            return -1;
        }

        @Override
        public int read(byte[] bytes, int offset, int length) throws IOException {
            return read();
        }
    }

    private ControlClient.Console console() throws HostException {
        if (number == 0) {
            return ControlClient.console(service.path(), kind.name(), domain);
        }
        if (kind == Kind.serial) {
            throw new HostException("a guest has one serial port, whose number is 0");
        }
        List<String> answer =
                ControlClient.command(
                        service.path(), List.of("channel-tty", domain, Integer.toString(number)));
        return new TerminalRelay(Path.of(answer.getFirst()));
    }
}
