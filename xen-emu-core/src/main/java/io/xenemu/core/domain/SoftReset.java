package io.xenemu.core.domain;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;

/// A soft reset of a domain (SHUTDOWN_soft_reset): its guest goes on in its memory, with its registers, and finds what
/// a new domain finds. Linux asks for it before it enters another kernel by kexec.
///
/// As with Xen, event channels are closed, with those of XenStore and the console. The vCPUs' areas and shared_info go,
/// and PIRQs are unmapped. Grants, the pages that the guest has placed, timers and watchdogs stay. Different from Xen,
/// callback and upcall vectors go too. On Xen they stay, although the new kernel is not prepared for them.
///
/// Source: `domain_soft_reset` of xen/common/domain.c, `arch_domain_soft_reset` of xen/arch/x86/domain.c.
final class SoftReset {
    private SoftReset() {}

    /// Resets a domain whose vCPUs are parked, and which is connected neither to XenStore nor to its console.
    static void run(Domain domain) {
        try {
            domain.eventChannels().reset(DomId.SELF);
        } catch (XenError e) {
            throw new IllegalStateException("event channels of " + domain + " stay bound", e);
        }
        domain.eventChannels().pirqs().reset();
        domain.delivery().reset();
        domain.params().set(HvmParams.CALLBACK_IRQ, 0);
        domain.params().set(HvmParams.STORE_EVTCHN, 0);
        domain.params().set(HvmParams.CONSOLE_EVTCHN, 0);
        domain.vcpus().forEach(vcpu -> vcpu.areas().reset());
        domain.sharedInfo().reset();
    }
}
