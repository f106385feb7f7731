package io.xenemu.core.xenimage;

import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.MsrEntry;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The registers of a vCPU as Xen saves them: `struct hvm_hw_cpu`.
final class CpuContext {
    static final int FPU_BYTES = 512;

    private static final int SEGMENTS = 8;

    private static final List<Gpr> GENERAL =
            List.of(
                    Gpr.RAX,
                    Gpr.RBX,
                    Gpr.RCX,
                    Gpr.RDX,
                    Gpr.RBP,
                    Gpr.RSI,
                    Gpr.RDI,
                    Gpr.RSP,
                    Gpr.R8,
                    Gpr.R9,
                    Gpr.R10,
                    Gpr.R11,
                    Gpr.R12,
                    Gpr.R13,
                    Gpr.R14,
                    Gpr.R15,
                    Gpr.RIP,
                    Gpr.RFLAGS);

    private static final long CR0_PG = 1L << 31;
    private static final long EFER_LME = 1 << 8;
    private static final long EFER_LMA = 1 << 10;

    /// What is always set in RFLAGS.
    private static final long RFLAGS_FIXED = 1 << 1;

    private static final int MSR_SYSENTER_CS = 0x174;
    private static final int MSR_STAR = 0xc000_0081;
    private static final int MSR_LSTAR = 0xc000_0082;
    private static final int MSR_CSTAR = 0xc000_0083;
    private static final int MSR_SYSCALL_MASK = 0xc000_0084;
    private static final int MSR_KERNEL_GS = 0xc000_0102;
    private static final int MSR_TSC_AUX = 0xc000_0103;

    private static final int EVENT_VALID = 1 << 31;
    private static final int EVENT_HAS_ERROR = 1 << 11;
    private static final int EVENT_TYPE_SHIFT = 8;
    private static final int EVENT_TYPES = 7;
    private static final int EVENT_INTERRUPT = 0;
    private static final int EVENT_NMI = 2;
    private static final int EVENT_EXCEPTION = 3;

    /// A segment register with its hidden part.
    ///
    /// @param attributes as in a VMCB: type in bits 0 to 3, then S, DPL, P, AVL, L, D/B, G
    record Segment(int selector, int limit, long base, int attributes) {
        private void put(BodyWriter to) {
            int bits = attributes;
            // Xen once saved the form of Intel's VMCS, with the upper four bits in 12 to 15.
            if ((bits & 0xf000) != 0 && (bits & 0xf00) == 0) {
                bits = (bits & 0xff) | (bits >>> 4 & 0xf00);
            }
            boolean present = bit(bits, 7) != 0;
            to.u64(base)
                    .u32(limit)
                    .u16(selector & 0xffff)
                    .u8(bits & 0xf)
                    .u8(bit(bits, 7))
                    .u8(bits >>> 5 & 3)
                    .u8(bit(bits, 10))
                    .u8(bit(bits, 4))
                    .u8(bit(bits, 9))
                    .u8(bit(bits, 11))
                    .u8(bit(bits, 8))
                    .u8(present ? 0 : 1)
                    .u8(0);
        }

        private static int bit(int bits, int number) {
            return bits >>> number & 1;
        }
    }

    /// A descriptor table register.
    record Table(long base, int limit) {
        private void put(BodyWriter to) {
            to.u64(base).u16(limit & 0xffff).u16(0).u16(0).u16(0);
        }
    }

    private final byte[] fpu;

    /// In the order of [#GENERAL].
    private final long[] general;

    /// CR0, CR2, CR3, CR4.
    private final long[] control;

    /// DR0 to DR3, DR6, DR7.
    private final long[] debug;

    /// CS, DS, ES, FS, GS, SS, TR, LDT.
    private final List<Segment> segments = new ArrayList<>();

    private final Table idt;
    private final Table gdt;

    /// CS, ESP and EIP of SYSENTER.
    private final long[] sysenter;

    private final long kernelGs;

    /// LSTAR, STAR, CSTAR and the mask of SYSCALL.
    private final long[] syscall;

    private final long efer;
    private final long tscAux;
    private final long tsc;
    private final int event;
    private final int errorCode;
    private final boolean hasFpu;

    /// Reads the record, whose members come in this order.
    ///
    /// @throws WireException if it has another length
    CpuContext(BodyReader in) throws WireException {
        fpu = bytes(in, FPU_BYTES);
        general = longs(in, GENERAL.size());
        control = longs(in, 4);
        debug = longs(in, 6);
        int[] selectors = ints(in, SEGMENTS);
        int[] limits = ints(in, SEGMENTS + 2);
        long[] bases = longs(in, SEGMENTS + 2);
        int[] attributes = ints(in, SEGMENTS);
        for (int i = 0; i < SEGMENTS; i++) {
            segments.add(new Segment(selectors[i], limits[i], bases[i], attributes[i]));
        }
        idt = new Table(bases[SEGMENTS], limits[SEGMENTS]);
        gdt = new Table(bases[SEGMENTS + 1], limits[SEGMENTS + 1]);
        sysenter = longs(in, 3);
        kernelGs = in.u64();
        // Flags that Xen does not use any more.
        long _ = in.u64();
        syscall = longs(in, 4);
        efer = in.u64();
        tscAux = in.u64();
        tsc = in.u64();
        event = in.u32();
        errorCode = in.u32();
        // Xen before 4.7 does not tell.
        hasFpu = in.remaining() == 0 || (in.u64() & 1) != 0;
        in.end();
    }

    static byte[] bytes(BodyReader in, int count) throws WireException {
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++) {
            bytes[i] = (byte) in.u8();
        }
        return bytes;
    }

    static long[] longs(BodyReader in, int count) throws WireException {
        long[] values = new long[count];
        for (int i = 0; i < count; i++) {
            values[i] = in.u64();
        }
        return values;
    }

    private static int[] ints(BodyReader in, int count) throws WireException {
        int[] values = new int[count];
        for (int i = 0; i < count; i++) {
            values[i] = in.u32();
        }
        return values;
    }

    /// The area of FXSAVE; null if the guest has not used the FPU.
    byte @Nullable [] fpu() {
        return hasFpu ? fpu.clone() : null;
    }

    /// The time stamp counter.
    long tsc() {
        return tsc;
    }

    /// As `kvm_regs`.
    byte[] registers() {
        KvmRegs registers = new KvmRegs();
        for (int i = 0; i < general.length; i++) {
            registers.set(GENERAL.get(i), general[i]);
        }
        registers.set(Gpr.RFLAGS, registers.get(Gpr.RFLAGS) | RFLAGS_FIXED);
        return registers.toBytes();
    }

    /// As `kvm_sregs2`. PDPTRs are read from memory again.
    ///
    /// @param taskPriority CR8
    /// @param apicBase IA32_APIC_BASE
    byte[] system(long taskPriority, long apicBase) {
        BodyWriter to = new BodyWriter();
        segments.forEach(segment -> segment.put(to));
        gdt.put(to);
        idt.put(to);
        boolean isLong = (efer & EFER_LME) != 0 && (control[0] & CR0_PG) != 0;
        to.u64(control[0])
                .u64(control[1])
                .u64(control[2])
                .u64(control[3])
                .u64(taskPriority)
                .u64(isLong ? efer | EFER_LMA : efer & ~EFER_LMA)
                .u64(apicBase);
        // No flags, so the four PDPTRs do not count.
        for (int i = 0; i < 5; i++) {
            to.u64(0);
        }
        return to.toBytes();
    }

    /// As `kvm_debugregs`.
    byte[] debugRegisters() {
        BodyWriter to = new BodyWriter();
        for (long register : debug) {
            to.u64(register);
        }
        // No flags, and what is reserved.
        for (int i = 0; i < 10; i++) {
            to.u64(0);
        }
        return to.toBytes();
    }

    /// As `kvm_vcpu_events`.
    ///
    /// @throws WireException for an event that cannot be injected again
    byte[] events() throws WireException {
        BodyWriter to = new BodyWriter();
        boolean valid = (event & EVENT_VALID) != 0;
        int type = valid ? event >>> EVENT_TYPE_SHIFT & EVENT_TYPES : -1;
        int vector = event & 0xff;
        boolean hasError = (event & EVENT_HAS_ERROR) != 0;
        if (valid && type != EVENT_INTERRUPT && type != EVENT_NMI && type != EVENT_EXCEPTION) {
            throw new WireException("a vCPU has an event of type %d pending".formatted(type));
        }
        boolean exception = type == EVENT_EXCEPTION;
        to.u8(exception ? 1 : 0)
                .u8(exception ? vector : 0)
                .u8(exception && hasError ? 1 : 0)
                .u8(0)
                .u32(exception && hasError ? errorCode : 0);
        boolean interrupt = type == EVENT_INTERRUPT;
        to.u8(interrupt ? 1 : 0).u8(interrupt ? vector : 0).u8(0).u8(0);
        to.u8(type == EVENT_NMI ? 1 : 0).u8(0).u8(0).u8(0);
        for (int i = 0; i < 6; i++) {
            to.u64(0);
        }
        return to.toBytes();
    }

    /// Its model-specific registers.
    List<MsrEntry> msrs() {
        List<MsrEntry> fixed =
                List.of(
                        new MsrEntry(MSR_SYSENTER_CS, sysenter[0]),
                        new MsrEntry(MSR_SYSENTER_CS + 1, sysenter[1]),
                        new MsrEntry(MSR_SYSENTER_CS + 2, sysenter[2]),
                        new MsrEntry(MSR_KERNEL_GS, kernelGs),
                        new MsrEntry(MSR_LSTAR, syscall[0]),
                        new MsrEntry(MSR_STAR, syscall[1]),
                        new MsrEntry(MSR_CSTAR, syscall[2]),
                        new MsrEntry(MSR_SYSCALL_MASK, syscall[3]));
        // A processor without RDTSCP does not have it.
        return tscAux == 0
                ? fixed
                : Stream.concat(fixed.stream(), Stream.of(new MsrEntry(MSR_TSC_AUX, tscAux)))
                        .toList();
    }
}
