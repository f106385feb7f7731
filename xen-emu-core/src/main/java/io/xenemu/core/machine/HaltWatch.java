package io.xenemu.core.machine;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.ThreadActivity;
import io.xenemu.core.domain.Vcpu;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// Detects a guest that has ended silently: all its vCPUs have halted with interrupts disabled, or were never
/// started, so that nothing wakes them. Xen powers off such a domain (`hvm_vcpu_down` of xen/arch/x86/hvm/hvm.c). A
/// Linux without other means to power off, as with `acpi=off`, depends on it.
///
/// A halted vCPU does not leave KVM, so it has to be made to leave the guest to be checked. A domain is checked only
/// if no vCPU has taken CPU time between two looks, and once for each time that it sleeps. Not thread-safe.
public final class HaltWatch {
    /// Milliseconds between two calls of [#look]. A guest's end is noticed after two or three looks. A look reads a
    /// line of /proc for each vCPU of a sleeping guest.
    public static final long LOOK_MILLIS = 3000;

    private final Domain domain;
    private List<Duration> before = List.of();
    private List<Duration> asked = List.of();

    /// @param domain the domain to watch
    public HaltWatch(Domain domain) {
        this.domain = domain;
    }

    /// Looks at the domain, and stops it if it has powered off in this way.
    public void look() {
        List<Duration> now = asleep();
        boolean unchanged = !now.isEmpty() && now.equals(before);
        before = now;
        if (!unchanged || now.equals(asked) || domain.isHeld()) {
            return;
        }
        boolean down = allDown();
        if (down) {
            // Checked again: the vCPU checked last may have started the others before it halted.
            down = allDown();
        }
        if (down) {
            domain.shutdown(
                    ShutdownReason.POWEROFF,
                    "all vCPUs have halted with interrupts disabled, the first at rip %#x"
                            .formatted(domain.vcpus().getFirst().rip()));
        }
        // The check takes CPU time.
        asked = asleep();
        before = asked;
    }

    /// The CPU times of all vCPUs; empty if one of them is running.
    private List<Duration> asleep() {
        List<Duration> times = new ArrayList<>();
        for (Vcpu vcpu : domain.vcpus()) {
            ThreadActivity activity = vcpu.activity();
            if (activity.active()) {
                return List.of();
            }
            times.add(activity.cpuTime());
        }
        return times;
    }

    private boolean allDown() {
        return domain.vcpus().stream().allMatch(Vcpu::isDown);
    }
}
