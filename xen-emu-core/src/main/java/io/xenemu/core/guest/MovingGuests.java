package io.xenemu.core.guest;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.host.Teardown;
import io.xenemu.core.hypervisor.DomainDevices;
import io.xenemu.core.memory.RamLog;
import io.xenemu.core.migration.DiskWriter;
import io.xenemu.core.migration.Pace;
import io.xenemu.core.migration.RamSource;
import io.xenemu.core.migration.RoundWriter;
import io.xenemu.core.migration.SaveWriter;
import io.xenemu.core.toolstack.Refused;
import java.io.IOException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/// The memory of guests that move together, and the disks whose content goes with them, while they are sent in rounds.
/// Each round has one of each guest.
final class MovingGuests implements AutoCloseable {
    private final List<Moving> all = new ArrayList<>();
    private final Teardown ends = new Teardown();

    private record Moving(Domain domain, RamLog written, RoundWriter rounds) {}

    /// Writes what the guests are, and begins to log what they write to their memory.
    ///
    /// @param devices of the service
    /// @throws Refused if a file of this host cannot be read
    MovingGuests(
            SaveWriter writer,
            List<SaveParty.Member> guests,
            DriverRequest.Migrate wanted,
            DomainDevices devices)
            throws IOException, Refused {
        Pace pace = new Pace(wanted.options().bytesPerSecond());
        boolean done = false;
        try {
            for (SaveParty.Member guest : guests) {
                Domain domain = guest.domain();
                GuestDescription.write(writer, domain, guest.request());
                RamSource ram = RamSource.of(domain.memory());
                RamLog written = domain.pages().logWrites();
                ends.add(written::close);
                OutgoingDisks disks =
                        new OutgoingDisks(
                                wanted.options().copiesStorage()
                                        ? devices.copy(domain)
                                        : List.of());
                ends.add(disks::close);
                RoundWriter rounds = writer.rounds(ram, disks.sources(), wanted.progress(), pace);
                ends.add(rounds::close);
                all.add(new Moving(domain, written, rounds));
            }
            done = true;
        } finally {
            if (!done) {
                ends.close();
            }
        }
    }

    List<Domain> domains() {
        return all.stream().map(Moving::domain).toList();
    }

    /// Takes the pages out of the logs that were written since the last time, those of each guest.
    List<BitSet> take() {
        return all.stream().map(guest -> guest.written().take()).toList();
    }

    /// Writes a round.
    ///
    /// @param pages of each guest
    /// @return the number of pages that were written
    long write(List<BitSet> pages) throws IOException, InterruptedException {
        long count = 0;
        for (int i = 0; i < all.size(); i++) {
            Moving guest = all.get(i);
            count += guest.rounds().write(pages.get(i), guest.written()::forget);
        }
        return count;
    }

    /// The number of pages of disks that were written since they were sent.
    long pagesOfDisks() {
        return all.stream().mapToLong(guest -> guest.rounds().pagesOfDisks()).sum();
    }

    /// The number of the last round.
    int round() {
        return all.getFirst().rounds().round();
    }

    /// How far the disks are. Any thread.
    Migration.Disks disks() {
        long total = 0;
        long looked = 0;
        long sent = 0;
        for (Moving guest : all) {
            DiskWriter disks = guest.rounds().disks();
            total += disks.total();
            looked += disks.looked();
            sent += disks.sent();
        }
        return new Migration.Disks(total, looked, sent);
    }

    /// The bytes of the stream so far.
    long bytes() {
        return all.getFirst().rounds().bytes();
    }

    /// Writes the last round. The guests stand still.
    ///
    /// @param left the pages of each guest that were written, and not sent yet, when it stood still
    void writeLast(List<BitSet> left) throws IOException, InterruptedException {
        for (int i = 0; i < all.size(); i++) {
            Moving guest = all.get(i);
            BitSet last = (BitSet) left.get(i).clone();
            last.or(guest.written().take());
            last.or(guest.written().held());
            long _ = guest.rounds().writeLast(last, guest.written()::forget);
        }
    }

    /// Writes the last round of the only guest, without the pages that follow it.
    ///
    /// @param left as for [#writeLast]
    /// @return the pages that follow
    BitSet writeLastBefore(BitSet left) throws IOException, InterruptedException {
        Moving guest = all.getFirst();
        BitSet follow = (BitSet) left.clone();
        follow.or(guest.written().take());
        BitSet held = guest.written().held();
        follow.andNot(held);
        long _ = guest.rounds().writeLast(held, guest.written()::forget);
        guest.rounds().writeMissing(follow);
        return follow;
    }

    /// Writes the states of the guests, after the last round.
    ///
    /// @param states the frames of each
    void end(SaveWriter writer, List<byte[]> states) throws IOException {
        for (int i = 0; i < all.size(); i++) {
            writer.endRounds(all.get(i).rounds(), states.get(i));
        }
    }

    @Override
    public void close() {
        ends.close();
    }
}
