package io.xenemu.core.domain;

import io.xenemu.core.vm.VcpuPort;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmSregs;
import io.xenemu.kvm.ioctl.Segment;

/// The registers with which a guest wants one of its vCPUs to start (VCPUOP_initialise). Others have their values after
/// reset.
///
/// @param registers general registers, RIP and RFLAGS
/// @param cr0 control register 0
/// @param cr3 control register 3
/// @param cr4 control register 4
/// @param efer the EFER MSR
/// @param cs code segment
/// @param ds data segment
/// @param ss stack segment
/// @param es data segment
/// @param tr task register
public record VcpuStart(
        KvmRegs registers,
        long cr0,
        long cr3,
        long cr4,
        long efer,
        Segment cs,
        Segment ds,
        Segment ss,
        Segment es,
        Segment tr) {
    /// Sets the registers.
    ///
    /// @throws io.xenemu.kvm.abi.KvmException EINVAL for a state that the processor does not have
    void apply(VcpuPort port) {
        KvmSregs system = port.getSregs();
        system.cr0(cr0).cr3(cr3).cr4(cr4).efer(efer);
        system.segment(Segment.Name.CS, cs);
        system.segment(Segment.Name.DS, ds);
        system.segment(Segment.Name.SS, ss);
        system.segment(Segment.Name.ES, es);
        system.segment(Segment.Name.TR, tr);
        port.setSregs(system);
        port.setRegs(registers);
    }
}
