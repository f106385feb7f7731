package io.xenemu.kvm.memory;

import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/// The private copy of the structure that a hypercall's argument points to. There is one per vCPU, reused by every
/// hypercall and used only by the thread that serves that vCPU's exits:
///
/// ```java
/// argument.copyIn(EvtchnBindVirq.STRUCT, address);
/// long virq = argument.get(EvtchnBindVirq.VIRQ);
/// argument.set(EvtchnBindVirq.PORT, port);
/// argument.copyOut(EvtchnBindVirq.PORT, address);
/// ```
///
/// It holds one structure at a time; a hypercall that nests another (multicall) keeps its own values in variables and
/// writes its result with [#linear()]. The caller's width selects the layout of every field. Getters read the copy,
/// so a checked value stays the same. Throws [XenError#EFAULT] exactly if a byte of the guest's structure cannot be
/// reached; then nothing was written to the guest. No allocation, lock or ioctl.
public final class GuestArgument {
    /// The size of the copy: more than any structure passed by address; longer data goes in pieces through
    /// [#linear()].
    public static final int CAPACITY = GuestMemory.PAGE_SIZE;

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// The largest index of an array in guest memory: counts are 32-bit everywhere in Xen's interface.
    private static final long MAX_INDEX = 0xffff_ffffL;

    private final CpuState cpu;
    private final LinearMemory linear;
    private final MemorySegment copy;

    /// An empty argument of the vCPU whose registers are `cpu`. `arena` belongs to that vCPU and gives the buffer.
    public GuestArgument(GuestMemory memory, CpuState cpu, Arena arena) {
        this(cpu, new LinearMemory(memory, cpu), arena);
    }

    /// An empty argument in an address space whose pages `walk` finds.
    public GuestArgument(GuestMemory memory, CpuState cpu, LinearTranslation walk, Arena arena) {
        this(cpu, new LinearMemory(memory, cpu, walk), arena);
    }

    private GuestArgument(CpuState cpu, LinearMemory linear, Arena arena) {
        this.cpu = cpu;
        this.linear = linear;
        this.copy = arena.allocate(CAPACITY, Long.BYTES);
    }

    /// The width of the hypercall that is being served.
    public GuestWidth width() {
        return cpu.width();
    }

    /// The caller's address space, for data that is not one structure: strings, byte ranges, arrays of numbers.
    public LinearMemory linear() {
        return linear;
    }

    /// `sizeof` in the caller's width.
    public int size(GuestStruct struct) {
        return struct.size(width());
    }

    /// Address of element `index` (0 to 2^32 - 1) of an array of structures at `address`.
    ///
    /// @throws IndexOutOfBoundsException for any other index: the caller compares with the guest's count
    public long element(GuestStruct struct, long address, long index) {
        if (index < 0 || index > MAX_INDEX) {
            throw new IndexOutOfBoundsException("element " + index);
        }
        return address + index * size(struct);
    }

    /// Copies the structure at `address` in.
    public void copyIn(GuestStruct struct, long address) throws XenError {
        linear.copyIn(address, copy, 0, size(struct));
    }

    /// Copies element `index` of the array of structures at `address` in.
    public void copyIn(GuestStruct struct, long address, long index) throws XenError {
        copyIn(struct, element(struct, address, index));
    }

    /// Writes the whole structure back to `address`, padding included. If it was not copied in, call [#clear] first.
    public void copyOut(GuestStruct struct, long address) throws XenError {
        linear.copyOut(copy, 0, address, size(struct));
    }

    /// Writes element `index` of the array of structures at `address`.
    public void copyOut(GuestStruct struct, long address, long index) throws XenError {
        copyOut(struct, element(struct, address, index));
    }

    /// Writes one field of the structure at `address`, like Xen's `__copy_field_to_guest`.
    public void copyOut(GuestField field, long address) throws XenError {
        GuestWidth width = width();
        int offset = field.offset(width);
        linear.copyOut(copy, offset, address + offset, field.size(width));
    }

    /// Zeroes the bytes of the structure, so that an answer contains nothing of an earlier hypercall.
    public void clear(GuestStruct struct) {
        int size = size(struct);
        for (int i = 0; i < size; i++) {
            copy.set(ValueLayout.JAVA_BYTE, i, (byte) 0);
        }
    }

    /// 0 to 0xff.
    public int get(GuestField.U8 field) {
        return Byte.toUnsignedInt(copy.get(ValueLayout.JAVA_BYTE, field.offset(width())));
    }

    /// 0 to 0xffff.
    public int get(GuestField.U16 field) {
        return Short.toUnsignedInt(copy.get(SHORT, field.offset(width())));
    }

    /// -0x8000 to 0x7fff.
    public int get(GuestField.S16 field) {
        return copy.get(SHORT, field.offset(width()));
    }

    /// 0 to 0xffffffff, as a `long` so that comparing it with a limit is right.
    public long get(GuestField.U32 field) {
        return Integer.toUnsignedLong(copy.get(INT, field.offset(width())));
    }

    /// The 32 bits of an unsigned field, for a number whose sign the caller gives no meaning.
    public int bits(GuestField.U32 field) {
        return (int) (get(field) & 0xffff_ffffL);
    }

    /// 32 bits, signed.
    public int get(GuestField.S32 field) {
        return copy.get(INT, field.offset(width()));
    }

    /// 64 bits, unsigned for the guest: compare with `Long.compareUnsigned`.
    public long get(GuestField.U64 field) {
        return copy.get(LONG, field.offset(width()));
    }

    /// The caller's `unsigned long`, zero-extended from 32 bits.
    public long get(GuestField.Ulong field) {
        return word(field.offset32(), field.offset64());
    }

    /// A pointer of the caller, zero-extended from 32 bits; 0 is a null handle.
    public long get(GuestField.Handle field) {
        return word(field.offset32(), field.offset64());
    }

    /// Element `index` of an array, zero-extended.
    ///
    /// @throws IndexOutOfBoundsException outside the declared array
    public long get(GuestField.Array field, int index) {
        GuestWidth width = width();
        int offset = field.offset(width, index);
        return switch (field.kind().size(width)) {
            case 1 -> Byte.toUnsignedLong(copy.get(ValueLayout.JAVA_BYTE, offset));
            case 2 -> Short.toUnsignedLong(copy.get(SHORT, offset));
            case 4 -> Integer.toUnsignedLong(copy.get(INT, offset));
            default -> copy.get(LONG, offset);
        };
    }

    /// Sets the low 8 bits of `value`.
    public void set(GuestField.U8 field, int value) {
        copy.set(ValueLayout.JAVA_BYTE, field.offset(width()), (byte) value);
    }

    /// Sets the low 16 bits of `value`.
    public void set(GuestField.U16 field, int value) {
        copy.set(SHORT, field.offset(width()), (short) value);
    }

    /// Sets the low 16 bits of `value`.
    public void set(GuestField.S16 field, int value) {
        copy.set(SHORT, field.offset(width()), (short) value);
    }

    /// Sets the low 32 bits of `value`.
    public void set(GuestField.U32 field, long value) {
        copy.set(INT, field.offset(width()), (int) value);
    }

    /// Sets 32 bits.
    public void set(GuestField.S32 field, int value) {
        copy.set(INT, field.offset(width()), value);
    }

    /// Sets 64 bits.
    public void set(GuestField.U64 field, long value) {
        copy.set(LONG, field.offset(width()), value);
    }

    /// Sets the caller's `unsigned long`: the low 32 bits of `value` for a 32-bit caller.
    public void set(GuestField.Ulong field, long value) {
        setWord(field.offset32(), field.offset64(), value);
    }

    /// Sets a pointer of the caller, truncated to its width.
    public void set(GuestField.Handle field, long value) {
        setWord(field.offset32(), field.offset64(), value);
    }

    /// Sets element `index` of an array to the low bits of `value`.
    ///
    /// @throws IndexOutOfBoundsException outside the declared array
    public void set(GuestField.Array field, int index, long value) {
        GuestWidth width = width();
        int offset = field.offset(width, index);
        switch (field.kind().size(width)) {
            case 1 -> copy.set(ValueLayout.JAVA_BYTE, offset, (byte) value);
            case 2 -> copy.set(SHORT, offset, (short) value);
            case 4 -> copy.set(INT, offset, (int) value);
            default -> copy.set(LONG, offset, value);
        }
    }

    /// Sets a byte field to `source`, filled up with zeros.
    ///
    /// @throws IllegalArgumentException when `source` is longer than the field
    public void set(GuestField.Bytes field, byte[] source) {
        GuestWidth width = width();
        int offset = field.offset(width);
        int size = field.size(width);
        if (source.length > size) {
            throw new IllegalArgumentException(source.length + " bytes for a field of " + size);
        }
        MemorySegment.copy(source, 0, copy, ValueLayout.JAVA_BYTE, offset, source.length);
        for (int i = source.length; i < size; i++) {
            copy.set(ValueLayout.JAVA_BYTE, offset + i, (byte) 0);
        }
    }

    /// Copies a byte field to the start of `target`, which is at least as long.
    public void get(GuestField.Bytes field, byte[] target) {
        GuestWidth width = width();
        MemorySegment.copy(
                copy, ValueLayout.JAVA_BYTE, field.offset(width), target, 0, field.size(width));
    }

    private long word(int offset32, int offset64) {
        return cpu.longMode()
                ? copy.get(LONG, offset64)
                : Integer.toUnsignedLong(copy.get(INT, offset32));
    }

    private void setWord(int offset32, int offset64, long value) {
        if (cpu.longMode()) {
            copy.set(LONG, offset64, value);
        } else {
            copy.set(INT, offset32, (int) value);
        }
    }
}
