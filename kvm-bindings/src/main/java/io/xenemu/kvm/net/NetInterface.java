package io.xenemu.kvm.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.libc.Libc;
import io.xenemu.kvm.libc.OwnedFd;
import io.xenemu.kvm.libc.SocketCalls;
import io.xenemu.kvm.net.Tap.InterfaceRequest;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.regex.Pattern;

/// A network interface of the host by its name, whatever is behind it (netdevice(7)). Changes need CAP_NET_ADMIN.
/// Each failure is a [KvmException] with the ioctl's name: ENODEV no such interface, EPERM no right.
///
/// @param name 1 to 15 visible characters, see [#isName]
public record NetInterface(String name) {
    private static final long SIOCGIFFLAGS = 0x8913;
    private static final long SIOCSIFFLAGS = 0x8914;
    private static final long SIOCGIFMTU = 0x8921;
    private static final long SIOCSIFMTU = 0x8922;
    private static final long SIOCSIFHWADDR = 0x8924;
    private static final long SIOCGIFINDEX = 0x8933;
    private static final long SIOCSIFTXQLEN = 0x8943;
    private static final long SIOCBRADDIF = 0x89a2;

    private static final int IFF_UP = 1;
    private static final short ARPHRD_ETHER = 1;
    private static final int ADDRESS_BYTES = 6;

    /// What the kernel takes as a name (`dev_valid_name`), less what is not ASCII.
    private static final Pattern NAME = Pattern.compile("(?!\\.{1,2}$)[!-~&&[^/:]]{1,15}");

    public NetInterface {
        if (!isName(name)) {
            throw new IllegalArgumentException("not an interface's name: " + name);
        }
    }

    /// Whether an interface can have this name.
    public static boolean isName(String name) {
        return NAME.matcher(name).matches();
    }

    /// Whether there is such an interface.
    public boolean exists() {
        try {
            int _ = index();
            return true;
        } catch (KvmException e) {
            if (e.errno() == Errno.ENODEV) {
                return false;
            }
            throw e;
        }
    }

    /// The interface's number.
    public int index() {
        return call("SIOCGIFINDEX", SIOCGIFINDEX, request -> {}).value();
    }

    /// Whether the interface is up.
    public boolean isUp() {
        return (flags() & IFF_UP) != 0;
    }

    private int flags() {
        return call("SIOCGIFFLAGS", SIOCGIFFLAGS, request -> {}).value() & 0xffff;
    }

    /// Brings the interface up. One that is up stays so, and no right is needed.
    public void up() {
        int flags = flags();
        if ((flags & IFF_UP) == 0) {
            call(
                    "SIOCSIFFLAGS",
                    SIOCSIFFLAGS,
                    request ->
                            request.set(
                                    JAVA_SHORT, InterfaceRequest.VALUE, (short) (flags | IFF_UP)));
        }
    }

    /// The MTU, bytes.
    public int mtu() {
        return call("SIOCGIFMTU", SIOCGIFMTU, request -> {}).value();
    }

    /// Sets the MTU, bytes.
    public void mtu(int bytes) {
        call(
                "SIOCSIFMTU",
                SIOCSIFMTU,
                request -> request.set(JAVA_INT, InterfaceRequest.VALUE, bytes));
    }

    /// Sets the most frames that may wait to be sent; for a tap, to be read.
    public void queueLength(int frames) {
        call(
                "SIOCSIFTXQLEN",
                SIOCSIFTXQLEN,
                request -> request.set(JAVA_INT, InterfaceRequest.VALUE, frames));
    }

    /// Sets the Ethernet address.
    ///
    /// @param address 6 bytes
    public void address(byte[] address) {
        if (address.length != ADDRESS_BYTES) {
            throw new IllegalArgumentException(address.length + " bytes");
        }
        call(
                "SIOCSIFHWADDR",
                SIOCSIFHWADDR,
                request -> {
                    request.set(JAVA_SHORT, InterfaceRequest.VALUE, ARPHRD_ETHER);
                    for (int i = 0; i < ADDRESS_BYTES; i++) {
                        request.set(
                                JAVA_BYTE, InterfaceRequest.VALUE + Short.BYTES + i, address[i]);
                    }
                });
    }

    /// Adds another interface to this one, which is a bridge.
    ///
    /// @throws KvmException EOPNOTSUPP this is no bridge; EBUSY `port` is in a bridge already
    public void join(NetInterface port) {
        int index = port.index();
        call(
                "SIOCBRADDIF",
                SIOCBRADDIF,
                request -> request.set(JAVA_INT, InterfaceRequest.VALUE, index));
    }

    private interface Argument {
        void fill(MemorySegment request);
    }

    /// The first number of an answer.
    private record Answer(int value) {}

    private Answer call(String call, long request, Argument argument) {
        try (OwnedFd socket = OwnedFd.of("socket", SocketCalls.interfaceSocket(), "");
                Arena arena = Arena.ofConfined()) {
            MemorySegment memory = InterfaceRequest.named(arena, name);
            argument.fill(memory);
            int result = Libc.ioctl(socket.number(), request, memory);
            if (result < 0) {
                throw new KvmException(call, -result, name);
            }
            return new Answer(memory.get(JAVA_INT, InterfaceRequest.VALUE));
        }
    }
}
