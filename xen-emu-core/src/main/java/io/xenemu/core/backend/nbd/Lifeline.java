package io.xenemu.core.backend.nbd;

import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.HostFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;

/// A named pipe that keeps a process up as long as this service has it open: this process, or another one of the
/// service that has got the descriptor. Nothing is ever written to it.
final class Lifeline implements AutoCloseable {
    /// `$1` is the pipe, `$2` is `setpriv`, and the rest is the command of the process, which takes the place of the
    /// shell. A second shell waits for the end of the pipe, and then tells the process to end. It is killed when the
    /// process ends, since that is the parent for which it asks the kernel. If it has asked too late, it has another
    /// one.
    private static final String SCRIPT =
            """
            pipe=$1 setpriv=$2; shift 2
            "$setpriv" --pdeathsig KILL -- sh -c '
                [ "$PPID" = "$1" ] && { read -r _; kill -TERM "$1"; }
            ' sh $$ <"$pipe" >/dev/null 2>&1 &
            exec "$@"
            """;

    private final HostFile pipe;

    private Lifeline(HostFile pipe) {
        this.pipe = pipe;
    }

    /// Makes a pipe anew.
    ///
    /// @throws IOException if the host does not
    static Lifeline make(Path path) throws IOException {
        Files.deleteIfExists(path);
        try {
            HostFile.makePipe(path);
            return new Lifeline(HostFile.open(path, Set.of(HostFile.Access.WRITE)));
        } catch (KvmException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    /// Takes over a pipe that another process of this service has sent.
    static Lifeline received(HostFile pipe) {
        return new Lifeline(pipe);
    }

    /// The words that run a command which ends with the pipe.
    ///
    /// @param path of the pipe
    /// @param setpriv that program (Debian: util-linux)
    static List<String> command(Path path, Path setpriv) {
        return List.of("/bin/sh", "-c", SCRIPT, "sh", path.toString(), setpriv.toString());
    }

    /// The descriptor, to send to another process. This object keeps the ownership.
    int fd() {
        return pipe.fd();
    }

    /// Lets the process end, unless another one of the service has the pipe too.
    @Override
    public void close() {
        pipe.close();
    }
}
