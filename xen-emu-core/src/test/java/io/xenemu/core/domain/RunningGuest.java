package io.xenemu.core.domain;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.CpuEntry;
import io.xenemu.core.boot.HypercallPage;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.machine.BootVcpu;
import io.xenemu.core.machine.ExitLoop;
import io.xenemu.core.machine.ExitMetrics;
import io.xenemu.core.machine.HypercallMsr;
import io.xenemu.core.machine.SyncedCpuState;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.KvmVm;
import io.xenemu.kvm.ioctl.Segment;
import java.util.List;

/// A domain that runs some bytes of 32-bit code without paging, on a KVM without Xen. vCPU 0 begins at [#CODE]; the
/// others wait to be started.
public final class RunningGuest implements AutoCloseable {
    /// Where the code is.
    static final int CODE = 0x8000;

    private static final long CR0_PE_ET = 0x11;
    private static final int TYPE_CODE = 11;
    private static final int TYPE_DATA = 3;
    private static final int TYPE_TSS = 11;

    private final KvmDomain kvm;
    private final ExitMetrics exits;
    private final PortBus ports;

    /// @param code bytes
    public RunningGuest(int vcpus, int... code) throws BootException, XenError {
        this(new PortBus(List.of()), vcpus, code);
    }

    /// @param ports its devices
    /// @param code bytes
    public RunningGuest(PortBus ports, int vcpus, int... code) throws BootException, XenError {
        this.ports = ports;
        kvm = new KvmDomain(vcpus, this::loop);
        exits = new ExitMetrics(kvm.test().registry(), TestDomain.ID);
        domain().alsoClose("exit meters", exits::close);
        for (int i = 0; i < code.length; i++) {
            domain().memory().write(CODE + i, new byte[] {(byte) code[i]});
        }
        Segment text = segment(0x10, TYPE_CODE);
        Segment data = segment(0x18, TYPE_DATA);
        Segment task =
                new Segment(0, 0x67, 0, TYPE_TSS, true, 0, false, false, false, false, false);
        BootVcpu.enter(
                kvm.vcpu(0), new CpuEntry(CODE, 0, 0, CR0_PE_ET, 0, 0, 0, 0, 0, text, data, task));
    }

    private static Segment segment(int selector, int type) {
        return new Segment(0, -1, selector, type, true, 0, true, true, false, true, false);
    }

    private void loop(Vcpu vcpu) {
        Domain domain = domain();
        int number = vcpu.id().value();
        KvmVcpu own = kvm.vcpu(number);
        new ExitLoop(
                        domain,
                        vcpu,
                        own,
                        new SyncedCpuState(own),
                        kvm.test().caller(number, false),
                        kvm.test().dispatcher(),
                        new HypercallMsr(domain, own, new HypercallPage(true)),
                        ports,
                        exits.newVcpu())
                .loop();
    }

    /// A vCPU's descriptor.
    public KvmVcpu vcpu(int number) {
        return kvm.vcpu(number);
    }

    /// Its VM.
    public KvmVm vm() {
        return kvm.vm();
    }

    /// The domain.
    public Domain domain() {
        return kvm.domain();
    }

    @Override
    public void close() {
        kvm.close();
    }
}
