package io.xenemu.core.machine;

import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.domain.KvmDomain;
import io.xenemu.core.vm.VcpuPort;
import io.xenemu.core.vm.VmPortKit;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.ioctl.KvmVm;
import io.xenemu.kvm.memory.EventFd;
import java.util.List;

/// The answers of KVM that `FakeVm` imitates. Needs a KVM with Xen support, such as the lab's.
final class LocalVmXenTest extends VmPortKit {
    private record KvmRig(KvmSystem system, LocalVm vm, List<LocalVcpu> vcpus) implements Rig {
        @Override
        public VcpuPort vcpu(int number) {
            return vcpus.get(number);
        }

        @Override
        public void setLapic(int vcpu, byte[] registers) {
            vcpus.get(vcpu).kvm().setLapic(registers);
        }

        @Override
        public void signal(EventFd eventFd) {
            eventFd.signal();
        }

        @Override
        public void close() {
            try (system) {
                vm.close();
            }
        }
    }

    @Override
    protected Rig open() {
        KvmDomain.assumeXen();
        KvmSystem system = KvmSystem.open(KvmSystem.DEVICE);
        KvmVm kvm = system.createVm();
        kvm.createIrqchip();
        DomainBuilder.takeOverWidth(kvm, CpuConfig.DEFAULT);
        LocalVm vm = new LocalVm(kvm);
        return new KvmRig(system, vm, List.of(vm.createVcpu(VCPU0), vm.createVcpu(VCPU1)));
    }
}
