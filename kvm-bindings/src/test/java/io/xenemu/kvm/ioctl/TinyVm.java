package io.xenemu.kvm.ioctl;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.testing.Eventually;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.util.HexFormat;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/// A real VM with 64 KiB of memory at 0 and one vCPU in real mode, about to run code at [#CODE]. All segments start at
/// 0.
final class TinyVm implements AutoCloseable {
    static final long SIZE = 0x10000;
    static final int CODE = 0x1000;
    static final int SLOT = 0;
    private static final Segment FLAT_CODE =
            new Segment(0, 0xffff, 0, 11, true, 0, false, true, false, false, false);

    final KvmSystem system;
    final KvmVm vm;
    final MemFd ram;
    final MemorySegment memory;
    final KvmVcpu vcpu;

    /// @param code machine code in hexadecimal digits; spaces are for the reader
    TinyVm(String code) {
        this(code, vm -> {});
    }

    /// @param prepare what to do to the VM before it has a vCPU
    TinyVm(String code, Consumer<KvmVm> prepare) {
        assumeKvm();
        system = KvmSystem.open(KvmSystem.DEVICE);
        vm = system.createVm();
        ram = MemFd.create("tiny", SIZE);
        memory = ram.map(0, SIZE);
        vm.setMemoryRegion(SLOT, 0, 0, memory);
        vm.setTssAddr(0xfffb_d000L);
        prepare.accept(vm);
        vcpu = vm.createVcpu(new VcpuId(0));
        load(code);
    }

    static void assumeKvm() {
        assumeTrue(Files.isWritable(KvmSystem.DEVICE), "needs /dev/kvm");
    }

    /// Waits for something that the kernel may do in a worker of its own.
    static void await(BooleanSupplier happened) {
        Eventually.holds("what the kernel does in a worker", happened::getAsBoolean);
    }

    /// Replaces the code and starts over at its beginning.
    void load(String code) {
        byte[] bytes = HexFormat.of().parseHex(code.replace(" ", ""));
        MemorySegment.copy(bytes, 0, memory, JAVA_BYTE, CODE, bytes.length);
        vcpu.setSregs(vcpu.getSregs().segment(Segment.Name.CS, FLAT_CODE));
        vcpu.setRegs(new KvmRegs().set(Gpr.RIP, CODE).set(Gpr.RFLAGS, 2));
    }

    @Override
    public void close() {
        vcpu.close();
        vm.close();
        ram.close();
        system.close();
    }
}
