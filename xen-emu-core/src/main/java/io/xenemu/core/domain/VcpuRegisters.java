package io.xenemu.core.domain;

import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmSregs;

/// The registers of a vCPU, for a debugger.
///
/// @param general the general ones
/// @param system segments, tables and control registers
/// @param kernelGsBase the MSR of that name: the other base of GS
public record VcpuRegisters(KvmRegs general, KvmSregs system, long kernelGsBase) {}
