package io.xenemu.kvm.ioctl;

import static io.xenemu.kvm.ioctl.CTypes.offset;
import static io.xenemu.kvm.ioctl.VcpuStructs.KVM_SEGMENT;
import static io.xenemu.kvm.ioctl.VcpuStructs.KVM_SREGS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;

/// `struct kvm_sregs`: either a copy of its own, or the live one in a vCPU's [KvmRun]. Not thread-safe; the control
/// registers and [#csLong] are read without allocation.
public final class KvmSregs {
    private static final long CS_L = offset(KVM_SREGS, "cs.l");
    private static final long GDT = offset(KVM_SREGS, "gdt");
    private static final long IDT = offset(KVM_SREGS, "idt");
    private static final long CR0 = offset(KVM_SREGS, "cr0");
    private static final long CR2 = offset(KVM_SREGS, "cr2");
    private static final long CR3 = offset(KVM_SREGS, "cr3");
    private static final long CR4 = offset(KVM_SREGS, "cr4");
    private static final long CR8 = offset(KVM_SREGS, "cr8");
    private static final long EFER = offset(KVM_SREGS, "efer");
    private static final long APIC_BASE = offset(KVM_SREGS, "apic_base");

    private final MemorySegment memory;

    KvmSregs(MemorySegment memory) {
        this.memory = memory;
    }

    /// A copy with all registers zero.
    public KvmSregs() {
        this(MemorySegment.ofArray(new long[(int) (KVM_SREGS.byteSize() / Long.BYTES)]));
    }

    /// A copy from the bytes of [#toBytes].
    ///
    /// @throws IllegalArgumentException if the length is not the structure's
    public static KvmSregs of(byte[] saved) {
        KvmSregs sregs = new KvmSregs();
        if (saved.length != sregs.memory.byteSize()) {
            throw new IllegalArgumentException("kvm_sregs of " + saved.length + " bytes");
        }
        MemorySegment.copy(saved, 0, sregs.memory, JAVA_BYTE, 0, saved.length);
        return sregs;
    }

    /// CR0.
    public long cr0() {
        return memory.get(JAVA_LONG, CR0);
    }

    /// Sets CR0.
    public KvmSregs cr0(long value) {
        return set(CR0, value);
    }

    /// CR2, the address of the last page fault.
    public long cr2() {
        return memory.get(JAVA_LONG, CR2);
    }

    /// CR3.
    public long cr3() {
        return memory.get(JAVA_LONG, CR3);
    }

    /// Sets CR3.
    public KvmSregs cr3(long value) {
        return set(CR3, value);
    }

    /// CR4.
    public long cr4() {
        return memory.get(JAVA_LONG, CR4);
    }

    /// Sets CR4.
    public KvmSregs cr4(long value) {
        return set(CR4, value);
    }

    /// CR8, the task priority.
    public long cr8() {
        return memory.get(JAVA_LONG, CR8);
    }

    /// IA32_EFER.
    public long efer() {
        return memory.get(JAVA_LONG, EFER);
    }

    /// Sets IA32_EFER.
    public KvmSregs efer(long value) {
        return set(EFER, value);
    }

    /// IA32_APIC_BASE.
    public long apicBase() {
        return memory.get(JAVA_LONG, APIC_BASE);
    }

    /// Sets IA32_APIC_BASE.
    public KvmSregs apicBase(long value) {
        return set(APIC_BASE, value);
    }

    /// Whether CS is a 64-bit code segment; with EFER.LMA set, whether the CPU is in 64-bit mode.
    public boolean csLong() {
        return memory.get(JAVA_BYTE, CS_L) != 0;
    }

    /// A segment register.
    public Segment segment(Segment.Name name) {
        CStruct c = at(name);
        return new Segment(
                c.get("base"),
                c.getInt("limit"),
                c.getInt("selector"),
                c.getInt("type"),
                c.get("present") != 0,
                c.getInt("dpl"),
                c.get("db") != 0,
                c.get("s") != 0,
                c.get("l") != 0,
                c.get("g") != 0,
                c.get("unusable") != 0);
    }

    /// Sets a segment register.
    public KvmSregs segment(Segment.Name name, Segment segment) {
        at(name).set("base", segment.base())
                .set("limit", segment.limit())
                .set("selector", segment.selector())
                .set("type", segment.type())
                .set("present", bit(segment.present()))
                .set("dpl", segment.dpl())
                .set("db", bit(segment.db()))
                .set("s", bit(segment.s()))
                .set("l", bit(segment.l()))
                .set("g", bit(segment.g()))
                .set("unusable", bit(segment.unusable()));
        return this;
    }

    /// GDTR.
    public DescriptorTable gdt() {
        return table(GDT);
    }

    /// IDTR.
    public DescriptorTable idt() {
        return table(IDT);
    }

    /// Sets GDTR.
    ///
    /// @param limit 16 bits
    public KvmSregs gdt(long base, int limit) {
        return table(GDT, base, limit);
    }

    /// Sets IDTR.
    ///
    /// @param limit 16 bits
    public KvmSregs idt(long base, int limit) {
        return table(IDT, base, limit);
    }

    /// The structure's bytes, for saved state.
    public byte[] toBytes() {
        return memory.toArray(JAVA_BYTE);
    }

    MemorySegment memory() {
        return memory;
    }

    private KvmSregs set(long offset, long value) {
        memory.set(JAVA_LONG, offset, value);
        return this;
    }

    private DescriptorTable table(long offset) {
        CStruct c = new CStruct(memory.asSlice(offset), VcpuStructs.KVM_DTABLE);
        return new DescriptorTable(c.get("base"), c.getInt("limit"));
    }

    private KvmSregs table(long offset, long base, int limit) {
        new CStruct(memory.asSlice(offset), VcpuStructs.KVM_DTABLE)
                .set("base", base)
                .set("limit", limit);
        return this;
    }

    private CStruct at(Segment.Name name) {
        return new CStruct(memory.asSlice(name.offset(), KVM_SEGMENT.byteSize()), KVM_SEGMENT);
    }

    private static int bit(boolean value) {
        return value ? 1 : 0;
    }
}
