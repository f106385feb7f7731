package io.xenemu.core.guest;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.memory.RamLog;
import io.xenemu.core.migration.Convergence;
import io.xenemu.core.migration.RoundWriter;
import io.xenemu.core.toolstack.Refused;
import java.io.IOException;
import java.time.Duration;
import java.util.BitSet;
import java.util.concurrent.TimeUnit;

/// The rounds of a migration, while the guest runs, and slower if it writes too fast.
final class MigrationRounds implements AutoCloseable {
    private static final double SECOND = TimeUnit.SECONDS.toNanos(1);

    private final DriverRequest.Migrate wanted;
    private final RamLog log;
    private final RoundWriter writer;
    private final Convergence convergence;
    private final VcpuThrottle throttle;
    private final long begun = System.nanoTime();

    MigrationRounds(Domain domain, DriverRequest.Migrate wanted, RamLog log, RoundWriter writer) {
        this.wanted = wanted;
        this.log = log;
        this.writer = writer;
        throttle = new VcpuThrottle(domain);
        convergence =
                new Convergence(
                        wanted.options().downtimeLimit(),
                        wanted.options().timeout(),
                        wanted.options().force(),
                        wanted.options().throttles());
    }

    /// Sends rounds until the guest may stop.
    ///
    /// @return pages that were written, and not sent yet
    /// @throws Refused if the time is over
    BitSet run() throws IOException, Refused, InterruptedException {
        BitSet written = log.take();
        for (int number = 1; ; number++) {
            long from = System.nanoTime();
            long pages = writer.write(written, log::forget);
            long nanos = System.nanoTime() - from;
            written = log.take();
            wanted.migrations().metrics().round(written.cardinality());
            Convergence.Next next =
                    convergence.after(
                            new Convergence.Round(
                                    pages, Duration.ofNanos(nanos), written.cardinality()),
                            Duration.ofNanos(System.nanoTime() - begun));
            tell(number, written.cardinality(), nanos);
            if (wanted.options().postCopy()) {
                return written;
            }
            switch (next) {
                case ROUND -> throttle.set(convergence.throttle());
                case STOP -> {
                    throttle.close();
                    return written;
                }
                case GIVE_UP ->
                        throw new Refused(
                                "it writes its memory faster than the connection takes it: after %d rounds it would stand still for %d ms"
                                        .formatted(number, convergence.estimate().toMillis()));
            }
        }
    }

    private void tell(int number, long written, long nanos) {
        double all = System.nanoTime() - begun;
        wanted.migration()
                .at(
                        new Migration.Rounds(
                                number,
                                writer.bytes(),
                                written,
                                (long) (written * SECOND / Math.max(1, nanos)),
                                (long) (writer.bytes() * SECOND / Math.max(1, all)),
                                convergence.estimate(),
                                convergence.throttle()));
    }

    /// Ends the slowing down.
    @Override
    public void close() {
        throttle.close();
    }
}
