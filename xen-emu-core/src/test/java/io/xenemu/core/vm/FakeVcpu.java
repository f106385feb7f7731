package io.xenemu.core.vm;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmSregs;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.Runstate;
import io.xenemu.kvm.ioctl.XenTimer;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/// A vCPU of a [FakeVm], in its state after a reset: it has interrupts disabled, and its local APIC takes none. Its
/// state is guarded by the monitor of the VM.
public final class FakeVcpu implements VcpuPort {
    private static final String SET = "KVM_XEN_VCPU_SET_ATTR";
    private static final int VCPU_INFO_SIZE = 64;
    private static final int TIME_INFO_SIZE = 32;
    private static final int INFO_ALIGNMENT = 4;

    /// The local APIC's registers. The id is in the highest byte of its register, the enable bit is in that of the
    /// spurious vector. Requested interrupts are 32 in each 16 bytes.
    private static final int APIC_BYTES = 1024;

    private static final int APIC_ID = 0x20;
    private static final int APIC_ID_SHIFT = 24;
    private static final int APIC_SPURIOUS = 0xf0;
    private static final int APIC_SPURIOUS_RESET = 0xff;
    private static final int APIC_ENABLED = 1 << 8;
    private static final int APIC_IRR = 0x200;
    private static final int APIC_STRIDE = 0x10;

    private final FakeVm vm;
    private final VcpuId id;
    private ByteBuffer lapic = ByteBuffer.allocate(APIC_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private MpState mpState;
    private KvmRegs regs = new KvmRegs();
    private KvmSregs sregs = new KvmSregs();
    private boolean interruptsEnabled;
    private int kicks;
    private int upcallVector;
    private final FakeRunstate times = new FakeRunstate();
    private XenTimer timer = XenTimer.NONE;
    private @Nullable MemorySegment vcpuInfo;
    private long timeInfo = INVALID_GPA;
    private long runstateArea = INVALID_GPA;

    FakeVcpu(FakeVm vm, VcpuId id) {
        this.vm = vm;
        this.id = id;
        this.mpState = id.value() == 0 ? MpState.RUNNABLE : MpState.UNINITIALIZED;
        lapic.putInt(APIC_ID, id.value() << APIC_ID_SHIFT);
        lapic.putInt(APIC_SPURIOUS, APIC_SPURIOUS_RESET);
    }

    // Actions of the guest.

    /// Enables or disables interrupts.
    public void setInterruptsEnabled(boolean enabled) {
        synchronized (vm) {
            interruptsEnabled = enabled;
        }
    }

    /// Enables the local APIC.
    public void enableApic() {
        synchronized (vm) {
            lapic.putInt(APIC_SPURIOUS, lapic.getInt(APIC_SPURIOUS) | APIC_ENABLED);
        }
    }

    /// Whether an interrupt has been requested since this was last asked.
    public boolean takeInterrupt(int vector) {
        synchronized (vm) {
            int at = APIC_IRR + vector / Integer.SIZE * APIC_STRIDE;
            int requested = lapic.getInt(at);
            lapic.putInt(at, requested & ~(1 << vector % Integer.SIZE));
            return (requested >>> vector % Integer.SIZE & 1) != 0;
        }
    }

    /// The guest is entered: it runs.
    public void enter() {
        synchronized (vm) {
            times.enter(Runstate.RUNNING, vm.clock());
        }
    }

    /// The thread that runs the vCPU has used a CPU of the host, and has waited for one, in nanoseconds each.
    public void pass(long cpuTime, long runDelay) {
        synchronized (vm) {
            times.pass(cpuTime, runDelay);
        }
    }

    // Observations for tests.

    /// The number of kicks so far.
    public int kicks() {
        synchronized (vm) {
            return kicks;
        }
    }

    /// The second time area, or [#INVALID_GPA].
    public long timeInfo() {
        synchronized (vm) {
            return timeInfo;
        }
    }

    /// The runstate area, or [#INVALID_GPA].
    public long runstateArea() {
        synchronized (vm) {
            return runstateArea;
        }
    }

    /// The vector of HVMOP_set_evtchn_upcall_vector; 0 for none.
    public int upcallVector() {
        synchronized (vm) {
            return upcallVector;
        }
    }

    /// The vCPU's events, or null.
    @Nullable MemorySegment vcpuInfo() {
        synchronized (vm) {
            return vcpuInfo;
        }
    }

    int apicId() {
        synchronized (vm) {
            return lapic.getInt(APIC_ID) >>> APIC_ID_SHIFT;
        }
    }

    /// Requests an interrupt.
    ///
    /// @return whether the local APIC has taken it
    boolean interrupt(int vector) {
        synchronized (vm) {
            if ((lapic.getInt(APIC_SPURIOUS) & APIC_ENABLED) == 0) {
                return false;
            }
            int at = APIC_IRR + vector / Integer.SIZE * APIC_STRIDE;
            lapic.putInt(at, lapic.getInt(at) | 1 << vector % Integer.SIZE);
            return true;
        }
    }

    /// Announces an event that the VM has raised.
    void upcall() {
        synchronized (vm) {
            if (upcallVector != 0) {
                boolean _ = interrupt(upcallVector);
            }
        }
    }

    // The port.

    @Override
    public void kick() {
        synchronized (vm) {
            kicks++;
        }
    }

    @Override
    public boolean interruptsEnabled() {
        synchronized (vm) {
            return interruptsEnabled;
        }
    }

    @Override
    public KvmRegs getRegs() {
        synchronized (vm) {
            return regs;
        }
    }

    @Override
    public void setRegs(KvmRegs registers) {
        synchronized (vm) {
            vm.called("KVM_SET_REGS", "setRegs", id);
            regs = KvmRegs.of(registers.toBytes());
        }
    }

    @Override
    public KvmSregs getSregs() {
        synchronized (vm) {
            return KvmSregs.of(sregs.toBytes());
        }
    }

    @Override
    public void setSregs(KvmSregs registers) {
        synchronized (vm) {
            vm.called("KVM_SET_SREGS", "setSregs", id);
            sregs = KvmSregs.of(registers.toBytes());
        }
    }

    @Override
    public MpState getMpState() {
        synchronized (vm) {
            return mpState;
        }
    }

    @Override
    public void setMpState(MpState state) {
        synchronized (vm) {
            vm.called("KVM_SET_MP_STATE", "setMpState", id, state);
            mpState = state;
        }
    }

    /// The value of each MSR is the MSR's number.
    @Override
    public long getMsr(int index) {
        return Integer.toUnsignedLong(index);
    }

    @Override
    public byte[] getLapic() {
        synchronized (vm) {
            return lapic.array().clone();
        }
    }

    /// KVM_SET_LAPIC.
    public void setLapic(byte[] registers) {
        synchronized (vm) {
            lapic = ByteBuffer.wrap(registers.clone()).order(ByteOrder.LITTLE_ENDIAN);
        }
    }

    @Override
    public void nmi() {
        vm.called("KVM_NMI", "nmi", id);
    }

    @Override
    public void flushTlb() {
        vm.called("KVM_SET_SREGS", "flushTlb", id);
    }

    @Override
    public void vcpuInfo(long gpa) {
        synchronized (vm) {
            vm.called(SET, "vcpuInfo", id, Long.toHexString(gpa));
            if (gpa == INVALID_GPA) {
                vcpuInfo = null;
                return;
            }
            if (gpa % INFO_ALIGNMENT != 0) {
                throw new KvmException(SET, Errno.ENXIO);
            }
            vcpuInfo = inOnePage(gpa, VCPU_INFO_SIZE);
        }
    }

    @Override
    public void vcpuInfoHva(MemorySegment info) {
        synchronized (vm) {
            vm.called(SET, "vcpuInfoHva", id, info);
            vcpuInfo = info;
        }
    }

    @Override
    public void vcpuTimeInfo(long gpa) {
        synchronized (vm) {
            vm.called(SET, "vcpuTimeInfo", id, Long.toHexString(gpa));
            if (gpa != INVALID_GPA) {
                MemorySegment _ = inOnePage(gpa, TIME_INFO_SIZE);
            }
            timeInfo = gpa;
        }
    }

    @Override
    public void runstateAddr(long gpa) {
        synchronized (vm) {
            vm.called(SET, "runstateAddr", id, Long.toHexString(gpa));
            if (gpa != INVALID_GPA && vm.memory(gpa, 1) == null) {
                throw new KvmException(SET, Errno.EFAULT);
            }
            runstateArea = gpa;
        }
    }

    private MemorySegment inOnePage(long gpa, int size) {
        if (gpa % FakeVm.PAGE_SIZE + size > FakeVm.PAGE_SIZE) {
            throw new KvmException(SET, Errno.EINVAL);
        }
        MemorySegment found = vm.memory(gpa, size);
        if (found == null) {
            throw new KvmException(SET, Errno.EFAULT);
        }
        return found;
    }

    @Override
    public void runstateCurrent(int state) {
        synchronized (vm) {
            vm.called(SET, "runstateCurrent", id, state);
            times.enter(state, vm.clock());
        }
    }

    @Override
    public Runstate runstateData() {
        synchronized (vm) {
            return times.data();
        }
    }

    @Override
    public void runstateData(Runstate runstate) {
        synchronized (vm) {
            vm.called(SET, "runstateData", id, runstate);
            times.replace(runstate, vm.clock());
        }
    }

    @Override
    public void runstateAdjust(Runstate delta) {
        synchronized (vm) {
            vm.called(SET, "runstateAdjust", id, delta);
            times.adjust(delta, vm.clock());
        }
    }

    @Override
    public long cpuTime() {
        synchronized (vm) {
            return times.cpuTime();
        }
    }

    /// The timer fires only when it is set or read.
    @Override
    public void timer(XenTimer next) {
        synchronized (vm) {
            vm.called(SET, "timer", id, next);
            timer = next;
            fire();
        }
    }

    @Override
    public XenTimer timer() {
        synchronized (vm) {
            fire();
            return timer;
        }
    }

    private void fire() {
        if (timer.expiresNs() != 0 && timer.expiresNs() <= vm.clock()) {
            boolean _ = vm.deliver(timer.port(), id);
            timer = new XenTimer(timer.port(), 0);
        }
    }

    @Override
    public void upcallVector(int vector) {
        synchronized (vm) {
            vm.called(SET, "upcallVector", id, vector);
            FakeVm.requireVector(SET, vector);
            upcallVector = vector;
        }
    }

    @Override
    public int tscKhz() {
        return 2_000_000;
    }
}
