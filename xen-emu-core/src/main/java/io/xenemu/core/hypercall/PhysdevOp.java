package io.xenemu.core.hypercall;

import io.xenemu.core.domain.Domain;
import io.xenemu.evtchn.Pirq;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.PhysdevStructs.Eoi;
import io.xenemu.kvm.abi.xen.PhysdevStructs.GetFreePirq;
import io.xenemu.kvm.abi.xen.PhysdevStructs.IrqStatusQuery;
import io.xenemu.kvm.abi.xen.PhysdevStructs.MapPirq;
import io.xenemu.kvm.abi.xen.PhysdevStructs.UnmapPirq;
import org.jspecify.annotations.Nullable;

/// `physdev_op` (33): devices' interrupts over event channels, for a domain with `hvm_pirq`. Decodes;
/// [io.xenemu.evtchn.Pirqs] implements the operations. `xen/include/public/physdev.h`, Xen's `hvm_physdev_op`: every
/// other operation is -ENOSYS for an HVM domain.
final class PhysdevOp {
    /// `MAP_PIRQ_TYPE_*`.
    private static final int TYPE_MSI = 0;

    private static final int TYPE_GSI = 1;
    private static final int TYPE_MSI_SEG = 3;
    private static final int TYPE_MULTI_MSI = 4;
    private static final int NEEDS_EOI = 1;

    private PhysdevOp() {}

    static HypercallFamily family() {
        return HypercallFamily.of("physdev_op", 33)
                .absent(4, "irq_unmask_notify")
                .op(5, "irq_status_query", PhysdevOp::irqStatusQuery)
                .absent(6, "set_iopl")
                .absent(7, "set_iobitmap")
                .absent(8, "apic_read")
                .absent(9, "apic_write")
                .absent(10, "alloc_irq_vector")
                .absent(11, "free_irq_vector")
                .op(12, "eoi", PhysdevOp::eoi)
                .op(13, "map_pirq", PhysdevOp::mapPirq)
                .op(14, "unmap_pirq", PhysdevOp::unmapPirq)
                .absent(15, "manage_pci_add")
                .absent(16, "manage_pci_remove")
                .absent(17, "pirq_eoi_gmfn_v1")
                .absent(19, "restore_msi")
                .absent(20, "manage_pci_add_ext")
                .absent(21, "setup_gsi")
                .op(23, "get_free_pirq", PhysdevOp::getFreePirq)
                .absent(24, "pci_mmcfg_reserved")
                .absent(25, "pci_device_add")
                .absent(26, "pci_device_remove")
                .absent(27, "restore_msi_ext")
                .absent(28, "pirq_eoi_gmfn_v2")
                .absent(29, "dbgp_op")
                .absent(30, "prepare_msix")
                .absent(31, "release_msix")
                .absent(32, "pci_device_reset");
    }

    private static void requirePirqs(HypercallContext c) throws XenError {
        if (!c.domain().config().events().hvmPirqs()) {
            throw XenError.ENOSYS;
        }
    }

    private static long irqStatusQuery(HypercallContext c) throws XenError {
        requirePirqs(c);
        var argument = c.argument();
        argument.copyIn(IrqStatusQuery.STRUCT, c.word(1));
        Pirq pirq = new Pirq(argument.bits(IrqStatusQuery.IRQ));
        boolean needsEoi = c.domain().eventChannels().pirqs().needsEoi(pirq);
        argument.set(IrqStatusQuery.FLAGS, needsEoi ? NEEDS_EOI : 0);
        argument.copyOut(IrqStatusQuery.STRUCT, c.word(1));
        return 0;
    }

    private static long eoi(HypercallContext c) throws XenError {
        requirePirqs(c);
        c.argument().copyIn(Eoi.STRUCT, c.word(1));
        Pirq pirq = new Pirq(c.argument().bits(Eoi.IRQ));
        Domain domain = c.domain();
        domain.eventChannels().pirqs().eoi(pirq);
        domain.remoteLines().ended(pirq);
        return 0;
    }

    /// Maps an interrupt to a PIRQ. As in Xen, the argument is written back even if the call fails.
    private static long mapPirq(HypercallContext c) throws XenError {
        requirePirqsOfOldXen(c);
        var argument = c.argument();
        argument.copyIn(MapPirq.STRUCT, c.word(1));
        int type = argument.get(MapPirq.TYPE);
        if (type == TYPE_MULTI_MSI && argument.get(MapPirq.TABLE_BASE) != 0) {
            throw XenError.EINVAL;
        }
        if (type == TYPE_MSI_SEG) {
            argument.set(MapPirq.TYPE, TYPE_MSI);
        }
        @Nullable XenError refused = null;
        try {
            argument.set(MapPirq.PIRQ, map(c).value());
        } catch (XenError e) {
            refused = e;
        }
        argument.copyOut(MapPirq.STRUCT, c.word(1));
        if (refused != null) {
            throw refused;
        }
        return 0;
    }

    /// A guest may map the lines of emulated devices. Messages become PIRQs when they are programmed, without this
    /// call.
    private static Pirq map(HypercallContext c) throws XenError {
        var argument = c.argument();
        Domain domain = c.domain();
        requirePowerOver(c, argument.get(MapPirq.DOMID));
        if (!domain.delivery().isByVector() || argument.get(MapPirq.TYPE) != TYPE_GSI) {
            throw XenError.EINVAL;
        }
        return domain.eventChannels()
                .pirqs()
                .mapGsi(argument.get(MapPirq.INDEX), argument.get(MapPirq.PIRQ));
    }

    private static long unmapPirq(HypercallContext c) throws XenError {
        requirePirqsOfOldXen(c);
        var argument = c.argument();
        argument.copyIn(UnmapPirq.STRUCT, c.word(1));
        requirePowerOver(c, argument.get(UnmapPirq.DOMID));
        c.domain().eventChannels().pirqs().unmap(new Pirq(argument.get(UnmapPirq.PIRQ)));
        return 0;
    }

    /// Refuses a domain without PIRQs, as Xen up to 4.19 did for both operations on mappings. Xen still refuses the
    /// other operations so.
    private static void requirePirqsOfOldXen(HypercallContext c) throws XenError {
        if (!c.domain().config().isXenFrom(4, 20)) {
            requirePirqs(c);
        }
    }

    /// Checks that the guest names itself and may have PIRQs. Before 4.19 it has to use DOMID_SELF: with its own
    /// number it would need a device model's privilege.
    private static void requirePowerOver(HypercallContext c, int domid) throws XenError {
        Domain domain = c.domain();
        boolean itself =
                domid == DomId.SELF.value()
                        || (domid == domain.id().value() && domain.config().isXenFrom(4, 19));
        if (!itself || !domain.config().events().hvmPirqs()) {
            throw domain.forbidden(domid);
        }
    }

    private static long getFreePirq(HypercallContext c) throws XenError {
        requirePirqs(c);
        var argument = c.argument();
        argument.copyIn(GetFreePirq.STRUCT, c.word(1));
        Pirq pirq = c.domain().eventChannels().pirqs().allocate(argument.get(GetFreePirq.TYPE));
        argument.set(GetFreePirq.PIRQ, pirq.value());
        argument.copyOut(GetFreePirq.STRUCT, c.word(1));
        return 0;
    }
}
