package io.xenemu.core.migration;

import java.io.IOException;
import java.io.Serial;

/// A save or restore that was cancelled by [SaveProgress#cancel].
public final class SaveCancelledException extends IOException {
    @Serial private static final long serialVersionUID = 1L;

    SaveCancelledException() {
        super("cancelled");
    }
}
