package io.xenemu.core.hypervisor;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.DomainConfig;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Admits guests as long as the host has memory for them. A guest takes its RAM only as it uses it, so the memory that
/// is free now does not tell whether one more guest fits. So all guests' shares together have to fit into the memory
/// that was available when the service started. The new share also has to fit into the memory that is available now. A
/// guest keeps its share over its reboots.
///
/// A guest counts with its `maxmem`: it sees that much RAM, and may use it before its balloon driver starts.
public final class MemoryAdmission {
    /// Bytes that a guest needs besides its RAM, as measured for a further guest and rounded up.
    private static final long GUEST_BYTES = 4L << 20;

    /// Bytes that a vCPU needs: its kvm_run, its thread's stack and KVM's own data.
    private static final long VCPU_BYTES = 256L << 10;

    /// Page tables: 8 bytes for each page of 4 KiB, once for the guest and once for the process.
    private static final long PAGE_TABLES_PART = 256;

    private static final int MIB_SHIFT = 20;

    private final LongSupplier available;

    /// The memory for guests when the service started.
    @GuardedBy("this")
    private long atStart;

    @GuardedBy("this")
    private long taken;

    /// @param available the host's available bytes
    MemoryAdmission(LongSupplier available) {
        this.available = available;
        this.atStart = available.getAsLong();
    }

    /// Memory of the host that is taken, until it is closed.
    public final class Share implements AutoCloseable {
        private final long bytes;

        private Share(long bytes) {
            this.bytes = bytes;
        }

        @Override
        public void close() {
            release(bytes);
        }
    }

    /// Takes the share of a guest that has no memory yet: see the other method of this name.
    public Share admit(DomainConfig config, boolean overcommit) throws BootException {
        return admit(config, overcommit, 0);
    }

    /// Takes a guest's share.
    ///
    /// @param held bytes of it that the guest has had since before the service started, and so were not available then
    /// @param overcommit whether the guest gets its share even if the memory is not there
    /// @throws BootException when the share does not fit, or is more than any guest can have
    public synchronized Share admit(DomainConfig config, boolean overcommit, long held)
            throws BootException {
        // The map's limits keep the sums small.
        GuestMemoryMap _ = new GuestMemoryMap(config.maxMemoryBytes());
        long beside = beside(config);
        long need = config.maxMemoryBytes() + beside;
        if (!overcommit) {
            String asked =
                    "%s: %d MiB of RAM, and %d MiB to run it, are more than "
                            .formatted(config.name(), mib(config.maxMemoryBytes()), mib(beside));
            if (need > atStart + held - taken) {
                throw new BootException(
                        asked
                                + "is left: of the %d MiB that the host had for guests, others have %d MiB"
                                        .formatted(mib(atStart), mib(taken))
                                + "; --overcommit starts it anyway");
            }
            long now = available.getAsLong();
            if (need - held > now) {
                throw new BootException(
                        asked
                                + "the %d MiB that the host has available; --overcommit starts it anyway"
                                        .formatted(mib(now)));
            }
        }
        atStart += held;
        taken += need;
        return new Share(need);
    }

    /// Lends memory that no guest has a share of, for a short time.
    ///
    /// @return null if there is not as much
    public synchronized @Nullable Share lend(long bytes) {
        if (bytes > Math.min(atStart - taken, available.getAsLong())) {
            return null;
        }
        taken += bytes;
        return new Share(bytes);
    }

    private synchronized void release(long bytes) {
        taken -= bytes;
    }

    private static long beside(DomainConfig config) {
        return GUEST_BYTES
                + config.vcpus() * VCPU_BYTES
                + config.maxMemoryBytes() / PAGE_TABLES_PART;
    }

    private static long mib(long bytes) {
        return bytes >> MIB_SHIFT;
    }
}
