package io.xenemu.core.backend.p9;

import io.xenemu.core.toolstack.P9Quota;
import io.xenemu.core.toolstack.P9SecurityModel;
import io.xenemu.core.toolstack.P9Spec;
import java.nio.file.Path;

/// What a share gives to its guest.
///
/// @param folder the share's root
/// @param readOnly whether every request that writes is EROFS
/// @param security how owners and permissions are kept
/// @param limits of what the guest holds
/// @param quota of what is below the folder
record P9Export(
        Path folder, boolean readOnly, P9SecurityModel security, P9Limits limits, P9Quota quota) {
    /// The share of an operator's specification.
    static P9Export of(P9Spec spec) {
        return new P9Export(
                Path.of(spec.path()),
                spec.readOnly(),
                spec.security(),
                new P9Limits(
                        P9Limits.DEFAULT_FIDS,
                        spec.maxOpenFiles().orElse(P9Limits.DEFAULT_OPEN_FILES)),
                spec.quota());
    }

    /// A folder with the model `none`, and without a quota.
    static P9Export plain(Path folder, boolean readOnly, P9Limits limits) {
        return new P9Export(folder, readOnly, P9SecurityModel.NONE, limits, P9Quota.NONE);
    }
}
