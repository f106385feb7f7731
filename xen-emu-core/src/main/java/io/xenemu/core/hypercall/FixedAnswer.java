package io.xenemu.core.hypercall;

import com.google.common.collect.ImmutableList;
import io.xenemu.kvm.abi.XenError;
import org.jspecify.annotations.Nullable;

/// An operation that Xen refuses to every unprivileged HVM guest, or that does nothing for one. It makes its checks in
/// Xen's order, and then always gives the same answer. It is data, so that the rows can be read, printed and compared.
///
/// @param error the refusal, or null for success, which returns 0
record FixedAnswer(@Nullable XenError error, ImmutableList<Check> checks)
        implements HypercallHandler {
    /// The answer to calls that are not in Xen's table.
    static final FixedAnswer ENOSYS = refusal(XenError.ENOSYS);

    /// A refusal after these checks.
    static FixedAnswer refusal(XenError error, Check... checks) {
        return new FixedAnswer(error, ImmutableList.copyOf(checks));
    }

    /// Success without effect after these checks.
    static FixedAnswer success(Check... checks) {
        return new FixedAnswer(null, ImmutableList.copyOf(checks));
    }

    @Override
    public long handle(HypercallContext call) throws XenError {
        for (int i = 0; i < checks.size(); i++) {
            checks.get(i).run(call);
        }
        if (error != null) {
            throw error;
        }
        return 0;
    }
}
