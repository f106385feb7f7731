package io.xenemu.kvm.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.IoVectors;
import io.xenemu.kvm.file.OpenFlags;
import io.xenemu.kvm.libc.CallSlot;
import io.xenemu.kvm.libc.Libc;
import io.xenemu.kvm.libc.OwnedFd;
import io.xenemu.kvm.libc.SocketCalls;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Set;

/// One queue of a tap (Linux, Documentation/networking/tuntap.rst): a descriptor that gives the frames which the host
/// sends into the interface, and takes those which the interface receives. Each frame has a [#HEADER_BYTES] header,
/// `struct virtio_net_hdr`, in front of it.
///
/// The interface exists as long as a queue of it is open, unless somebody has made it persistent. Calls do not wait,
/// and reading and writing do not allocate.
public final class Tap implements AutoCloseable {
    /// `sizeof(struct virtio_net_hdr)`, without the number of merged buffers.
    public static final int HEADER_BYTES = 10;

    private static final String DEVICE = "/dev/net/tun";
    private static final int FLAGS = OpenFlags.O_RDWR | OpenFlags.O_NONBLOCK | OpenFlags.O_CLOEXEC;

    private static final long TUNSETIFF = 0x400454ca;
    private static final long TUNGETIFF = 0x800454d2L;
    private static final long TUNSETOFFLOAD = 0x400454d0;
    private static final long TUNSETVNETHDRSZ = 0x400454d8;
    private static final long TUNSETCARRIER = 0x400454e2;

    private static final short IFF_TAP = 0x0002;
    private static final short IFF_MULTI_QUEUE = 0x0100;
    private static final short IFF_PERSIST = 0x0800;
    private static final short IFF_NO_PI = 0x1000;
    private static final short IFF_VNET_HDR = 0x4000;
    private static final int IFF_TUN_EXCL = 0x8000;

    private final OwnedFd fd;
    private final String name;

    private Tap(OwnedFd fd, String name) {
        this.fd = fd;
        this.name = name;
    }

    /// Opens a queue of a tap. Makes the interface if there is none of that name, which needs CAP_NET_ADMIN; a tap
    /// that exists can be opened by the user to whom it was given (`ip tuntap add ... user`).
    ///
    /// @param name 1 to 15 bytes
    /// @param several whether the tap has or may get further queues; a tap that exists must have been made so
    /// @throws KvmException `open` or `TUNSETIFF`: ENOENT no tun module; EPERM no right; EBUSY the one queue is in
    ///     use, or the interface is no tap; EINVAL made with the other choice of `several`; E2BIG too many queues
    public static Tap open(String name, boolean several) {
        return open(name, several ? IFF_MULTI_QUEUE : 0);
    }

    /// Makes a tap that has or may get further queues, and opens its first one.
    ///
    /// @param name 1 to 15 bytes
    /// @throws KvmException as [#open]; EBUSY also if there is an interface of that name
    public static Tap make(String name) {
        return open(name, IFF_MULTI_QUEUE | IFF_TUN_EXCL);
    }

    private static Tap open(String name, int more) {
        OwnedFd fd = OwnedFd.of("open", Libc.open(DEVICE, FLAGS), DEVICE);
        boolean opened = false;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment request = InterfaceRequest.named(arena, name);
            int flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | more;
            request.set(JAVA_SHORT, InterfaceRequest.VALUE, (short) flags);
            check("TUNSETIFF", Libc.ioctl(fd.number(), TUNSETIFF, request), name);
            Tap tap = new Tap(fd, name);
            // A tap that somebody else has made may have another size.
            tap.set("TUNSETVNETHDRSZ", TUNSETVNETHDRSZ, HEADER_BYTES);
            opened = true;
            return tap;
        } finally {
            if (!opened) {
                fd.close();
            }
        }
    }

    /// Takes over a queue of a tap that another process has sent.
    ///
    /// @param descriptor taken over, also if this fails
    /// @param name of the interface
    /// @throws KvmException if it is no queue of that tap
    public static Tap received(int descriptor, String name) {
        OwnedFd fd = OwnedFd.of("recvmsg", descriptor, name);
        boolean done = false;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment request = InterfaceRequest.named(arena, name);
            check("TUNGETIFF", Libc.ioctl(descriptor, TUNGETIFF, request), name);
            if (!request.getString(0).equals(name)) {
                throw new KvmException("TUNGETIFF", Errno.EINVAL, "not " + name);
            }
            done = true;
            return new Tap(fd, name);
        } finally {
            if (!done) {
                fd.close();
            }
        }
    }

    /// Whether the tap has or may get further queues.
    public boolean isOneOfSeveral() {
        return has(IFF_MULTI_QUEUE);
    }

    /// Whether the interface stays when no queue of it is open.
    public boolean isPersistent() {
        return has(IFF_PERSIST);
    }

    private boolean has(short flag) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment request = InterfaceRequest.named(arena, name);
            check("TUNGETIFF", Libc.ioctl(fd.number(), TUNGETIFF, request), name);
            return (request.get(JAVA_SHORT, InterfaceRequest.VALUE) & flag) != 0;
        }
    }

    private static void check(String call, int result, String name) {
        if (result < 0) {
            throw new KvmException(call, -result, name);
        }
    }

    private void set(String call, long request, int value) {
        MemorySegment argument = CallSlot.current().scratch();
        argument.set(JAVA_INT, 0, value);
        check(call, Libc.ioctl(fd.number(), request, argument), name);
    }

    /// The interface's name.
    public String name() {
        return name;
    }

    /// The descriptor's number, for [io.xenemu.kvm.thread.Epoll]. This object keeps the ownership.
    public int fd() {
        return fd.number();
    }

    /// Chooses what the kernel may leave undone in the frames of all queues from now on. Frames that already wait are
    /// as they are.
    public void offload(Set<TapOffload> offloads) {
        check(
                "TUNSETOFFLOAD",
                Libc.ioctl(fd.number(), TUNSETOFFLOAD, TapOffload.bits(offloads)),
                name);
    }

    /// Plugs the cable in or pulls it, for all queues. Without it the interface drops what the host sends into it.
    public void carrier(boolean on) {
        set("TUNSETCARRIER", TUNSETCARRIER, on ? 1 : 0);
    }

    /// Takes the next frame that the host has sent, with its header in front. What does not fit into the ranges is
    /// lost.
    ///
    /// @return the bytes stored, header included; or a negated errno: EAGAIN there is none; EBADFD the
    ///     interface was deleted
    public long read(IoVectors into) {
        long result;
        do {
            result = SocketCalls.readv(fd.number(), into.arrayAddress(), into.count());
        } while (result == -Errno.EINTR);
        return result;
    }

    /// Gives the host a frame, with its header in front. Its bytes are copied before this returns.
    ///
    /// @return the bytes taken; or a negated errno: EINVAL a header that does not fit its frame, or a frame without
    ///     an Ethernet header; EIO the interface is down; EBADFD it was deleted; ENOMEM, ENOBUFS
    public long write(IoVectors from) {
        long result;
        do {
            result = SocketCalls.writev(fd.number(), from.arrayAddress(), from.count());
        } while (result == -Errno.EINTR);
        return result;
    }

    @Override
    public void close() {
        fd.close();
    }

    @Override
    public String toString() {
        return name;
    }

    /// `struct ifreq`: a name and one value.
    static final class InterfaceRequest {
        static final int NAME_BYTES = 16;
        static final int VALUE = NAME_BYTES;
        private static final int BYTES = 40;

        private InterfaceRequest() {}

        /// A zeroed request for an interface.
        ///
        /// @throws IllegalArgumentException if the name is empty, too long, or not ASCII
        static MemorySegment named(Arena arena, String name) {
            if (!NetInterface.isName(name)) {
                throw new IllegalArgumentException("not an interface's name: " + name);
            }
            MemorySegment request = arena.allocate(BYTES, Long.BYTES);
            for (int i = 0; i < name.length(); i++) {
                request.set(JAVA_BYTE, i, (byte) name.charAt(i));
            }
            return request;
        }
    }
}
