package io.xenemu.core.domain;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.EventFd;

/// A domain, and the state that its VM has been given. Tests of this kind run on a [FakeVm] everywhere, and on a KVM
/// with Xen.
interface VmDomain extends AutoCloseable {
    /// The kinds of VMs.
    enum Kind {
        FAKE {
            @Override
            VmDomain open(int vcpus, EventChannelConfig events) throws BootException, XenError {
                FakeVm vm = new FakeVm();
                return new FakeDomain(vm, new TestDomain(vm, vcpus, events));
            }
        },
        KVM_WITH_XEN {
            @Override
            VmDomain open(int vcpus, EventChannelConfig events) throws BootException, XenError {
                return KvmDomain.withXen(vcpus, events);
            }
        };

        /// Makes a domain, or skips the test where there is no such VM.
        ///
        /// @param events the limits of its event channels
        abstract VmDomain open(int vcpus, EventChannelConfig events) throws BootException, XenError;

        VmDomain open(int vcpus) throws BootException, XenError {
            return open(vcpus, EventChannelConfig.DEFAULT);
        }
    }

    /// The domain as a test makes hypercalls in it.
    TestDomain test();

    /// The domain.
    default Domain domain() {
        return test().domain();
    }

    /// Whether the VM takes the guest for a 64-bit one.
    boolean isLongMode();

    /// A vCPU's second time area, or [io.xenemu.core.vm.VcpuPort#INVALID_GPA].
    long timeInfo(int vcpu);

    /// KVM_SET_LAPIC.
    void setLapic(int vcpu, byte[] registers);

    /// Signals an eventfd as a device does.
    void signal(EventFd eventFd);

    @Override
    void close();

    /// A domain on a [FakeVm].
    record FakeDomain(FakeVm vm, TestDomain test) implements VmDomain {
        @Override
        public boolean isLongMode() {
            return vm.isLongMode();
        }

        @Override
        public long timeInfo(int vcpu) {
            return vm.vcpu(vcpu).timeInfo();
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
            test.close();
        }
    }
}
