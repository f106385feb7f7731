package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.machine.DomainBuilder;
import io.xenemu.core.machine.LocalVcpu;
import io.xenemu.core.machine.LocalVm;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.KvmVm;
import io.xenemu.kvm.memory.EventFd;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/// A [TestDomain] on a VM of KVM, for tests of KVM's behaviour. On a KVM without Xen, calls that need a Xen attribute
/// fail; the end of the domain logs that.
public final class KvmDomain implements VmDomain {
    private final KvmSystem system = open();
    private final KvmVm kvm = system.createVm();
    private final List<LocalVcpu> vcpus = new ArrayList<>();
    private final TestDomain test;

    /// A domain on any KVM, which is assumed to be there.
    public KvmDomain(int vcpus) throws BootException, XenError {
        this(vcpus, EventChannelConfig.DEFAULT, _ -> {});
    }

    /// A domain on any KVM, which is assumed to be there.
    ///
    /// @param loop the vCPUs' threads run it, if they are started
    KvmDomain(int vcpus, Consumer<Vcpu> loop) throws BootException, XenError {
        this(vcpus, EventChannelConfig.DEFAULT, loop);
    }

    private KvmDomain(int vcpus, EventChannelConfig events, Consumer<Vcpu> loop)
            throws BootException, XenError {
        kvm.createIrqchip();
        LocalVm vm = new LocalVm(kvm);
        test = new TestDomain(vm, id -> newVcpu(vm, id), vcpus, events, loop);
    }

    private LocalVcpu newVcpu(LocalVm vm, VcpuId id) {
        LocalVcpu vcpu = vm.createVcpu(id);
        vcpus.add(vcpu);
        return vcpu;
    }

    /// A domain on a KVM with Xen, which is assumed to be there.
    ///
    /// @param events the limits of its event channels
    public static KvmDomain withXen(int vcpus, EventChannelConfig events)
            throws BootException, XenError {
        assumeXen();
        KvmDomain domain = new KvmDomain(vcpus, events, _ -> {});
        DomainBuilder.takeOverWidth(domain.kvm, CpuConfig.DEFAULT);
        return domain;
    }

    /// Skips the test where KVM has no Xen.
    public static void assumeXen() {
        try (KvmSystem system = open()) {
            assumeTrue(
                    system.xenCapabilities().containsAll(DomainBuilder.REQUIRED),
                    "needs a KVM with Xen");
        }
    }

    private static KvmSystem open() {
        assumeTrue(Files.isWritable(KvmSystem.DEVICE), "needs /dev/kvm");
        return KvmSystem.open(KvmSystem.DEVICE);
    }

    @Override
    public TestDomain test() {
        return test;
    }

    @Override
    public boolean isLongMode() {
        return kvm.xen().longMode();
    }

    @Override
    public long timeInfo(int vcpu) {
        return vcpu(vcpu).xen().vcpuTimeInfo();
    }

    @Override
    public void setLapic(int vcpu, byte[] registers) {
        vcpu(vcpu).setLapic(registers);
    }

    @Override
    public void signal(EventFd eventFd) {
        eventFd.signal();
    }

    /// Its VM.
    public KvmVm vm() {
        return kvm;
    }

    /// A vCPU's descriptor.
    public KvmVcpu vcpu(int number) {
        return vcpus.get(number).kvm();
    }

    @Override
    public void close() {
        try (system) {
            test.close();
        }
    }
}
