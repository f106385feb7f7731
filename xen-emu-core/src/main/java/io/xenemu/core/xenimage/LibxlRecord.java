package io.xenemu.core.xenimage;

import io.xenemu.kvm.wire.WireException;

/// The records of libxl's stream.
///
/// Source: docs/specs/libxl-migration-stream.pandoc of Xen.
enum LibxlRecord implements RecordKind {
    /// The last one.
    END(0, Fate.TAKEN, ""),
    /// The image of libxc follows.
    LIBXC_CONTEXT(1, Fate.TAKEN, ""),
    /// Nodes in XenStore of a device model.
    EMULATOR_XENSTORE_DATA(2, Fate.IGNORED, "only a device model reads these nodes"),
    /// The state of a device model.
    EMULATOR_CONTEXT(
            3, Fate.REFUSED, "it is the state of a device model, which cannot be had here"),
    /// The end of one of several states in a stream.
    CHECKPOINT_END(4, Fate.REFUSED, "it belongs to a stream of checkpoints (Remus)"),
    /// Control of a secondary guest.
    CHECKPOINT_STATE(5, Fate.REFUSED, "it belongs to a stream of checkpoints (COLO)");

    private static final LibxlRecord[] ALL = values();

    private final Facts facts;

    LibxlRecord(int code, Fate fate, String reason) {
        facts = new Facts(code, fate, reason);
    }

    @Override
    public Facts facts() {
        return facts;
    }

    /// The kind of a number.
    ///
    /// @throws WireException if it is unknown
    static LibxlRecord of(int code) throws WireException {
        return RecordKind.of(ALL, code, "unknown record %#x of libxl's stream");
    }
}
