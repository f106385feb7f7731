package io.xenemu.core.guest;

import io.xenemu.core.migration.Convergence;
import io.xenemu.core.toolstack.Refused;
import java.io.IOException;
import java.time.Duration;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// The rounds of a migration, while its guests run, and slower if they write too fast.
final class MigrationRounds implements AutoCloseable {
    private static final double SECOND = TimeUnit.SECONDS.toNanos(1);

    private final DriverRequest.Migrate wanted;
    private final MovingGuests guests;
    private final Stored stored;
    private final Convergence convergence;
    private final List<VcpuThrottle> throttles;
    private final long begun = System.nanoTime();

    /// Waits until the destination has a round's disks on its storage.
    @FunctionalInterface
    interface Stored {
        /// Waits for that.
        ///
        /// @param round its number
        void await(int round) throws IOException, Refused, InterruptedException;
    }

    /// @param stored is called after each round
    MigrationRounds(MovingGuests guests, DriverRequest.Migrate wanted, Stored stored) {
        this.stored = stored;
        this.wanted = wanted;
        this.guests = guests;
        throttles = guests.domains().stream().map(VcpuThrottle::new).toList();
        convergence =
                new Convergence(
                        wanted.options().downtimeLimit(),
                        wanted.options().timeout(),
                        wanted.options().force(),
                        wanted.options().throttles());
    }

    /// Sends rounds until the guests may stop.
    ///
    /// @return pages that were written, and not sent yet, those of each guest
    /// @throws Refused if the time is over
    List<BitSet> run() throws IOException, Refused, InterruptedException {
        List<BitSet> written = guests.take();
        for (int number = 1; ; number++) {
            long from = System.nanoTime();
            long pages = guests.write(written);
            stored.await(number);
            long nanos = System.nanoTime() - from;
            written = guests.take();
            long count = written.stream().mapToLong(BitSet::cardinality).sum();
            wanted.migrations().metrics().round(count);
            count += guests.pagesOfDisks();
            Convergence.Next next =
                    convergence.after(
                            new Convergence.Round(pages, Duration.ofNanos(nanos), count),
                            Duration.ofNanos(System.nanoTime() - begun));
            tell(number, count, nanos);
            if (wanted.options().postCopy()) {
                return written;
            }
            switch (next) {
                case ROUND -> throttles.forEach(one -> one.set(convergence.throttle()));
                case STOP -> {
                    close();
                    return written;
                }
                case GIVE_UP -> throw tooFast(number, written.size() == 1);
            }
        }
    }

    private Refused tooFast(int rounds, boolean isOne) {
        return new Refused(
                "%s memory faster than the connection takes it: after %d rounds %s would stand still for %d ms"
                        .formatted(
                                isOne ? "it writes its" : "they write their",
                                rounds,
                                isOne ? "it" : "they",
                                convergence.estimate().toMillis()));
    }

    private void tell(int number, long written, long nanos) {
        double all = System.nanoTime() - begun;
        wanted.migration()
                .at(
                        new Migration.Rounds(
                                number,
                                guests.bytes(),
                                written,
                                (long) (written * SECOND / Math.max(1, nanos)),
                                (long) (guests.bytes() * SECOND / Math.max(1, all)),
                                convergence.estimate(),
                                convergence.throttle()));
    }

    /// Ends the slowing down.
    @Override
    public void close() {
        throttles.forEach(VcpuThrottle::close);
    }
}
