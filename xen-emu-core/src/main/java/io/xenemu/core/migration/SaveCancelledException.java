package io.xenemu.core.migration;

import io.xenemu.core.host.WorkProgress;
import java.io.IOException;
import java.io.Serial;

/// A save or restore that was cancelled by [WorkProgress#cancel].
public final class SaveCancelledException extends IOException {
    @Serial private static final long serialVersionUID = 1L;

    private SaveCancelledException() {
        super("cancelled");
    }

    /// Tells how far the work is.
    ///
    /// @param pages of RAM that have been dealt with
    /// @throws SaveCancelledException if the work was asked to end
    static void tell(WorkProgress progress, long pages) throws SaveCancelledException {
        progress.at(pages);
        if (progress.isCancelled()) {
            throw new SaveCancelledException();
        }
    }
}
