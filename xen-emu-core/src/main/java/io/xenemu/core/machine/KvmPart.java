package io.xenemu.core.machine;

import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.domain.Part;
import io.xenemu.core.domain.PartState;
import io.xenemu.core.domain.SaveScope;
import io.xenemu.core.machine.state.GuestTime;
import io.xenemu.core.machine.state.KernelBytes;
import io.xenemu.core.machine.state.KvmState;
import io.xenemu.core.machine.state.VcpuState;
import io.xenemu.core.machine.state.VmState;
import io.xenemu.kvm.ioctl.KvmCapability;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The state of a domain's VM that KVM has beside Xen's: registers, interrupt chips, time.
///
/// The timer chip runs on while the vCPUs stand still, and its interrupts wait in the chips. So it is stopped while the
/// part stands still. Timers of the local APICs run on. KVM does not tell of a one-shot one that has expired while its
/// vCPU stands still, so the guest may lose that interrupt. Linux uses Xen's timers instead, which are saved.
final class KvmPart implements Part {
    private final LocalVm vm;
    private final CpuConfig cpu;
    private final int[] msrs;
    private final int incarnation;

    /// The timer chip before it was stopped; null while it runs.
    private @Nullable KernelBytes pit;

    /// @param cpu the processor that the guest sees
    /// @param msrs those that are saved
    /// @param incarnation how often the guest was made
    KvmPart(LocalVm vm, CpuConfig cpu, int[] msrs, int incarnation) {
        this.vm = vm;
        this.cpu = cpu;
        this.msrs = msrs.clone();
        this.incarnation = incarnation;
    }

    @Override
    public String name() {
        return "kvm";
    }

    @Override
    public void quiesce() {
        pit = new KernelBytes(vm.kvm().stopPit2());
    }

    @Override
    public void resume() {
        KernelBytes running = pit;
        pit = null;
        if (running != null) {
            vm.kvm().setPit2(running.toBytes());
        }
    }

    @Override
    public Optional<String> blocker(SaveScope scope) {
        if (cpu.viridian().isOn()) {
            return Optional.of("its Hyper-V interfaces (viridian) cannot be saved yet");
        }
        return cpu.nested()
                ? Optional.of("a guest that may have guests (nestedhvm) cannot be saved yet")
                : Optional.empty();
    }

    @Override
    public PartState save() {
        KernelBytes stopped = pit;
        if (stopped == null) {
            throw new IllegalStateException("saved while it runs");
        }
        int xsave = vm.kvm().checkExtension(KvmCapability.XSAVE2);
        VmState state =
                new VmState(
                        VmState.captureChips(vm.kvm()),
                        stopped,
                        GuestTime.now(vm.kvm(), vm.vcpus().getFirst()),
                        incarnation);
        return new KvmState(
                        state,
                        vm.vcpus().stream()
                                .map(vcpu -> VcpuState.capture(vcpu, msrs, xsave))
                                .toList())
                .saved();
    }

    /// The VM ends with the domain's part of it.
    @Override
    public void close() {}
}
