package io.xenemu.kvm.ioctl;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.List;

/// A real VM with the kernel's Xen support. Its vCPUs run one routine at a time for a test: make a hypercall, open a
/// window for interrupts, sleep until one comes. 64-bit with an identity map, or 32-bit without paging. Its upcall
/// handlers tell user space and end; it is the test that clears `evtchn_upcall_pending`.
///
/// Needs a KVM with all Xen capabilities; where there is none the test is skipped.
final class XenGuest implements AutoCloseable {
    static final long SIZE = 0x20_0000;
    static final int PAGE = 0x1000;

    /// Free for a test.
    static final int ARGUMENT = 0x9000;

    static final int SCRATCH = 0x2_0000;

    /// Where shared_info is, once a test has activated it, and where vCPU 0's vcpu_info. Others' follow, a page each.
    static final int SHARED_INFO = 0x1_0000;

    static final int VCPU_INFO = 0x1_1040;

    /// The domain's upcall vector, and each vCPU's own.
    static final int UPCALL_VECTOR = 0x10;

    static final int VCPU_VECTOR = 0xf3;

    /// I/O ports by which the guest says what it has come to.
    static final int DONE = 0x10;

    static final int UPCALL = 0x11;
    static final int NO_INTERRUPT = 0x12;
    static final int VCPU_UPCALL = 0x13;

    static final int HYPERCALL_MSR = 0x4000_0200;

    private static final int PML4 = 0x1000;
    private static final int PDPT = 0x2000;
    private static final int LOW_DIRECTORY = 0x3000;
    private static final int IDT = 0x4000;
    private static final int GDT = 0x5000;
    private static final int HIGH_DIRECTORY = 0x7000;
    private static final int STACK = 0x8ff0;
    private static final int ENTRIES = 512;
    private static final long HIGH = 0xc000_0000L;
    private static final int LARGE_PAGE = 0x20_0000;
    private static final int PRESENT_WRITABLE_USER = 7;
    private static final int LARGE = 0x80;

    static final int CALL = 0x6000;
    static final int WINDOW = 0x6010;
    static final int WINDOW_CLOSES = WINDOW + 3;
    static final int SLEEP = 0x6020;
    static final int CALL_WITH_INTERRUPTS = 0x6028;
    static final int HANDLER = 0x6030;
    static final int VCPU_HANDLER = 0x6040;
    static final int WRITE_MSR = 0x6060;

    private static final int CS = 0x08;
    private static final int SS = 0x10;
    private static final int USER = 3;
    private static final int INTERRUPT_GATE = 0x8e;
    private static final long CR0_WIDE = 0x8000_0011L;
    private static final long CR0_NARROW = 0x11;
    private static final long CR4_PAE = 0x20;
    private static final long EFER_LME_LMA = 0x500;
    private static final int RFLAGS_FIXED = 2;
    private static final int SVR_ENABLE_BYTE = 0xf1;

    final KvmSystem system;
    final KvmVm vm;
    final MemorySegment memory;
    final List<KvmVcpu> vcpus = new ArrayList<>();
    private final MemFd ram;
    private final boolean wide;

    XenGuest(boolean wide, int vcpus) {
        TinyVm.assumeKvm();
        this.wide = wide;
        system = KvmSystem.open(KvmSystem.DEVICE);
        EnumSet<XenCapability> known = system.xenCapabilities();
        if (!known.equals(EnumSet.allOf(XenCapability.class))) {
            system.close();
        }
        assumeTrue(
                known.equals(EnumSet.allOf(XenCapability.class)),
                "needs a KVM with all Xen capabilities, this one has " + known);
        vm = system.createVm();
        ram = MemFd.create("xen-guest", SIZE);
        memory = ram.map(0, SIZE);
        vm.setMemoryRegion(0, 0, 0, memory);
        vm.setTssAddr(0xfffb_d000L);
        vm.createIrqchip();
        vm.xenHvmConfig(
                EnumSet.of(XenCapability.INTERCEPT_HCALL, XenCapability.EVTCHN_SEND),
                HYPERCALL_MSR);
        vm.xen().longMode(wide);
        layOut();
        for (int i = 0; i < vcpus; i++) {
            KvmVcpu vcpu = vm.createVcpu(new VcpuId(i));
            this.vcpus.add(vcpu);
            vcpu.setCpuid(system.supportedCpuid());
            vcpu.setMpState(MpState.RUNNABLE);
            vcpu.setSregs(entry(vcpu.getSregs(), 0));
        }
    }

    /// A 64-bit guest with one vCPU.
    static XenGuest wide() {
        return new XenGuest(true, 1);
    }

    /// A 64-bit guest with one vCPU, with shared_info, vcpu_info and the domain's upcall vector.
    static XenGuest listening() {
        return wide().listen();
    }

    XenGuest listen() {
        vm.xen().sharedInfoHva(memory.asSlice(SHARED_INFO, PAGE));
        vm.xen().upcallVector(UPCALL_VECTOR);
        for (KvmVcpu vcpu : vcpus) {
            vcpu.xen().vcpuInfo(vcpuInfo(vcpu));
        }
        return this;
    }

    private void layOut() {
        String iret = wide ? "48 cf" : "cf";
        code(CALL, hypercall() + "e6 10");
        // sti; nop; nop; cli; out 12, al
        code(WINDOW, "fb 90 90 fa e6 12");
        // sti; hlt, for ever
        code(SLEEP, "fb f4 eb fd");
        code(CALL_WITH_INTERRUPTS, "fb" + hypercall() + "e6 10");
        code(HANDLER, "e6 11" + iret);
        // out 13, al; push rax; mov eax, apic eoi; mov dword [rax], 0; pop rax
        code(VCPU_HANDLER, "e6 13 50 b8 b0 00 e0 fe c7 00 00 00 00 00 58" + iret);
        // wrmsr; out 10, al
        code(WRITE_MSR, "0f 30 e6 10");
        gate(UPCALL_VECTOR, HANDLER);
        gate(VCPU_VECTOR, VCPU_HANDLER);
        memory.set(JAVA_LONG, GDT + CS, wide ? 0x00af_9b00_0000_ffffL : 0x00cf_9b00_0000_ffffL);
        memory.set(JAVA_LONG, GDT + SS, 0x00cf_9300_0000_ffffL);
        memory.set(JAVA_LONG, PML4, PDPT | PRESENT_WRITABLE_USER);
        memory.set(JAVA_LONG, PDPT, LOW_DIRECTORY | PRESENT_WRITABLE_USER);
        memory.set(JAVA_LONG, PDPT + 3 * Long.BYTES, HIGH_DIRECTORY | PRESENT_WRITABLE_USER);
        for (int i = 0; i < ENTRIES; i++) {
            long low = (long) i * LARGE_PAGE | LARGE | PRESENT_WRITABLE_USER;
            memory.set(JAVA_LONG, LOW_DIRECTORY + (long) i * Long.BYTES, low);
            memory.set(JAVA_LONG, HIGH_DIRECTORY + (long) i * Long.BYTES, HIGH + low);
        }
    }

    /// VMMCALL or VMCALL, by the processor's vendor.
    String hypercall() {
        int ebx = system.supportedCpuid().stream().findFirst().orElseThrow().ebx();
        return ebx == 0x756e_6547 ? "0f01c1" : "0f01d9";
    }

    /// Puts machine code, in hexadecimal digits, into memory.
    void code(int at, String hex) {
        byte[] bytes = HexFormat.of().parseHex(hex.replace(" ", ""));
        MemorySegment.copy(bytes, 0, memory, JAVA_BYTE, at, bytes.length);
    }

    private void gate(int vector, int handler) {
        long at = IDT + (long) vector * (wide ? 16 : 8);
        memory.set(JAVA_INT, at, CS << 16 | handler);
        memory.set(JAVA_INT, at + 4, INTERRUPT_GATE << 8);
    }

    private KvmSregs entry(KvmSregs sregs, int level) {
        int data = 3;
        int code = 11;
        Segment cs =
                new Segment(0, -1, CS | level, code, true, level, !wide, true, wide, true, false);
        Segment ss =
                new Segment(0, -1, SS | level, data, true, level, true, true, false, true, false);
        sregs.segment(Segment.Name.CS, cs);
        for (Segment.Name name :
                List.of(
                        Segment.Name.DS,
                        Segment.Name.ES,
                        Segment.Name.FS,
                        Segment.Name.GS,
                        Segment.Name.SS)) {
            sregs.segment(name, ss);
        }
        sregs.gdt(GDT, 0x17).idt(IDT, PAGE - 1);
        return wide
                ? sregs.cr0(CR0_WIDE).cr3(PML4).cr4(CR4_PAE).efer(EFER_LME_LMA)
                : sregs.cr0(CR0_NARROW);
    }

    /// Lets a vCPU go on at privilege level 3.
    void dropToUser(KvmVcpu vcpu) {
        vcpu.setSregs(entry(vcpu.getSregs(), USER));
    }

    KvmVcpu vcpu() {
        return vcpus.get(0);
    }

    static int vcpuInfo(KvmVcpu vcpu) {
        return VCPU_INFO + PAGE * vcpu.id().value();
    }

    /// Software-enables a vCPU's local APIC.
    void enableApic(KvmVcpu vcpu) {
        byte[] apic = vcpu.getLapic();
        apic[SVR_ENABLE_BYTE] |= 1;
        vcpu.setLapic(apic);
    }

    // ---- what the guest does

    /// Sets a vCPU to one of the routines, with a hypercall's number and arguments in their registers.
    void prepare(KvmVcpu vcpu, int routine, long number, long... arguments) {
        Gpr[] names =
                wide
                        ? new Gpr[] {Gpr.RDI, Gpr.RSI, Gpr.RDX, Gpr.R10, Gpr.R8, Gpr.R9}
                        : new Gpr[] {Gpr.RBX, Gpr.RCX, Gpr.RDX, Gpr.RSI, Gpr.RDI, Gpr.RBP};
        KvmRegs regs = new KvmRegs().set(Gpr.RAX, number);
        for (int i = 0; i < arguments.length; i++) {
            regs.set(names[i], arguments[i]);
        }
        int stack = STACK - vcpu.id().value() * PAGE / 2;
        vcpu.setRegs(regs.set(Gpr.RIP, routine).set(Gpr.RSP, stack).set(Gpr.RFLAGS, RFLAGS_FIXED));
    }

    /// Runs a vCPU until it has come to something.
    ///
    /// @return the I/O port
    int run(KvmVcpu vcpu) {
        assertEquals(ExitReason.IO, runToExit(vcpu));
        return vcpu.run().ioPort();
    }

    ExitReason runToExit(KvmVcpu vcpu) {
        int errno = vcpu.enter();
        while (errno == Errno.EAGAIN) {
            errno = vcpu.enter();
        }
        assertEquals(0, errno);
        return vcpu.run().exitReason();
    }

    /// Makes a hypercall that the kernel serves.
    ///
    /// @return its result
    long hypercall(long number, long... arguments) {
        prepare(vcpu(), CALL, number, arguments);
        assertEquals(DONE, run(vcpu()), "interrupts are off");
        return vcpu().getRegs().get(Gpr.RAX);
    }

    /// Makes a hypercall that leaves to user space, which has not answered yet when this returns.
    KvmRun hypercallExit(KvmVcpu vcpu, long number, long... arguments) {
        prepare(vcpu, CALL, number, arguments);
        assertEquals(ExitReason.XEN, runToExit(vcpu));
        return vcpu.run();
    }

    /// Lets an upcall come if one is due, and takes it.
    boolean isInterrupted(KvmVcpu vcpu) {
        prepare(vcpu, WINDOW, 0);
        if (run(vcpu) == NO_INTERRUPT) {
            return false;
        }
        takeUpcall(vcpu);
        assertEquals(NO_INTERRUPT, run(vcpu), "one upcall");
        return true;
    }

    boolean isInterrupted() {
        return isInterrupted(vcpu());
    }

    /// Sleeps until there is an upcall, and takes it.
    ///
    /// @return the I/O port of its handler
    int awaitUpcall(KvmVcpu vcpu) {
        prepare(vcpu, SLEEP, 0);
        int port = run(vcpu);
        takeUpcall(vcpu);
        return port;
    }

    /// Lets the local APIC's handler end its interrupt, and return to where a window for interrupts closes.
    ///
    /// @return the I/O port that it comes to
    int endHandler(KvmVcpu vcpu) {
        long frame = vcpu.getRegs().get(Gpr.RSP);
        memory.set(JAVA_LONG, frame, WINDOW_CLOSES);
        return run(vcpu);
    }

    /// Sleeps until the event on `port` has made an upcall, and takes it.
    void awaitEvent(int port) {
        assertEquals(UPCALL, awaitUpcall(vcpu()));
        assertTrue(takePending(port), "port " + port);
    }

    /// `EVTCHNOP_send`.
    long send(int port) {
        memory.set(JAVA_INT, ARGUMENT, port);
        return hypercall(32, 4, ARGUMENT);
    }

    // ---- what is in its memory

    void takeUpcall(KvmVcpu vcpu) {
        int info = vcpuInfo(vcpu);
        memory.set(JAVA_BYTE, info, (byte) 0);
        if (wide) {
            memory.set(JAVA_LONG, info + 8, 0);
        } else {
            memory.set(JAVA_INT, info + 4, 0);
        }
    }

    private int mask() {
        return SHARED_INFO + (wide ? 0xa00 : 0x880);
    }

    private boolean bit(int bitmap, int port) {
        return (memory.get(JAVA_BYTE, bitmap + port / 8) >> port % 8 & 1) != 0;
    }

    private void bit(int bitmap, int port, boolean value) {
        byte old = memory.get(JAVA_BYTE, bitmap + port / 8);
        int bit = 1 << port % 8;
        memory.set(JAVA_BYTE, bitmap + port / 8, (byte) (value ? old | bit : old & ~bit));
    }

    boolean isPending(int port) {
        return bit(SHARED_INFO + 0x800, port);
    }

    boolean takePending(int port) {
        boolean was = isPending(port);
        bit(SHARED_INFO + 0x800, port, false);
        return was;
    }

    void mask(int port, boolean value) {
        bit(mask(), port, value);
    }

    @Override
    public void close() {
        vcpus.forEach(KvmVcpu::close);
        vm.close();
        ram.close();
        system.close();
    }
}
