package io.xenemu.core.lab;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// A command that runs in the lab machine, with its streams and exit status. It has a process group of its own there,
/// and signals go to all of it. As in a shell, a command that a signal ended has exit status 128 + signal.
public final class LabProcess extends Process {
    /// Exit status when the machine ended before the command.
    public static final int MACHINE_LOST = 255;

    /// Roles of the connections beside the first one, which carries script, signals and exit status.
    private static final List<String> STREAMS = List.of("in", "out", "err");

    private static final int CONNECTIONS = 1 + STREAMS.size();

    private final SocketChannel control;
    private final OutputStream stdin;
    private final InputStream stdout;
    private final InputStream stderr;
    private final CompletableFuture<Integer> exit = new CompletableFuture<>();

    private LabProcess(
            SocketChannel control, SocketChannel in, SocketChannel out, SocketChannel err) {
        this.control = control;
        this.stdin = new HalfClosing(in);
        this.stdout = Channels.newInputStream(out);
        this.stderr = Channels.newInputStream(err);
    }

    /// Starts a command.
    ///
    /// @param id not used before on this machine
    /// @param script [ShellScript#of] with [#pidFile]
    static LabProcess start(LabChannel channel, long id, byte[] script) throws IOException {
        List<SocketChannel> opened = new ArrayList<>();
        try {
            for (int i = 0; i < CONNECTIONS; i++) {
                opened.add(channel.open());
            }
            opened.set(0, channel.begin(opened.getFirst(), "run " + id + " " + script.length));
            SocketChannel control = opened.getFirst();
            LabChannel.send(control, script);
            BufferedReader lines =
                    new BufferedReader(
                            new InputStreamReader(Channels.newInputStream(control), UTF_8));
            if (!"ready".equals(lines.readLine())) {
                throw new LabException("the lab machine does not take commands");
            }
            for (int i = 1; i < CONNECTIONS; i++) {
                opened.set(i, channel.begin(opened.get(i), STREAMS.get(i - 1) + " " + id));
            }
            LabProcess process =
                    new LabProcess(control, opened.get(1), opened.get(2), opened.get(3));
            Thread.ofVirtual().name("lab-process-" + id).start(() -> process.awaitExit(lines));
            return process;
        } catch (IOException e) {
            for (SocketChannel socket : opened) {
                socket.close();
            }
            throw e;
        }
    }

    /// The file to which the command's script writes its process id.
    static String pidFile(long id) {
        return "/run/xen-emu/exec/" + id + "/pid";
    }

    private void awaitExit(BufferedReader lines) {
        int status = MACHINE_LOST;
        try (control) {
            String line = lines.readLine();
            if (line != null && line.startsWith("exit ")) {
                status = Integer.parseInt(line.substring("exit ".length()));
            }
        } catch (IOException e) {
            // The connection is gone, and with it the command: the status says so.
            status = MACHINE_LOST;
        }
        exit.complete(status);
    }

    /// Sends a signal to the command's process group.
    ///
    /// @param name without SIG: `TERM`
    public void signal(String name) {
        try {
            LabChannel.send(control, (name + "\n").getBytes(UTF_8));
        } catch (IOException e) {
            // It has ended already.
            return;
        }
    }

    @Override
    public OutputStream getOutputStream() {
        return stdin;
    }

    @Override
    public InputStream getInputStream() {
        return stdout;
    }

    @Override
    public InputStream getErrorStream() {
        return stderr;
    }

    @Override
    public int waitFor() throws InterruptedException {
        try {
            return exit.get();
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public boolean waitFor(long timeout, TimeUnit unit) throws InterruptedException {
        try {
            exit.get(timeout, unit);
            return true;
        } catch (TimeoutException e) {
            return false;
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public int exitValue() {
        if (!exit.isDone()) {
            throw new IllegalThreadStateException("still running");
        }
        return exit.join();
    }

    @Override
    public CompletableFuture<Process> onExit() {
        return exit.thenApply(status -> this);
    }

    @Override
    public boolean isAlive() {
        return !exit.isDone();
    }

    @Override
    public void destroy() {
        signal("TERM");
    }

    @Override
    public Process destroyForcibly() {
        signal("KILL");
        return this;
    }

    /// The command's standard input: closing it is an end of file for the command, and nothing else.
    private static final class HalfClosing extends OutputStream {
        private final SocketChannel socket;
        private final OutputStream out;

        HalfClosing(SocketChannel socket) {
            this.socket = socket;
            this.out = Channels.newOutputStream(socket);
        }

        @Override
        public void write(int b) throws IOException {
            out.write(b);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            out.write(bytes, offset, length);
        }

        @Override
        public void close() throws IOException {
            if (socket.isOpen()) {
                socket.shutdownOutput();
            }
        }
    }
}
