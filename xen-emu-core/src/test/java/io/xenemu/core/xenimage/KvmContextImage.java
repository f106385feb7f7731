package io.xenemu.core.xenimage;

import io.xenemu.core.machine.CapturedVm;
import io.xenemu.core.machine.state.KernelBytes;
import io.xenemu.core.machine.state.VcpuState;
import io.xenemu.kvm.ioctl.MsrEntry;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// The HVM context that Xen would save of a guest that has suspended itself under KVM. APIC ids are twice the vCPUs'
/// numbers, as under Xen.
@SuppressWarnings("ByteBufferBackingArray") // of buffers that were allocated
final class KvmContextImage {
    /// The places of RAX to R15 in `kvm_regs`, in Xen's order; then come RIP and RFLAGS.
    private static final int[] GENERAL = {
        0, 8, 16, 24, 56, 32, 40, 48, 64, 72, 80, 88, 96, 104, 112, 120, 128, 136
    };

    private static final int X2APIC = 1 << 10;

    private KvmContextImage() {}

    static byte[] of(CapturedVm vm) {
        HvmContextImage context = new HvmContextImage(vm.time().khz());
        for (int i = 0; i < vm.vcpus().size(); i++) {
            VcpuState vcpu = vm.vcpus().get(i);
            context.cpu(i, cpu(vcpu, vm.time().ticks()));
        }
        for (int i = 0; i < vm.vcpus().size(); i++) {
            lapic(context, i, vm.vcpus().get(i));
        }
        context.lines();
        for (int i = 0; i < vm.vcpus().size(); i++) {
            VcpuState vcpu = vm.vcpus().get(i);
            context.entry(14, i, mtrrs(vcpu));
            context.entry(16, i, xsave(vcpu));
            context.entry(18, i, new byte[32]);
            context.entry(19, i, XlImage.buffer(8).putLong(msr(vcpu, 0x3b)).array());
        }
        return context.end();
    }

    private static ByteBuffer words(KernelBytes structure) {
        return ByteBuffer.wrap(structure.toBytes()).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static byte[] cpu(VcpuState vcpu, long ticks) {
        ByteBuffer to = XlImage.buffer(HvmContextImage.CPU_BYTES);
        to.put(vcpu.xsave().toBytes(), 0, 512);
        ByteBuffer registers = words(vcpu.registers());
        for (int place : GENERAL) {
            to.putLong(registers.getLong(place));
        }
        ByteBuffer system = words(vcpu.system());
        // CR0, CR2, CR3, CR4.
        for (int i = 0; i < 4; i++) {
            to.putLong(system.getLong(224 + 8 * i));
        }
        ByteBuffer debug = words(vcpu.debug());
        for (int i = 0; i < 6; i++) {
            to.putLong(debug.getLong(8 * i));
        }
        segments(to, system);
        for (int index : new int[] {0x174, 0x175, 0x176, 0xc000_0102}) {
            to.putLong(msr(vcpu, index));
        }
        to.putLong(0);
        for (int index : new int[] {0xc000_0082, 0xc000_0081, 0xc000_0083, 0xc000_0084}) {
            to.putLong(msr(vcpu, index));
        }
        to.putLong(system.getLong(264)).putLong(msr(vcpu, 0xc000_0103));
        to.putLong(vcpu.tscOffset() + ticks).putInt(0).putInt(0).putInt(1);
        return to.array();
    }

    /// Selectors, limits, bases and attributes of CS, DS, ES, FS, GS, SS, TR and LDT, with the tables' in between.
    private static void segments(ByteBuffer to, ByteBuffer system) {
        for (int i = 0; i < 8; i++) {
            to.putInt(Short.toUnsignedInt(system.getShort(24 * i + 12)));
        }
        for (int i = 0; i < 8; i++) {
            to.putInt(system.getInt(24 * i + 8));
        }
        // The IDT is the second table of KVM's.
        to.putInt(Short.toUnsignedInt(system.getShort(216)));
        to.putInt(Short.toUnsignedInt(system.getShort(200)));
        for (int i = 0; i < 8; i++) {
            to.putLong(system.getLong(24 * i));
        }
        to.putLong(system.getLong(208)).putLong(system.getLong(192));
        for (int i = 0; i < 8; i++) {
            int at = 24 * i + 14;
            boolean unusable = system.get(at + 8) != 0;
            to.putInt(
                    system.get(at)
                            | system.get(at + 4) << 4
                            | system.get(at + 2) << 5
                            | (unusable ? 0 : system.get(at + 1)) << 7
                            | system.get(at + 7) << 8
                            | system.get(at + 5) << 9
                            | system.get(at + 3) << 10
                            | system.get(at + 6) << 11);
        }
    }

    private static void lapic(HvmContextImage context, int vcpu, VcpuState state) {
        ByteBuffer page = words(state.lapic());
        int id = 2 * vcpu;
        long base = words(state.system()).getLong(272);
        if ((base & X2APIC) == 0) {
            page.putInt(0x20, id << 24);
        } else {
            page.putInt(0x20, id).putInt(0xd0, id >>> 4 << 16 | 1 << (id & 0xf));
        }
        ByteBuffer hidden = XlImage.buffer(24);
        hidden.putLong(base).putInt(0).putInt(2).putLong(0);
        context.entry(5, vcpu, hidden.array()).entry(6, vcpu, page.array());
    }

    private static byte[] mtrrs(VcpuState vcpu) {
        ByteBuffer to = XlImage.buffer(8 * 30);
        to.putLong(msr(vcpu, 0x277));
        for (int i = 0; i < 16; i++) {
            to.putLong(msr(vcpu, 0x200 + i));
        }
        for (int index :
                new int[] {
                    0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f
                }) {
            to.putLong(msr(vcpu, index));
        }
        return to.putLong(0x508).putLong(msr(vcpu, 0x2ff)).array();
    }

    private static byte[] xsave(VcpuState vcpu) {
        byte[] area = vcpu.xsave().toBytes();
        ByteBuffer xcrs = words(vcpu.xcrs());
        long xcr0 = xcrs.getInt(0) == 0 ? 1 : xcrs.getLong(16);
        return XlImage.buffer(24 + area.length)
                .putLong(xcr0)
                .putLong(xcr0)
                .putLong(xcr0)
                .put(area)
                .array();
    }

    /// A model-specific register; 0 for one that the processor does not have.
    private static long msr(VcpuState vcpu, int index) {
        return vcpu.msrs().stream()
                .filter(msr -> msr.index() == index)
                .mapToLong(MsrEntry::data)
                .findFirst()
                .orElse(0);
    }
}
