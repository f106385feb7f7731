package io.xenemu.kvm.socket;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.OpenFlags;
import io.xenemu.kvm.libc.Libc;
import io.xenemu.kvm.libc.ServerCalls;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// Standard input of a process that a supervisor starts with a listening socket there.
final class StandardInput {
    private static final int FD = 0;
    private static final int SO_ACCEPTCONN = 30;
    private static final int F_DUPFD_CLOEXEC = 1030;
    private static final int F_SETFL = 4;
    private static final int FIRST_FREE = 3;

    private StandardInput() {}

    /// The file of the Unix socket that listens there.
    ///
    /// @return null if it is none, or has no file
    static @Nullable Path listener() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocate(JAVA_INT);
            int known = ServerCalls.getsockopt(FD, MessageSocket.SOL_SOCKET, SO_ACCEPTCONN, value);
            if (known < 0 || value.get(JAVA_INT, 0) == 0) {
                return null;
            }
            MemorySegment address = arena.allocate(SocketFile.ADDRESS_BYTES, Long.BYTES);
            int length = ServerCalls.getsockname(FD, address);
            if (length <= Short.BYTES
                    || address.get(JAVA_SHORT, 0) != SocketFile.AF_UNIX
                    || address.get(JAVA_BYTE, Short.BYTES) == 0) {
                return null;
            }
            return Path.of(address.getString(Short.BYTES, StandardCharsets.UTF_8));
        }
    }

    /// A duplicate of its descriptor, that does not wait.
    ///
    /// @throws IOException if the process has no descriptor left
    static int nonBlocking() throws IOException {
        check(Libc.fcntl(FD, F_SETFL, OpenFlags.O_NONBLOCK));
        return check(Libc.fcntl(FD, F_DUPFD_CLOEXEC, FIRST_FREE));
    }

    private static int check(int result) throws IOException {
        if (result < 0) {
            throw new IOException("standard input: " + Errno.name(-result));
        }
        return result;
    }
}
