package io.xenemu.core.cpuid;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// The processor that a guest is to see.
///
/// @param policy a baseline, or what the guest has been offered when it was built; null for this host's default
/// @param overrides changes to that
/// @param tscMode its time stamp counter
/// @param viridian Hyper-V's interfaces beside Xen's
/// @param nested whether it may have guests of its own
public record CpuConfig(
        @Nullable CpuPolicy policy,
        CpuidOverrides overrides,
        TscMode tscMode,
        Viridian viridian,
        boolean nested) {
    /// This host's default.
    public static final CpuConfig DEFAULT =
            new CpuConfig(null, CpuidOverrides.NONE, TscMode.DEFAULT, Viridian.NONE, false);

    /// The policy that a guest of this host gets.
    ///
    /// @param offerable all that this host can give ([HostPolicy#offerable])
    /// @throws CannotOfferException if this host lacks something
    public CpuPolicy offered(CpuPolicy offerable) throws CannotOfferException {
        if (nested && !HostPolicy.hasNesting(offerable)) {
            throw new CannotOfferException(
                    "nestedhvm: this host's KVM lets no guest have guests (see the parameter nested of"
                            + " its module)");
        }
        CpuPolicy host = nested ? offerable : HostPolicy.withoutNesting(offerable);
        CpuPolicy start = policy;
        if (start == null) {
            start = HostPolicy.defaults(host, nested);
        } else {
            List<String> excess = start.excessOver(host);
            if (!excess.isEmpty()) {
                throw new CannotOfferException(
                        "cpu_baseline: a guest of this host cannot have "
                                + CpuidOverrides.some(excess));
            }
        }
        return overrides.bits().isEmpty() ? start : overrides.apply(start, host);
    }

    /// This choice, for a guest that has been offered a policy: on another host it gets just that, or is refused.
    public CpuConfig offering(CpuPolicy offered) {
        return new CpuConfig(offered, overrides.onlyHypervisors(), tscMode, viridian, nested);
    }

    /// Xen's first CPUID leaf.
    int xenBase() {
        return viridian.isOn() ? XenLeaves.BASE_ABOVE_HYPER_V : XenLeaves.BASE;
    }

    /// The MSR to which the guest writes its hypercall page's address.
    public int hypercallMsr() {
        return viridian.isOn() ? XenLeaves.MSR_ABOVE_HYPER_V : XenLeaves.BASE;
    }
}
