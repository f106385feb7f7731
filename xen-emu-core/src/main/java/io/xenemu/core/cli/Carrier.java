package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;

/// A connection to another host, over which a guest moves.
///
/// @param in what the other host sends
/// @param out what it gets
/// @param end closes it
record Carrier(InputStream in, OutputStream out, Runnable end) implements AutoCloseable {
    /// Runs `xen-emu migrate-receive` on another host, as xl does. What ssh asks or says goes to the terminal.
    ///
    /// @param ssh the command for the shell, with its options; empty to run `host` itself
    static Carrier ssh(String ssh, String host) throws HostException {
        ProcessBuilder builder =
                ssh.isEmpty()
                        ? new ProcessBuilder("/bin/sh", "-c", "exec " + host)
                        : new ProcessBuilder(
                                "/bin/sh",
                                "-c",
                                "exec " + ssh + " \"$1\" xen-emu migrate-receive",
                                "sh",
                                host);
        try {
            Process process = builder.redirectError(ProcessBuilder.Redirect.INHERIT).start();
            return new Carrier(
                    process.getInputStream(), process.getOutputStream(), () -> end(process));
        } catch (IOException e) {
            throw new HostException("ssh: " + IoReason.of(e), e);
        }
    }

    private static void end(Process process) {
        try {
            // It ends when its input does; a connection that hangs is cut.
            process.getOutputStream().close();
        } catch (IOException e) {
            // It has ended.
        }
        process.destroy();
    }

    /// A connection by TCP or TLS.
    static Carrier of(Socket socket) throws IOException {
        return new Carrier(
                socket.getInputStream(),
                socket.getOutputStream(),
                () -> {
                    try {
                        socket.close();
                    } catch (IOException e) {
                        // It is closed.
                    }
                });
    }

    @Override
    public void close() {
        end.run();
    }
}
