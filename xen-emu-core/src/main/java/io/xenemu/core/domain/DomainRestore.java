package io.xenemu.core.domain;

import io.xenemu.core.memory.MemoryState;
import io.xenemu.core.timer.VcpuTimer;
import io.xenemu.evtchn.EventChannelsState;
import io.xenemu.gnttab.GrantTableState;
import io.xenemu.kvm.abi.DomId;
import java.util.List;

/// The second half of restoring a domain: what needs its vCPUs. The first half is its construction from
/// [DomainOrigin.Saved]: memory, then grant table and event channels, which look at pages, and parameters.
///
/// Before both, the VM's clock is set, since Xen's wall clock, runstates and timers are in its time. The vCPUs have not
/// been started.
final class DomainRestore {
    private DomainRestore() {}

    /// Makes KVM and the modules agree on a domain that was made from `state`.
    static void run(Domain domain, XenState state) {
        // Taken apart, so that a new component cannot be forgotten here.
        switch (state) {
            case XenState(
                            XenState.Identity identity,
                            MemoryState _,
                            HvmParams.State params,
                            SharedInfo.State sharedInfo,
                            EventDelivery.State delivery,
                            List<VcpuAreas.State> areas,
                            EventChannelsState _,
                            GrantTableState _,
                            List<VcpuTimer.State> timers) -> {
                // The width first: with it KVM knows the layout of shared_info and runstate, and
                // its number of ports. The page before anything that raises an event, which would
                // be lost without it.
                domain.sharedInfo().restore(sharedInfo);
                // Registered places after those in shared_info, which they replace. Runstate data
                // come before the runstate's address, which publishes them: KVM's state is set
                // before this list.
                for (int i = 0; i < areas.size(); i++) {
                    domain.vcpus().get(i).areas().restore(areas.get(i));
                }
                // Vectors after vcpu_info, in which KVM looks for what to announce.
                domain.delivery().restore(delivery, params.values().get(HvmParams.CALLBACK_IRQ));
                // Ports after the places and the callback, on which it depends what the kernel can
                // deliver.
                domain.eventChannels().rebuildKernelPorts();
                domain.eventChannels().kernelDeliveryChanged();
                // No back end of the service takes over its mappings yet; those of guests blocked
                // the save.
                domain.grantTable().abandon(DomId.DOM0);
                // Timers last: one that is over fires at once, and needs its port and the vCPU's
                // vcpu_info.
                for (int i = 0; i < timers.size(); i++) {
                    VcpuTimer.State timer = timers.get(i);
                    Vcpu vcpu = domain.vcpus().get(i);
                    vcpu.call(_ -> vcpu.timer().restore(timer));
                }
                // KVM may have kept announcements that it had not written to guest memory.
                domain.eventChannels().announcePending();
                // A domain that was paused begins paused.
                for (int i = 0; i < identity.pauses(); i++) {
                    domain.pause();
                }
            }
        }
    }
}
