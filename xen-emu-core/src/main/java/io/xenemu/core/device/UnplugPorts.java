package io.xenemu.core.device;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.List;
import java.util.function.IntConsumer;

/// The ports with which PV drivers ask Xen's device model to remove emulated disks and network cards, to write to the
/// log, and whether they may load. Only a guest of an attached VMM has emulated devices. But without these ports, a
/// guest complains at every boot or does not use its PV drivers.
///
/// The width of an access selects the register. Source: Xen, docs/misc/hvm-emulated-unplug.pandoc.
///
/// Thread-safe.
public final class UnplugPorts implements WidePortDevice {
    private static final int MAGIC_PORT = 0x10;
    private static final int VERSION_PORT = 0x12;
    private static final int LAST_PORT = 0x13;

    /// The first of them.
    public static final int FIRST_PORT = MAGIC_PORT;

    /// Their number.
    public static final int PORTS = LAST_PORT - FIRST_PORT + 1;

    private static final int MASK = 0xffff;

    /// XEN_IOPORT_MAGIC_VAL.
    private static final int MAGIC = 0x49d2;

    /// The answer instead of [#MAGIC] to drivers that are not to load.
    private static final int BLACKLISTED_MAGIC = 0xd249;

    /// The protocol version in which a driver also reports its number, and reads the magic again.
    private static final int VERSION = 1;

    /// Tells which drivers are not to load.
    @FunctionalInterface
    public interface Blacklist {
        /// Whether drivers are not to load.
        ///
        /// @param product their number, 16 bits
        /// @param build the number of their release, 32 bits unsigned
        boolean has(int product, long build);
    }

    private final GuestLog log;
    private final Blacklist blacklist;
    private final IntConsumer removal;

    @GuardedBy("this")
    private int product;

    @GuardedBy("this")
    private boolean blacklisted;

    @GuardedBy("this")
    private int flags;

    /// @param log takes what drivers write to the log
    /// @param removal takes the mask of devices that the guest wants removed
    /// @param state of a saved guest, or [UnplugState#INITIAL]
    public UnplugPorts(GuestLog log, Blacklist blacklist, IntConsumer removal, UnplugState state) {
        this.removal = removal;
        this.log = log;
        this.blacklist = blacklist;
        product = state.product();
        blacklisted = state.blacklisted();
        flags = state.flags();
    }

    /// The ports of this device, for a [PortBus].
    public List<PortBus.Range> ranges() {
        return List.of(new PortBus.Range(MAGIC_PORT, LAST_PORT, this));
    }

    /// Its state.
    public synchronized UnplugState save() {
        return new UnplugState(product, blacklisted, flags);
    }

    @Override
    public synchronized int read(int port, int size) {
        if (port == MAGIC_PORT && size == Short.BYTES) {
            return blacklisted ? BLACKLISTED_MAGIC : MAGIC;
        }
        if (port == MAGIC_PORT && size == Byte.BYTES) {
            return flags;
        }
        if (port == VERSION_PORT && size == Byte.BYTES) {
            return VERSION;
        }
        return PortBus.allOnes(size);
    }

    @Override
    public void write(int port, int size, int value) {
        if (port == VERSION_PORT && size == Byte.BYTES) {
            log.write(value);
        } else if (port == VERSION_PORT && size == Short.BYTES) {
            product(value);
        } else if (port == MAGIC_PORT && size == Short.BYTES) {
            removal.accept(value & MASK);
        } else if (port == MAGIC_PORT && size == Integer.BYTES) {
            build(Integer.toUnsignedLong(value));
        } else if (port == MAGIC_PORT && size == Byte.BYTES) {
            flags(value);
        }
    }

    private synchronized void product(int number) {
        product = number;
    }

    private synchronized void flags(int value) {
        flags = value;
    }

    /// Asks the blacklist without the lock: it may look into XenStore.
    private void build(long number) {
        int drivers;
        synchronized (this) {
            drivers = product;
        }
        boolean found = blacklist.has(drivers, number);
        synchronized (this) {
            blacklisted = found;
        }
    }
}
