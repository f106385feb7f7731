package io.xenemu.core.guest;

import io.xenemu.core.host.Teardown;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.hypervisor.MemoryAdmission;
import io.xenemu.core.migration.RamCopy;
import io.xenemu.core.migration.RamSource;
import io.xenemu.core.migration.SaveCancelledException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Copies of the RAM of guests, for as long as a checkpoint is written from them.
///
/// @param copies in the guests' order
/// @param share of the host's memory that they take
record RamCopies(List<RamCopy> copies, MemoryAdmission.Share share) implements AutoCloseable {
    /// Copies the RAM of all guests, which run. [#take] completes that.
    ///
    /// @param progress cancels it
    /// @return null if the host has no room for the copies
    /// @throws SaveCancelledException if the save is cancelled
    static @Nullable RamCopies begin(
            List<RamSource> guests, MemoryAdmission memory, WorkProgress progress)
            throws SaveCancelledException {
        MemoryAdmission.Share share = memory.lend(guests.stream().mapToLong(RamCopy::bytes).sum());
        if (share == null) {
            return null;
        }
        List<RamCopy> copies = new ArrayList<>();
        RamCopies all = new RamCopies(copies, share);
        boolean done = false;
        try {
            for (RamSource guest : guests) {
                copies.add(RamCopy.begin(guest, progress));
            }
            done = true;
            return all;
        } finally {
            if (!done) {
                all.close();
            }
        }
    }

    /// Makes them copies of this moment. The guests stand still.
    ///
    /// @throws SaveCancelledException if the save is cancelled
    void take() throws SaveCancelledException {
        for (RamCopy copy : copies) {
            copy.take();
        }
    }

    /// The copies, as guests' RAM.
    List<RamSource> sources() {
        return copies.stream().map(RamCopy::source).toList();
    }

    @Override
    public void close() {
        Teardown all = new Teardown();
        all.add(share::close);
        copies.forEach(copy -> all.add(copy::close));
        all.close();
    }
}
