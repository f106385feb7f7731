package io.xenemu.kvm.memory;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.libc.CallSlot;
import io.xenemu.kvm.libc.Libc;
import io.xenemu.kvm.libc.OwnedFd;
import java.lang.foreign.MemorySegment;

/// A Linux eventfd (eventfd(2)): a 64-bit counter that one side signals and the other drains. The other side may be KVM
/// (irqfd, ioeventfd, an outbound Xen event channel) or another process.
///
/// Safe for any number of threads; signalling and draining do not allocate.
public final class EventFd implements AutoCloseable {
    private static final int EFD_CLOEXEC = 0x80000;
    private static final int EFD_NONBLOCK = 0x800;

    private final OwnedFd fd;

    private EventFd(OwnedFd fd) {
        this.fd = fd;
    }

    private EventFd(int flags) {
        this(OwnedFd.of("eventfd", Libc.eventfd(0, EFD_CLOEXEC | flags), ""));
    }

    /// Takes over an eventfd that another process has given.
    public static EventFd received(int descriptor) {
        return new EventFd(OwnedFd.of("recvmsg", descriptor, ""));
    }

    /// An eventfd that is not signalled, whose [#drain] returns at once.
    ///
    /// @throws KvmException if the process has no descriptor left
    public static EventFd create() {
        return new EventFd(EFD_NONBLOCK);
    }

    /// An eventfd that is not signalled, whose [#drain] waits for a signal. Closing the eventfd does not wake a
    /// waiting thread: to end the thread, set its flag and signal the eventfd.
    ///
    /// @throws KvmException if the process has no descriptor left
    public static EventFd createBlocking() {
        return new EventFd(0);
    }

    /// Adds one to the counter. A full counter stays as it is: it is signalled already.
    public void signal() {
        MemorySegment one = CallSlot.current().scratch();
        one.set(JAVA_LONG, 0, 1);
        long written;
        do {
            written = Libc.write(fd.number(), one, Long.BYTES);
        } while (written == -Errno.EINTR);
        if (written < 0 && written != -Errno.EAGAIN) {
            throw new KvmException("write", (int) -written, "eventfd");
        }
    }

    /// Takes the counter and leaves zero.
    ///
    /// @return the number of signals since the last drain; 0 from a non-blocking eventfd that is not signalled
    public long drain() {
        MemorySegment count = CallSlot.current().scratch();
        long read;
        do {
            read = Libc.read(fd.number(), count, Long.BYTES);
        } while (read == -Errno.EINTR);
        if (read == -Errno.EAGAIN) {
            return 0;
        }
        if (read < 0) {
            throw new KvmException("read", (int) -read, "eventfd");
        }
        return count.get(JAVA_LONG, 0);
    }

    /// The descriptor's number, to pass to KVM or to another process. This object keeps the ownership.
    public int fd() {
        return fd.number();
    }

    @Override
    public void close() {
        fd.close();
    }
}
