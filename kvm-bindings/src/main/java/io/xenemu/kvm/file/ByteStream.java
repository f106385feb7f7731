package io.xenemu.kvm.file;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.libc.Libc;
import io.xenemu.kvm.libc.OwnedFd;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/// A descriptor through which bytes go in both directions, without waiting: a terminal or a connected stream socket.
/// One thread reads and one writes. Nothing allocates.
public final class ByteStream implements AutoCloseable {
    /// The flags of open(2) for either end of a terminal.
    static final int TERMINAL =
            OpenFlags.O_RDWR | OpenFlags.O_NOCTTY | OpenFlags.O_NONBLOCK | OpenFlags.O_CLOEXEC;

    private final OwnedFd fd;

    /// @param fd does not wait (`O_NONBLOCK`); this object becomes its owner
    public ByteStream(OwnedFd fd) {
        this.fd = fd;
    }

    /// Takes over a descriptor that another process has sent.
    ///
    /// @param descriptor does not wait (`O_NONBLOCK`)
    public static ByteStream received(int descriptor) {
        return new ByteStream(OwnedFd.of("recvmsg", descriptor, ""));
    }

    /// Opens a terminal, which does not become the process's own.
    ///
    /// @throws KvmException with open(2)'s errno
    public static ByteStream openTerminal(Path path) {
        return new ByteStream(
                OwnedFd.of("open", Libc.open(path.toString(), TERMINAL), path.toString()));
    }

    /// The descriptor's number, for [io.xenemu.kvm.thread.Epoll]. This object keeps the ownership.
    public int fd() {
        return fd.number();
    }

    /// read(2) into the front of a buffer.
    ///
    /// @return bytes read; 0 at the end of the stream; or a negated errno: EAGAIN there are none now
    public int read(MemorySegment into, int count) {
        long result;
        do {
            result = Libc.read(fd.number(), into, count);
        } while (result == -Errno.EINTR);
        return (int) result;
    }

    /// write(2) of the front of a buffer.
    ///
    /// @return bytes taken, which may be fewer; or a negated errno: EAGAIN there is no room now, EPIPE or ECONNRESET
    ///     the peer has gone
    public int write(MemorySegment from, int count) {
        long result;
        do {
            result = Libc.write(fd.number(), from, count);
        } while (result == -Errno.EINTR);
        return (int) result;
    }

    @Override
    public void close() {
        fd.close();
    }
}
