package io.xenemu.kvm.file;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.libc.CallSlot;
import io.xenemu.kvm.libc.Libc;
import io.xenemu.kvm.libc.OwnedFd;
import java.lang.foreign.MemorySegment;

/// A pair of pseudo terminals (pty(7)): this process has one end, and any program opens the other by its [#name]. The
/// terminal passes each byte unchanged, as cfmakeraw(3) makes it.
///
/// The other end stays open here too. So its settings last, and what nobody reads waits in the kernel, which takes a
/// few hundred KiB at most; then [ByteStream#write] finds no room.
public final class PseudoTerminal implements AutoCloseable {
    private static final String MASTER = "/dev/ptmx";

    // asm-generic/ioctls.h
    private static final long TIOCSPTLCK = 0x4004_5431L;
    private static final long TIOCGPTN = 0x8004_5430L;
    private static final long TIOCGPTPEER = 0x5441;
    private static final long TCGETS = 0x5401;
    private static final long TCSETS = 0x5402;

    /// `struct termios` of the kernel: four flags of 32 bits for input, output, control and local modes, the line
    /// discipline, and the control characters from this offset on. It fits a [CallSlot].
    private static final long CONTROL_MODES = 8;

    private static final long LOCAL_MODES = 12;
    private static final long CHARACTERS = 17;
    private static final int VTIME = 5;
    private static final int VMIN = 6;
    private static final int CSIZE = 0x30;
    private static final int CS8 = 0x30;
    private static final int PARENB = 0x100;

    private final ByteStream master;
    private final OwnedFd slave;
    private final String name;

    private PseudoTerminal(ByteStream master, OwnedFd slave, String name) {
        this.master = master;
        this.slave = slave;
        this.name = name;
    }

    /// Makes a pair.
    ///
    /// @throws KvmException if the host has none left, or the process no descriptor
    public static PseudoTerminal open() {
        OwnedFd master = OwnedFd.of("open", Libc.open(MASTER, ByteStream.TERMINAL), MASTER);
        boolean opened = false;
        try {
            MemorySegment number = CallSlot.current().scratch();
            number.set(JAVA_INT, 0, 0);
            check("TIOCSPTLCK", Libc.ioctl(master.number(), TIOCSPTLCK, number));
            String name = name(master.number());
            OwnedFd slave =
                    OwnedFd.of(
                            "TIOCGPTPEER",
                            Libc.ioctl(master.number(), TIOCGPTPEER, ByteStream.TERMINAL),
                            name);
            PseudoTerminal made = new PseudoTerminal(new ByteStream(master), slave, name);
            opened = true;
            made.makeRaw();
            return made;
        } finally {
            if (!opened) {
                master.close();
            }
        }
    }

    private static String name(int master) {
        MemorySegment number = CallSlot.current().scratch();
        check("TIOCGPTN", Libc.ioctl(master, TIOCGPTN, number));
        return "/dev/pts/" + number.get(JAVA_INT, 0);
    }

    /// Takes over a pair that another process has sent. Programs that have opened the other end keep it.
    ///
    /// @param master this process's end
    /// @param slave the other end
    /// @throws KvmException if they are none; they are closed then
    public static PseudoTerminal received(int master, int slave) {
        OwnedFd other = OwnedFd.of("recvmsg", slave, MASTER);
        ByteStream own = ByteStream.received(master);
        boolean done = false;
        try {
            PseudoTerminal made = new PseudoTerminal(own, other, name(master));
            done = true;
            return made;
        } finally {
            if (!done) {
                other.close();
                own.close();
            }
        }
    }

    private void makeRaw() {
        boolean done = false;
        try {
            MemorySegment settings = CallSlot.current().scratch();
            check("TCGETS", Libc.ioctl(slave.number(), TCGETS, settings));
            int control = settings.get(JAVA_INT, CONTROL_MODES);
            settings.asSlice(0, CONTROL_MODES).fill((byte) 0);
            settings.set(JAVA_INT, CONTROL_MODES, (control & ~(CSIZE | PARENB)) | CS8);
            settings.set(JAVA_INT, LOCAL_MODES, 0);
            settings.set(JAVA_BYTE, CHARACTERS + VTIME, (byte) 0);
            settings.set(JAVA_BYTE, CHARACTERS + VMIN, (byte) 1);
            check("TCSETS", Libc.ioctl(slave.number(), TCSETS, settings));
            done = true;
        } finally {
            if (!done) {
                close();
            }
        }
    }

    private static void check(String call, int result) {
        if (result < 0) {
            throw new KvmException(call, -result, MASTER);
        }
    }

    /// This process's end. This object closes it.
    public ByteStream stream() {
        return master;
    }

    /// The numbers of both descriptors, in the order of [#received]. This object keeps the ownership.
    public ImmutableIntArray descriptors() {
        return ImmutableIntArray.of(master.fd(), slave.number());
    }

    /// The path of the other end, such as `/dev/pts/7`.
    public String name() {
        return name;
    }

    @Override
    public void close() {
        slave.close();
        master.close();
    }

    @Override
    public String toString() {
        return name;
    }
}
