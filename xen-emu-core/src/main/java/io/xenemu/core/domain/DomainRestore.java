package io.xenemu.core.domain;

import io.xenemu.core.boot.MachineLayout;
import io.xenemu.core.memory.MemoryState;
import io.xenemu.core.timer.VcpuTimer;
import io.xenemu.core.timer.Watchdogs;
import io.xenemu.evtchn.EventChannelsState;
import io.xenemu.gnttab.GrantTableState;
import io.xenemu.kvm.abi.DomId;
import java.util.List;
import java.util.Optional;

/// The second half of restoring a domain: the steps that need its vCPUs. The first half is its construction from
/// [DomainOrigin.Saved]: memory first, then grant table and event channels, which read pages, and parameters.
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
                            List<VcpuTimer.State> timers,
                            Watchdogs.State watchdogs,
                            Optional<MachineLayout> _) -> {
                // The width first: it tells KVM the layout of shared_info and runstate, and the
                // number of ports. Then the page, before anything raises an event: an event without
                // it would be lost.
                domain.sharedInfo().restore(sharedInfo);
                // Registered places replace those in shared_info, so they come later.
                for (int i = 0; i < areas.size(); i++) {
                    domain.vcpus().get(i).areas().restore(areas.get(i));
                }
                // Vectors after vcpu_info, where KVM looks for pending events.
                domain.delivery().restore(delivery, params.values().get(HvmParams.CALLBACK_IRQ));
                // Ports after the places and the callback, which decide what the kernel can
                // deliver.
                domain.eventChannels().rebuildKernelPorts();
                domain.eventChannels().kernelDeliveryChanged();
                // The service's back ends map their rings anew, when the domain has its devices.
                // Those of guests that were saved with it are made again when all are there
                // ([DomainTies]).
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
                domain.watchdogs().restore(watchdogs);
                // A domain that was paused begins paused.
                for (int i = 0; i < identity.pauses(); i++) {
                    domain.pause();
                }
            }
        }
    }
}
