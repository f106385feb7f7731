package io.xenemu.core.domain;

import io.xenemu.core.memory.SpecialPages;
import io.xenemu.core.vm.VcpuPort;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.Pirq;
import io.xenemu.evtchn.Virq;
import io.xenemu.gnttab.GrantRef;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Something that a guest does, with an answer that tells whether two domains are in the same state.
///
/// @param kind 0 to [#KINDS] - 1
/// @param a any number; the kind takes the bits that it needs
/// @param b the same
record GuestOperation(int kind, int a, int b) {
    static final int KINDS = 27;

    /// Later than any clock of a test.
    private static final long FAR = 1_000_000_000_000_000L;

    private static final long HOUR = 3_600_000_000_000L;

    /// RAM of the guest that is not page tables.
    private static final long FRAMES = 0x100;

    private static final int SOME_FRAMES = 64;

    /// From those frames to others that have no RAM.
    private static final long OUTSIDE = 0xc_0000;

    /// Does it, and tells its answer.
    String on(TestDomain test) {
        try {
            return String.valueOf(answer(test));
        } catch (XenError e) {
            return e.symbol();
        }
    }

    private EvtchnPort port() {
        return new EvtchnPort(1 + Math.floorMod(a, 12));
    }

    private VcpuId vcpu(int number) {
        return new VcpuId(Math.floorMod(number, 2));
    }

    private long gfn() {
        return FRAMES + Math.floorMod(a, SOME_FRAMES);
    }

    private GuestWidth width() {
        return b % 4 == 0 ? GuestWidth.BITS_32 : GuestWidth.BITS_64;
    }

    private Object answer(TestDomain test) throws XenError {
        Domain domain = test.domain();
        EventChannels channels = domain.eventChannels();
        Vcpu own = domain.vcpus().get(vcpu(b).value());
        var linear = test.caller(0, true).argument().linear();
        return switch (kind) {
            case 0 -> channels.allocUnbound(DomId.SELF, new DomId(Math.floorMod(a, 3)));
            case 1 -> channels.bindIpi(vcpu(a));
            case 2 -> channels.bindVirq(a % 2 == 0 ? Virq.TIMER : Virq.DEBUG, vcpu(b));
            case 3 -> channels.bindPirq(new Pirq(Math.floorMod(a, 20)), 0);
            case 4 -> channels.bindInterdomain(DomId.SELF, port());
            case 5 -> done(() -> channels.close(port()));
            case 6 -> done(() -> channels.send(port()));
            case 7 -> done(() -> channels.bindVcpu(port(), vcpu(b)));
            case 8 -> done(() -> channels.unmask(port()));
            case 9 -> channels.initControl(vcpu(a), gfn(), 0);
            case 10 -> done(() -> channels.expandArray(gfn()));
            case 11 -> done(() -> channels.setPriority(port(), Math.floorMod(b, 18)));
            case 12 -> channels.status(DomId.SELF, port());
            case 13 -> done(() -> domain.params().guestSet(HvmParams.VM_GENERATION_ID_ADDR, a));
            case 14 -> done(() -> domain.sharedInfo().map(0, gfn()));
            case 15 -> {
                domain.params().guestSet(HvmParams.CALLBACK_IRQ, callback());
                domain.delivery().setCallback(callback(), width());
                yield "set";
            }
            case 16 -> {
                domain.delivery().setUpcallVector(own, 0x20 + Math.floorMod(a, 0x80));
                yield "set";
            }
            case 17 -> done(() -> own.areas().registerVcpuInfo(gfn(), 64, own));
            case 18 -> {
                own.areas().registerTime(linear, gfn() << 12);
                own.areas().registerRunstate(linear, (gfn() << 12) + 64);
                yield "registered";
            }
            case 19 -> {
                own.timer().setDeadline(a % 3 == 0 ? 0 : FAR + a);
                own.timer().setPeriod(HOUR + Math.floorMod(a, 1000));
                yield "set";
            }
            case 20 -> grants(domain, linearWord());
            case 21 -> done(() -> domain.pages().mapGrantFrame(frame(), gfn()));
            case 22 -> reservation(domain.pages());
            case 23 -> done(() -> domain.pages().move(gfn() + OUTSIDE, gfn()));
            case 24 -> done(() -> own.areas().registerTimePhysical(areaOrNone()));
            case 25 -> done(() -> own.areas().registerRunstatePhysical(areaOrNone(), width()));
            default -> {
                domain.sharedInfo().setRunstateUpdateFlag(a % 2 == 0);
                yield test.memory().read64(gfn() << 12);
            }
        };
    }

    /// The physical address of an area, sometimes a wrong one, or the end of the area.
    private long areaOrNone() {
        return b % 3 == 0 ? VcpuPort.INVALID_GPA : (gfn() << 12) + 12L * Math.floorMod(b, 9);
    }

    private interface Step {
        void take() throws XenError;
    }

    private static String done(Step step) throws XenError {
        step.take();
        return "done";
    }

    private long callback() {
        return switch (Math.floorMod(a, 3)) {
            case 0 -> 2L << 56 | 0x30 + Math.floorMod(b, 0x80);
            case 1 -> 0;
            default -> 9;
        };
    }

    private long frame() {
        return b % 3 == 0 ? 0x8000_0000L : Math.floorMod(b, 5);
    }

    private int linearWord() {
        return Math.floorMod(a, 4);
    }

    /// Grants a page, or asks something of the table.
    private Object grants(Domain domain, int what) throws XenError {
        switch (what) {
            case 0 -> domain.grantTable().setVersion(1 + Math.floorMod(b, 2));
            case 1 -> {
                return domain.grantTable().setupTable(DomId.SELF, Math.floorMod(b, 6));
            }
            case 2 -> {
                MemorySegment entries = domain.special().page(SpecialPages.grantFrame(0));
                entries.set(ValueLayout.JAVA_INT, 8L * 9 + 4, (int) gfn());
                entries.set(ValueLayout.JAVA_INT, 8L * 9, 1 | 5 << 16);
            }
            default -> {
                return domain.grantTable().swapGrantRef(new GrantRef(9), new GrantRef(10));
            }
        }
        return domain.grantTable().version() + " " + domain.grantTable().frames();
    }

    private Object reservation(DomainPages pages) throws XenError {
        return switch (Math.floorMod(b, 6)) {
            case 0 -> pages.decreaseReservation(gfn(), 2);
            case 1 -> pages.populatePhysmap(gfn(), 2);
            case 4 -> pages.populatePhysmap(gfn() + OUTSIDE, 2);
            case 5 -> done(() -> pages.move(gfn(), gfn() + Math.floorMod(b, 2) * OUTSIDE + 1));
            case 2 -> pages.increaseReservation(Math.floorMod(a, 3));
            default -> done(() -> pages.removeFromPhysmap(gfn()));
        };
    }
}
