package io.xenemu.core.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.memory.EventFd;
import java.util.List;
import org.junit.jupiter.api.Test;

final class FakeVmTest extends VmPortKit {
    private record FakeRig(FakeVm vm) implements Rig {
        @Override
        public FakeVcpu vcpu(int number) {
            return vm.vcpu(number);
        }

        @Override
        public void setLapic(int vcpu, byte[] registers) {
            vm.vcpu(vcpu).setLapic(registers);
        }

        @Override
        public void signal(EventFd eventFd) {
            vm.signal(eventFd);
        }

        @Override
        public void close() {
            vm.close();
        }
    }

    @Override
    protected Rig open() {
        FakeVm vm = new FakeVm();
        vm.createVcpu(VCPU0);
        vm.createVcpu(VCPU1);
        return new FakeRig(vm);
    }

    @Test
    void callsAreRecordedInOrder() {
        FakeVm vm = new FakeVm();
        vm.assignIpi(5, VCPU1);
        vm.irqLine(4, true);
        assertEquals(List.of("assignIpi(5, vcpu1)", "irqLine(4, true)"), vm.calls());
        assertEquals(List.of("irqLine(4, true)"), vm.calls("irqLine"));
    }

    @Test
    void testCanMakeACallFail() {
        FakeVm vm = new FakeVm();
        vm.refuse("signalMsi", Errno.EINVAL);
        KvmException refusal = assertThrows(KvmException.class, () -> vm.signalMsi(0, 0));
        assertEquals("KVM_SIGNAL_MSI: EINVAL (22)", refusal.getMessage());
        vm.irqLine(4, true);
    }
}
