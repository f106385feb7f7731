package io.xenemu.core.domain;

import static io.xenemu.kvm.abi.xen.SharedInfoStructs.SharedInfo.EVTCHN_MASK;
import static io.xenemu.kvm.abi.xen.SharedInfoStructs.SharedInfo.WC_VERSION;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.memory.MemoryState;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.core.timer.VcpuTimer;
import io.xenemu.core.timer.Watchdogs;
import io.xenemu.core.vm.VcpuPort;
import io.xenemu.evtchn.EventChannelsState;
import io.xenemu.evtchn.PirqsState;
import io.xenemu.gnttab.GrantRef;
import io.xenemu.gnttab.GrantTableState;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/// The domain in which a guest goes on that had suspended itself (SHUTDOWN_suspend) when it was saved. As on Xen, where
/// `xl restore` makes a new domain, the guest finds its memory and its vCPUs, and nothing else of what Xen had for it:
/// no event channels but those of XenStore and the console, no grants, no shared_info, no areas, callbacks or timers.
/// Its drivers ask for all of it again when the hypercall returns 0.
///
/// Source: Linux, drivers/xen/manage.c (`xen_suspend`); Xen, docs/specs/libxc-migration-stream.pandoc.
public final class ResumedDomain {
    private ResumedDomain() {}

    /// The state from which the domain is made. [#finish] completes it.
    ///
    /// @param saved of the suspended domain
    public static XenState of(XenState saved) {
        return as(saved, saved.id(), saved.config());
    }

    /// The same for another domain: a copy of the guest, which reads its domain id anew.
    ///
    /// @param saved of the suspended domain
    /// @param id of the new domain
    /// @param config as the saved one, but for the name and UUID
    public static XenState as(XenState saved, DomId id, DomainConfig config) {
        int vcpus = saved.config().vcpus();
        EventChannelsState events = saved.events();
        GrantTableState grants = saved.grants();
        return new XenState(
                new XenState.Identity(id, config, saved.identity().pauses()),
                withoutContents(saved.memory()),
                params(saved.params()),
                new SharedInfo.State(GuestWidth.BITS_64, false, 0, false),
                new EventDelivery.State(Collections.nCopies(vcpus, 0)),
                saved.areas().stream().map(ResumedDomain::unregistered).toList(),
                new EventChannelsState(
                        id, vcpus, events.validPorts(), List.of(), PirqsState.EMPTY, null),
                new GrantTableState(id, 1, grants.limits(), 1, List.of(), List.of()),
                Collections.nCopies(vcpus, new VcpuTimer.State(0, 0)),
                Watchdogs.State.NONE,
                saved.layout());
    }

    /// The special pages are zero. They are where they were, until [#finish] takes them away: that gives the guest the
    /// pages of RAM below them.
    private static MemoryState withoutContents(MemoryState memory) {
        return new MemoryState(
                memory.overlays(), memory.gone(), memory.owned(), List.of(), memory.further());
    }

    private static HvmParams.State params(HvmParams.State saved) {
        List<Long> values = new ArrayList<>(saved.values());
        for (int index :
                List.of(HvmParams.CALLBACK_IRQ, HvmParams.STORE_EVTCHN, HvmParams.CONSOLE_EVTCHN)) {
            values.set(index, 0L);
        }
        return new HvmParams.State(values);
    }

    private static VcpuAreas.State unregistered(VcpuAreas.State areas) {
        WrittenArea.State none = new WrittenArea.State(VcpuPort.INVALID_GPA, VcpuPort.INVALID_GPA);
        return new VcpuAreas.State(
                VcpuPort.INVALID_GPA, none, none, areas.account(), areas.power());
    }

    /// Completes a domain that was made from [#of]. It is not connected to XenStore yet.
    ///
    /// @param saved of the suspended domain
    public static void finish(Domain domain, XenState saved) {
        for (int page = SpecialPages.SHARED_INFO; page < domain.special().count(); page++) {
            domain.pages().hide(page);
        }
        maskPorts(domain, saved.sharedInfo().width());
        domain.grantTable().seed(GrantRef.CONSOLE, DomId.DOM0, GuestMemoryMap.CONSOLE_GFN);
        domain.grantTable().seed(GrantRef.XENSTORE, DomId.DOM0, GuestMemoryMap.XENSTORE_GFN);
    }

    /// Masks all ports in the shared_info page that a resumed guest finds, as in that which libxc makes for a PV guest.
    ///
    /// Xen's page for other guests has zeros. But Linux takes new ports for masked when it goes on, and unmasks those
    /// that it uses by interrupts. The port by which a vCPU is kicked that polls for a lock would interrupt it: a BUG
    /// (`dummy_handler` in arch/x86/xen/spinlock.c). With the FIFO ABI, Linux has masked the ports itself.
    ///
    /// @param width of the guest's shared structures
    public static void maskPorts(Domain domain, GuestWidth width) {
        boolean wide = width == GuestWidth.BITS_64;
        long mask = wide ? EVTCHN_MASK.offset64() : EVTCHN_MASK.offset32();
        long end = wide ? WC_VERSION.offset64() : WC_VERSION.offset32();
        domain.sharedInfo().page().asSlice(mask, end - mask).fill((byte) 0xff);
    }
}
