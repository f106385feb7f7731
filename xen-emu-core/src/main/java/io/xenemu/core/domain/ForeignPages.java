package io.xenemu.core.domain;

import static java.nio.charset.StandardCharsets.US_ASCII;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.kvm.memory.MemFd;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// What the pages that the domains of a service map from each other have in common: how many there may be, and what is around
/// them. Any thread may use it.
///
/// Each such page may cost the process two more of its memory mappings, of which it may have `vm.max_map_count` (sysctl; 65530
/// unless the host says otherwise), and without which it cannot live. A domain may have as many of the pages as are left, so
/// that none takes the last from the others.
public final class ForeignPages implements AutoCloseable {
    private static final Path MAX_MAP_COUNT = Path.of("/proc/sys/vm/max_map_count");

    /// Linux's own, for a host that does not show what is in force.
    private static final long DEFAULT_MAX_MAP_COUNT = 65_530;

    private static final int MAX_DIGITS = 32;

    /// Mappings for all else: the JVM, guests' memory, special pages.
    private static final long RESERVED = 16_384;

    private static final long MAPPINGS_PER_PAGE = 2;

    private final long limit;

    @GuardedBy("this")
    private @Nullable MemFd holes;

    @GuardedBy("this")
    private long used;

    /// @param limit how many pages all domains together may map
    public ForeignPages(long limit) {
        this.limit = limit;
    }

    /// As many pages as this host's limit of mappings allows.
    public static ForeignPages ofThisHost() {
        return new ForeignPages(Math.max(0, mappings() - RESERVED) / MAPPINGS_PER_PAGE);
    }

    private static long mappings() {
        try (InputStream in = Files.newInputStream(MAX_MAP_COUNT)) {
            // At once: a sysctl has nothing for who has read a byte of it, as Files.readString does
            // first.
            byte[] text = in.readNBytes(MAX_DIGITS);
            return Long.parseLong(new String(text, US_ASCII).strip());
        } catch (IOException e) {
            return DEFAULT_MAX_MAP_COUNT;
        }
    }

    /// Registers what an operator compares the sum of `xen.gnttab.maptrack` with.
    public void register(MeterRegistry registry) {
        Gauge.builder("xen.gnttab.mappable", this, pages -> pages.limit)
                .description("How many granted pages all domains together may map")
                .baseUnit("pages")
                .register(registry);
    }

    /// [PhysicalRanges#WINDOW] bytes that read as all ones, as addresses do at which there is nothing.
    synchronized MemFd holes() {
        MemFd made = holes;
        if (made == null) {
            made = MemFd.create("xen-holes", PhysicalRanges.WINDOW);
            made.map(0, PhysicalRanges.WINDOW).fill((byte) -1);
            holes = made;
        }
        return made;
    }

    /// Takes a page for a domain.
    ///
    /// @param own how many it has
    /// @return false if it may have no more
    synchronized boolean take(long own) {
        if (own >= limit - used) {
            return false;
        }
        used++;
        return true;
    }

    /// Gives pages back.
    synchronized void give(long count) {
        used -= count;
    }

    /// Ends it after the last domain.
    @Override
    public synchronized void close() {
        if (holes != null) {
            holes.close();
        }
    }
}
