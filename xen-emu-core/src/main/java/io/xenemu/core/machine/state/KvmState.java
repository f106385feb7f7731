package io.xenemu.core.machine.state;

import io.xenemu.core.domain.PartState;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.KvmVm;
import java.util.List;

/// KVM's half of a saved domain: all of its state that is not Xen's ([io.xenemu.core.domain.XenState]). The CPUID
/// leaves follow from the domain's configuration, which has the policy.
///
/// @param vm interrupt chips, timer chip, time
/// @param vcpus its vCPUs in order, at least one
public record KvmState(VmState vm, List<VcpuState> vcpus) {
    /// @throws IllegalArgumentException if there is no vCPU
    public KvmState {
        vcpus = List.copyOf(vcpus);
        if (vcpus.isEmpty()) {
            throw new IllegalArgumentException("no vCPU");
        }
    }

    /// The same state with another frequency of the time stamp counters.
    public KvmState atFrequency(int khz) {
        return new KvmState(vm.atFrequency(khz), vcpus);
    }

    /// This state as the answer of a guest's part to a save.
    public PartState saved() {
        return new PartState.Saved(
                KvmStateCodec.TYPE, KvmStateCodec.VERSION, KvmStateCodec.encode(this));
    }

    /// Sets the clocks of a new VM. Then its vCPUs can have their leaves, some of which tell of the time.
    ///
    /// @param own the VM's vCPUs in order
    /// @throws KvmStateException if this host's processor cannot count at the guest's frequency
    public void applyTime(KvmVm kvm, List<KvmVcpu> own, ClockPolicy policy)
            throws KvmStateException {
        vm.time().applyTo(kvm, own, vcpus, policy);
    }

    /// Gives a new VM the rest. Its vCPUs have their leaves.
    ///
    /// @param own the VM's vCPUs in order
    /// @param xsaveBytes as for [VcpuState#capture]
    /// @throws KvmStateException naming the MSR or the call that this host's KVM refuses
    public void applyTo(KvmVm kvm, List<KvmVcpu> own, int xsaveBytes) throws KvmStateException {
        for (int i = 0; i < own.size(); i++) {
            try {
                vcpus.get(i).applyTo(own.get(i), xsaveBytes);
            } catch (KvmException | IllegalArgumentException e) {
                throw new KvmStateException(
                        "this host refuses the state of vCPU %d: %s".formatted(i, e.getMessage()),
                        e);
            }
        }
        try {
            vm.applyTo(kvm);
        } catch (KvmException e) {
            throw new KvmStateException(
                    "this host refuses the state of its interrupt chips: " + e.getMessage(), e);
        }
    }
}
