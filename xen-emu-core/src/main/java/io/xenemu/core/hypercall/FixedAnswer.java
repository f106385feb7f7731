package io.xenemu.core.hypercall;

import com.google.common.collect.ImmutableList;
import io.xenemu.kvm.abi.XenError;
import org.jspecify.annotations.Nullable;

/// An operation that Xen refuses to every unprivileged HVM guest, or that does nothing for one. It makes its checks in
/// Xen's order, and then always gives the same answer. It is data, so that the rows can be read, printed and compared.
///
/// @param error the refusal, or null for success, which returns 0
/// @param exemption calls that Xen answers before all checks
record FixedAnswer(@Nullable XenError error, ImmutableList<Check> checks, Exemption exemption)
        implements HypercallHandler {
    /// Calls of a refused operation that Xen does not refuse.
    interface Exemption {
        /// Stands for the usual answer. No operation has it as a result.
        long REFUSED = Long.MIN_VALUE;

        /// No call is answered otherwise.
        Exemption NONE = _ -> REFUSED;

        /// The result of a call, or [#REFUSED].
        long answer(HypercallContext call);
    }

    /// The answer to calls that are not in Xen's table.
    static final FixedAnswer ENOSYS = refusal(XenError.ENOSYS);

    /// A refusal after these checks.
    static FixedAnswer refusal(XenError error, Check... checks) {
        return new FixedAnswer(error, ImmutableList.copyOf(checks), Exemption.NONE);
    }

    /// Success without effect after these checks.
    static FixedAnswer success(Check... checks) {
        return new FixedAnswer(null, ImmutableList.copyOf(checks), Exemption.NONE);
    }

    /// This answer for all calls but some.
    FixedAnswer except(Exemption calls) {
        return new FixedAnswer(error, checks, calls);
    }

    @Override
    public long handle(HypercallContext call) throws XenError {
        long other = exemption.answer(call);
        if (other != Exemption.REFUSED) {
            return other;
        }
        for (int i = 0; i < checks.size(); i++) {
            checks.get(i).run(call);
        }
        if (error != null) {
            throw error;
        }
        return 0;
    }
}
