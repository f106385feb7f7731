package io.xenemu.core.machine;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.machine.state.GuestTime;
import io.xenemu.core.machine.state.SavedMsrs;
import io.xenemu.core.machine.state.VcpuState;
import io.xenemu.kvm.ioctl.KvmCapability;
import io.xenemu.kvm.ioctl.KvmSystem;
import java.util.List;

/// The processors of a domain that has suspended itself, as KVM has them.
///
/// @param time a moment in its time
/// @param vcpus its vCPUs in order, which stand still
public record CapturedVm(GuestTime time, List<VcpuState> vcpus) {
    /// Takes the state of a suspended domain.
    public static CapturedVm of(Domain domain) {
        LocalVm vm = (LocalVm) domain.vm();
        try (KvmSystem system = KvmSystem.open(KvmSystem.DEVICE)) {
            int[] msrs = SavedMsrs.of(system.msrIndexList());
            int xsave = vm.kvm().checkExtension(KvmCapability.XSAVE2);
            return new CapturedVm(
                    GuestTime.now(vm.kvm(), vm.vcpus().getFirst()),
                    vm.vcpus().stream().map(vcpu -> VcpuState.capture(vcpu, msrs, xsave)).toList());
        }
    }
}
