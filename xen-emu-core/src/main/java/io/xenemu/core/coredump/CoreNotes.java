package io.xenemu.core.coredump;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.xenemu.core.domain.VcpuRegisters;
import io.xenemu.kvm.ioctl.DescriptorTable;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmSregs;
import io.xenemu.kvm.ioctl.Segment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/// The notes of a core, two for each vCPU. First come the registers of all vCPUs, in the form of Linux's notes of
/// threads (NT_PRSTATUS). Then comes their processor state, in the form of QEMU's `dump-guest-memory`. From CR3 and the
/// IDT in it `crash` finds the place where a kernel has put itself (KASLR).
///
/// Source: `struct elf_prstatus` of Linux; `QEMUCPUState` of QEMU's target/i386/arch_dump.c; netdump.h of crash.
final class CoreNotes {
    static final int NT_PRSTATUS = 1;
    static final String CORE = "CORE";

    /// The type of QEMU's note.
    static final int QEMU_STATE = 0;

    static final String QEMU = "QEMU";

    /// `sizeof(struct elf_prstatus)` for x86-64.
    static final int PRSTATUS_SIZE = 336;

    static final int PR_PID = 32;

    /// The general registers, in the order of `struct user_regs_struct`.
    static final int PR_REG = 112;

    /// `sizeof(QEMUCPUState)`.
    static final int QEMU_SIZE = 440;

    private static final int QEMU_VERSION = 1;

    /// CR0 to CR4, five numbers, although CR1 does not exist.
    private static final int QEMU_CR = 392;

    private static final int ALIGNMENT = 4;
    private static final int HEADER = 3 * Integer.BYTES;

    private static final List<Gpr> QEMU_REGISTERS =
            List.of(
                    Gpr.RAX,
                    Gpr.RBX,
                    Gpr.RCX,
                    Gpr.RDX,
                    Gpr.RSI,
                    Gpr.RDI,
                    Gpr.RSP,
                    Gpr.RBP,
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

    private static final List<Segment.Name> QEMU_SEGMENTS =
            List.of(
                    Segment.Name.CS,
                    Segment.Name.DS,
                    Segment.Name.ES,
                    Segment.Name.FS,
                    Segment.Name.GS,
                    Segment.Name.SS,
                    Segment.Name.LDT,
                    Segment.Name.TR);

    /// The first members of `struct user_regs_struct`, up to `orig_rax`.
    private static final List<Gpr> USER_REGISTERS =
            List.of(
                    Gpr.R15, Gpr.R14, Gpr.R13, Gpr.R12, Gpr.RBP, Gpr.RBX, Gpr.R11, Gpr.R10, Gpr.R9,
                    Gpr.R8, Gpr.RAX, Gpr.RCX, Gpr.RDX, Gpr.RSI, Gpr.RDI, Gpr.RAX);

    private CoreNotes() {}

    /// All notes.
    ///
    /// @param vcpus by their numbers
    static byte[] of(List<VcpuRegisters> vcpus) {
        int each = size(CORE, PRSTATUS_SIZE) + size(QEMU, QEMU_SIZE);
        ByteBuffer notes = ByteBuffer.allocate(vcpus.size() * each).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < vcpus.size(); i++) {
            ByteBuffer status = note(notes, CORE, NT_PRSTATUS, PRSTATUS_SIZE);
            // The thread's number in gdb. It begins at 1, since no thread of Linux has 0.
            status.putInt(PR_PID, i + 1);
            putUserRegisters(status.position(PR_REG), vcpus.get(i));
        }
        for (VcpuRegisters vcpu : vcpus) {
            putQemuState(note(notes, QEMU, QEMU_STATE, QEMU_SIZE), vcpu);
        }
        return notes.array();
    }

    private static int size(String name, int bytes) {
        return HEADER + aligned(name.length() + 1) + aligned(bytes);
    }

    private static int aligned(int bytes) {
        return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    /// Puts a note's header, and skips the note.
    ///
    /// @return the note's content
    private static ByteBuffer note(ByteBuffer notes, String name, int type, int bytes) {
        notes.putInt(name.length() + 1).putInt(bytes).putInt(type);
        int content = notes.position() + aligned(name.length() + 1);
        notes.put(name.getBytes(US_ASCII)).position(content + aligned(bytes));
        return notes.slice(content, bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static void putUserRegisters(ByteBuffer to, VcpuRegisters vcpu) {
        KvmRegs general = vcpu.general();
        USER_REGISTERS.forEach(register -> to.putLong(general.get(register)));
        to.putLong(general.get(Gpr.RIP)).putLong(selector(vcpu, Segment.Name.CS));
        to.putLong(general.get(Gpr.RFLAGS)).putLong(general.get(Gpr.RSP));
        to.putLong(selector(vcpu, Segment.Name.SS));
        to.putLong(vcpu.system().segment(Segment.Name.FS).base());
        to.putLong(vcpu.system().segment(Segment.Name.GS).base());
        to.putLong(selector(vcpu, Segment.Name.DS)).putLong(selector(vcpu, Segment.Name.ES));
        to.putLong(selector(vcpu, Segment.Name.FS)).putLong(selector(vcpu, Segment.Name.GS));
    }

    private static long selector(VcpuRegisters vcpu, Segment.Name name) {
        return vcpu.system().segment(name).selector();
    }

    private static void putQemuState(ByteBuffer to, VcpuRegisters vcpu) {
        to.putInt(QEMU_VERSION).putInt(QEMU_SIZE);
        QEMU_REGISTERS.forEach(register -> to.putLong(vcpu.general().get(register)));
        KvmSregs system = vcpu.system();
        for (Segment.Name name : QEMU_SEGMENTS) {
            Segment segment = system.segment(name);
            to.putInt(segment.selector()).putInt(segment.limit());
            to.putInt(descriptorFlags(segment)).putInt(0).putLong(segment.base());
        }
        putTable(to, system.gdt());
        putTable(to, system.idt());
        to.position(QEMU_CR);
        to.putLong(system.cr0()).putLong(0).putLong(system.cr2());
        to.putLong(system.cr3()).putLong(system.cr4());
        to.putLong(vcpu.kernelGsBase());
    }

    private static void putTable(ByteBuffer to, DescriptorTable table) {
        to.putInt(0).putInt(table.limit()).putInt(0).putInt(0).putLong(table.base());
    }

    /// The upper half of the segment's descriptor, without the parts of base and limit.
    private static int descriptorFlags(Segment segment) {
        return segment.type() << 8
                | bit(segment.s(), 12)
                | segment.dpl() << 13
                | bit(segment.present(), 15)
                | bit(segment.l(), 21)
                | bit(segment.db(), 22)
                | bit(segment.g(), 23);
    }

    private static int bit(boolean set, int position) {
        return set ? 1 << position : 0;
    }
}
