package io.xenemu.core.machine.state;

import io.xenemu.core.domain.DomainConfig;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.MsrEntry;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;

/// KVM's half of a saved domain as a frame. Structures of KVM are in their own layout, which is the kernel's ABI; each
/// is a length and bytes.
public final class KvmStateCodec {
    /// Frame type "KVMS".
    ///
    /// Version 1: the two PICs, the I/O APIC, the PIT; clock u64, time of day u64, ticks u64, kHz u32, incarnation u32;
    /// vCPUs u32, then for each its registers, system registers, debug registers, XCRs, XSAVE area, local APIC, events;
    /// MP state u32, TSC offset u64; MSRs u32, then for each its number u32 and value u64.
    public static final int TYPE = 0x534d564b;

    /// The version that [#encode] writes.
    public static final int VERSION = 1;

    private KvmStateCodec() {}

    /// The body of the frame.
    public static BodyWriter encode(KvmState state) {
        BodyWriter body = new BodyWriter();
        state.vm().chips().forEach(chip -> body.bytes(chip.toBytes()));
        body.bytes(state.vm().pit().toBytes());
        GuestTime time = state.vm().time();
        body.u64(time.clock()).u64(time.realtime()).u64(time.ticks()).u32(time.khz());
        body.u32(state.vm().incarnation()).u32(state.vcpus().size());
        state.vcpus().forEach(vcpu -> put(body, vcpu));
        return body;
    }

    private static void put(BodyWriter body, VcpuState vcpu) {
        body.bytes(vcpu.registers().toBytes())
                .bytes(vcpu.system().toBytes())
                .bytes(vcpu.debug().toBytes())
                .bytes(vcpu.xcrs().toBytes())
                .bytes(vcpu.xsave().toBytes())
                .bytes(vcpu.lapic().toBytes())
                .bytes(vcpu.events().toBytes())
                .u32(vcpu.mp().value())
                .u64(vcpu.tscOffset())
                .u32(vcpu.msrs().size());
        vcpu.msrs().forEach(msr -> body.u32(msr.index()).u64(msr.data()));
    }

    /// Reads such a body.
    ///
    /// @throws WireException for another version, or a state that no VM has
    public static KvmState decode(int version, BodyReader body) throws WireException {
        if (version != VERSION) {
            throw WireException.unknownVersion("KVM", version);
        }
        try {
            VmState vm = vm(body);
            List<VcpuState> vcpus = new ArrayList<>();
            for (int left = body.count(DomainConfig.MAX_VCPUS); left > 0; left--) {
                vcpus.add(vcpu(body));
            }
            return new KvmState(vm, vcpus);
        } catch (IllegalArgumentException e) {
            throw new WireException(String.valueOf(e.getMessage()), e);
        }
    }

    private static VmState vm(BodyReader body) throws WireException {
        List<KernelBytes> chips = new ArrayList<>();
        for (int i = 0; i < VmState.CHIPS; i++) {
            chips.add(bytes(body, VmState.CHIP_BYTES));
        }
        KernelBytes pit = bytes(body, VmState.PIT_BYTES);
        GuestTime time = new GuestTime(body.u64(), body.u64(), body.u64(), body.u32());
        return new VmState(chips, pit, time, body.u32());
    }

    private static VcpuState vcpu(BodyReader body) throws WireException {
        KernelBytes registers = bytes(body, VcpuState.REGISTERS_BYTES);
        KernelBytes system = bytes(body, VcpuState.SYSTEM_BYTES);
        KernelBytes debug = bytes(body, VcpuState.DEBUG_BYTES);
        KernelBytes xcrs = bytes(body, VcpuState.XCRS_BYTES);
        KernelBytes xsave = bytes(body, VcpuState.MAX_XSAVE_BYTES);
        KernelBytes lapic = bytes(body, VcpuState.LAPIC_BYTES);
        KernelBytes events = bytes(body, VcpuState.EVENTS_BYTES);
        MpState mp = mp(body.u32());
        long tscOffset = body.u64();
        List<MsrEntry> msrs = new ArrayList<>();
        for (int left = body.count(VcpuState.MAX_MSRS); left > 0; left--) {
            msrs.add(new MsrEntry(body.u32(), body.u64()));
        }
        return new VcpuState(
                registers, system, debug, xcrs, xsave, msrs, lapic, events, mp, tscOffset);
    }

    private static MpState mp(int value) throws WireException {
        if (value < 0 || value >= MpState.values().length) {
            throw new WireException("multiprocessing state " + value);
        }
        return MpState.of(value);
    }

    private static KernelBytes bytes(BodyReader body, int max) throws WireException {
        return new KernelBytes(body.bytes(max));
    }
}
