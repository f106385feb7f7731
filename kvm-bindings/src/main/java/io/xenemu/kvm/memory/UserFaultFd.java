package io.xenemu.kvm.memory;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.OpenFlags;
import io.xenemu.kvm.libc.CallSlot;
import io.xenemu.kvm.libc.FaultCalls;
import io.xenemu.kvm.libc.Libc;
import io.xenemu.kvm.libc.Mapping;
import io.xenemu.kvm.libc.OwnedFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// A userfaultfd(2) for shared memory: threads and the kernel wait at pages that are missing in registered mappings,
/// until another process provides them. It belongs to the process that made it, and keeps to that process's mappings
/// when it is sent to another one.
///
/// When the last descriptor of one is closed, waiting threads read zeros. So the process that made it keeps it open
/// until its mappings are not registered any more.
///
/// Any thread may use it.
public final class UserFaultFd implements AutoCloseable {
    private static final String DEVICE = "/dev/userfaultfd";

    static final long UFFD_API = 0xaa;
    static final long UFFD_FEATURE_MISSING_SHMEM = 1 << 5;
    static final long UFFDIO_REGISTER_MODE_MISSING = 1;
    static final int UFFD_EVENT_PAGEFAULT = 0x12;

    static final long USERFAULTFD_IOC_NEW = 0xaa00;
    static final long UFFDIO_API = 0xc018_aa3fL;
    static final long UFFDIO_REGISTER = 0xc020_aa00L;
    static final long UFFDIO_UNREGISTER = 0x8010_aa01L;
    static final long UFFDIO_WAKE = 0x8010_aa02L;
    static final long UFFDIO_COPY = 0xc028_aa03L;
    static final long UFFDIO_ZEROPAGE = 0xc020_aa04L;

    /// Bytes of the structures, and where their members are.
    static final int API_BYTES = 24;

    static final int API_FEATURES = 8;
    static final int RANGE_BYTES = 16;
    static final int RANGE_LEN = 8;
    static final int REGISTER_BYTES = 32;
    static final int REGISTER_MODE = 16;
    static final int COPY_BYTES = 40;
    static final int COPY_SRC = 8;
    static final int COPY_LEN = 16;
    static final int COPY_MODE = 24;
    static final int COPY_COPY = 32;
    static final int ZEROPAGE_BYTES = 32;
    static final int ZEROPAGE_MODE = 16;
    static final int ZEROPAGE_ZEROPAGE = 24;
    static final int MSG_BYTES = 32;
    static final int MSG_ADDRESS = 16;

    /// `MADV_POPULATE_WRITE`.
    private static final int POPULATE_WRITE = 23;

    private static final int FLAGS = OpenFlags.O_CLOEXEC | OpenFlags.O_NONBLOCK;

    private final OwnedFd fd;

    private UserFaultFd(OwnedFd fd) {
        this.fd = fd;
    }

    /// Makes one for this process.
    ///
    /// @throws KvmException EPERM: faults of the kernel's own, such as KVM's, need CAP_SYS_PTRACE, the right to open
    ///     `/dev/userfaultfd`, or the host's setting `vm.unprivileged_userfaultfd`; EINVAL: the host has no such
    ///     faults in shared memory
    public static UserFaultFd open() {
        UserFaultFd made = new UserFaultFd(OwnedFd.of("userfaultfd", newDescriptor(), ""));
        boolean done = false;
        try {
            MemorySegment api = scratch(API_BYTES);
            api.set(JAVA_LONG, 0, UFFD_API);
            api.set(JAVA_LONG, API_FEATURES, UFFD_FEATURE_MISSING_SHMEM);
            made.require("UFFDIO_API", UFFDIO_API, api);
            done = true;
            return made;
        } finally {
            if (!done) {
                made.close();
            }
        }
    }

    private static int newDescriptor() {
        int made = FaultCalls.userfaultfd(FLAGS);
        if (made >= 0) {
            return made;
        }
        // A host may give the right to users of a device instead.
        int device = Libc.open(DEVICE, OpenFlags.O_RDWR | OpenFlags.O_CLOEXEC);
        if (device < 0) {
            return made;
        }
        try (OwnedFd opened = OwnedFd.of("open", device, DEVICE)) {
            return Libc.ioctl(opened.number(), USERFAULTFD_IOC_NEW, FLAGS);
        }
    }

    /// Takes over a descriptor that another process has sent.
    public static UserFaultFd received(int descriptor) {
        return new UserFaultFd(OwnedFd.of("recvmsg", descriptor, "userfaultfd"));
    }

    /// The descriptor's number, to send to another process. This object keeps the ownership.
    public int fd() {
        return fd.number();
    }

    /// Makes threads wait at missing pages of a mapping of this process.
    ///
    /// @param mapping whole pages of shared memory
    public void register(MemorySegment mapping) {
        MemorySegment argument = range(REGISTER_BYTES, mapping.address(), mapping.byteSize());
        argument.set(JAVA_LONG, REGISTER_MODE, UFFDIO_REGISTER_MODE_MISSING);
        require("UFFDIO_REGISTER", UFFDIO_REGISTER, argument);
    }

    /// Ends [#register]. Threads that wait go on, and missing pages read as zeros.
    public void unregister(MemorySegment mapping) {
        MemorySegment argument = range(RANGE_BYTES, mapping.address(), mapping.byteSize());
        require("UFFDIO_UNREGISTER", UFFDIO_UNREGISTER, argument);
    }

    /// Ends [#register] of a mapping of the process that made this object, which may be another one. Threads that wait
    /// go on, and missing pages read as zeros.
    ///
    /// @param address in that process
    /// @return 0, or a negated errno: ESRCH the process has ended
    public int unregister(long address, long length) {
        return ioctl(UFFDIO_UNREGISTER, range(RANGE_BYTES, address, length));
    }

    /// Lets threads look again that wait at a range of addresses: a page that is still missing is told once more.
    ///
    /// @param address in the process that made this object
    /// @return 0, or a negated errno
    public int wake(long address, long length) {
        return ioctl(UFFDIO_WAKE, range(RANGE_BYTES, address, length));
    }

    /// Provides pages, up to the first one that is there already. Threads that wait at these addresses go on, but not
    /// those at other mappings of the same pages.
    ///
    /// @param to in the process that made this object
    /// @param pages whole pages
    /// @return the bytes provided, or a negated errno: EEXIST the first page is there; ENOENT nothing is registered
    ///     there; ESRCH the process has ended
    public long copy(long to, MemorySegment pages) {
        if (!pages.isNative() || !pages.scope().isAlive()) {
            throw new IllegalArgumentException("cannot copy from " + pages);
        }
        MemorySegment argument = scratch(COPY_BYTES);
        argument.set(JAVA_LONG, 0, to);
        argument.set(JAVA_LONG, COPY_SRC, pages.address());
        argument.set(JAVA_LONG, COPY_LEN, pages.byteSize());
        argument.set(JAVA_LONG, COPY_MODE, 0);
        argument.set(JAVA_LONG, COPY_COPY, 0);
        int result = ioctl(UFFDIO_COPY, argument);
        long copied = argument.get(JAVA_LONG, COPY_COPY);
        return result == 0 || copied > 0 ? copied : result;
    }

    /// Provides one page of zeros.
    ///
    /// @param to in the process that made this object
    /// @return 0, or a negated errno as [#copy]
    public int zero(long to) {
        MemorySegment argument = range(ZEROPAGE_BYTES, to, Mapping.PAGE_SIZE);
        argument.set(JAVA_LONG, ZEROPAGE_MODE, 0);
        argument.set(JAVA_LONG, ZEROPAGE_ZEROPAGE, 0);
        return ioctl(UFFDIO_ZEROPAGE, argument);
    }

    /// Room for messages, for one thread that reads them.
    ///
    /// @param arena owns it
    /// @param most messages that one [#read] takes
    public static MemorySegment messages(Arena arena, int most) {
        return arena.allocate((long) most * MSG_BYTES, Long.BYTES);
    }

    /// Takes messages about threads that wait. Does not wait itself.
    ///
    /// @param into from [#messages]
    /// @return how many there are, 0 for none, or a negated errno
    public int read(MemorySegment into) {
        long bytes = Libc.read(fd.number(), into, into.byteSize());
        if (bytes == -Errno.EAGAIN || bytes == -Errno.EINTR) {
            return 0;
        }
        return (int) (bytes < 0 ? bytes : bytes / MSG_BYTES);
    }

    /// The address of a message: in the page at which a thread waits.
    ///
    /// @return -1 if the message is about something else
    public static long address(MemorySegment messages, int index) {
        long at = (long) index * MSG_BYTES;
        return Byte.toUnsignedInt(messages.get(JAVA_BYTE, at)) == UFFD_EVENT_PAGEFAULT
                ? messages.get(JAVA_LONG, at + MSG_ADDRESS)
                : -1;
    }

    /// Waits until all pages of a range are there, in native code: the JVM's other threads go on. A Java thread that
    /// touches a missing page makes them all wait.
    ///
    /// @param address of this process, in a writable mapping
    /// @throws KvmException if they cannot come
    public static void populate(long address, long length) {
        long from = address & -Mapping.PAGE_SIZE;
        long bytes = (address + length - from + Mapping.PAGE_SIZE - 1) & -Mapping.PAGE_SIZE;
        int result;
        do {
            result = Libc.madvise(from, bytes, POPULATE_WRITE);
        } while (result == -Errno.EINTR || result == -Errno.EAGAIN);
        if (result < 0) {
            throw new KvmException("madvise", -result, "MADV_POPULATE_WRITE");
        }
    }

    private void require(String call, long request, MemorySegment argument) {
        int result = ioctl(request, argument);
        if (result < 0) {
            throw new KvmException(call, -result);
        }
    }

    private int ioctl(long request, MemorySegment argument) {
        int result;
        do {
            result = Libc.ioctl(fd.number(), request, argument);
        } while (result == -Errno.EINTR);
        return result;
    }

    private static MemorySegment range(int bytes, long start, long length) {
        MemorySegment argument = scratch(bytes);
        argument.set(JAVA_LONG, 0, start);
        argument.set(JAVA_LONG, RANGE_LEN, length);
        return argument;
    }

    private static MemorySegment scratch(int bytes) {
        return CallSlot.current().scratch().asSlice(0, bytes);
    }

    /// See the class comment before closing it.
    @Override
    public void close() {
        fd.close();
    }
}
