package io.xenemu.core.vm;

import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.GsiRoute;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.LongSupplier;

/// A VM in which nothing runs: it takes every call and does nothing. Replays of traces and the training of the JVM use
/// it, since they need no KVM. What it answers depends only on its clock.
public final class StillVm implements VmPort {
    private final LongSupplier clock;

    /// @param clock gives [#clock], in nanoseconds
    public StillVm(LongSupplier clock) {
        this.clock = clock;
    }

    @Override
    public void longMode(boolean on) {}

    @Override
    public void sharedInfoGfn(long gfn) {}

    @Override
    public void sharedInfoHva(MemorySegment page) {}

    @Override
    public void upcallVector(int vector) {}

    @Override
    public void runstateUpdateFlag(boolean on) {}

    @Override
    public void assignIpi(int port, VcpuId vcpu) {}

    @Override
    public void assignLoopback(int sendPort, int deliverPort, VcpuId vcpu) {}

    @Override
    public void updateLoopback(int sendPort, int deliverPort, VcpuId vcpu) {}

    @Override
    public void assignEventfd(int sendPort, int eventfd) {}

    @Override
    public void deassignPort(int sendPort) {}

    @Override
    public void resetPorts() {}

    @Override
    public void xenEvtchnSend(int port, VcpuId vcpu) {}

    @Override
    public void servePolls(boolean on) {}

    @Override
    public void setGsiRouting(List<GsiRoute> routes) {}

    @Override
    public void assignIrqfd(int eventfd, int gsi) {}

    @Override
    public void assignResampleIrqfd(int eventfd, int gsi, int resamplefd) {}

    @Override
    public void deassignIrqfd(int eventfd, int gsi) {}

    @Override
    public void irqLine(int gsi, boolean level) {}

    @Override
    public boolean signalMsi(long address, int data) {
        return true;
    }

    @Override
    public GuestView view(Arena arena, MemFd memory, long offset, long bytes, boolean readOnly) {
        return LocalView.of(arena, memory, offset, bytes, readOnly);
    }

    @Override
    public void setMemoryRegion(int slot, long guestAddress, GuestView host, long bytes) {}

    @Override
    public void deleteMemoryRegion(int slot) {}

    @Override
    public void logWrites(int slot, long guestAddress, GuestView host, boolean on) {}

    @Override
    public void writtenPages(int slot, MemorySegment bitmap) {}

    @Override
    public void forgetWritten(int slot, long firstPage, int pages, MemorySegment bitmap) {}

    @Override
    public long clock() {
        return clock.getAsLong();
    }

    @Override
    public void close() {}
}
