package io.xenemu.kvm.ioctl;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;

/// One C structure in native memory, whose members are read and written by their C names. For ioctls that are not on
/// a hot path: every access looks the name up. A name that does not exist is a bug and throws.
///
/// @param memory at least the layout's size
/// @param layout the declaration
public record CStruct(MemorySegment memory, StructLayout layout) {
    /// A zeroed structure.
    public static CStruct allocate(Arena arena, StructLayout layout) {
        return new CStruct(arena.allocate(layout), layout);
    }

    /// A structure filled from saved bytes.
    ///
    /// @throws IllegalArgumentException if the length is not the structure's
    public static CStruct copyOf(Arena arena, StructLayout layout, byte[] saved) {
        CStruct struct = allocate(arena, layout);
        struct.setBytes(0, saved, layout.byteSize());
        return struct;
    }

    /// Stores the low bits of a value into a member, up to the member's size.
    public CStruct set(String path, long value) {
        CTypes.Member member = CTypes.member(layout, path);
        long at = member.offset();
        switch ((int) member.layout().byteSize()) {
            case 1 -> memory.set(JAVA_BYTE, at, (byte) value);
            case 2 -> memory.set(JAVA_SHORT_UNALIGNED, at, (short) value);
            case 4 -> memory.set(JAVA_INT_UNALIGNED, at, (int) value);
            case 8 -> memory.set(JAVA_LONG_UNALIGNED, at, value);
            default -> throw new IllegalArgumentException("not a number: " + path);
        }
        return this;
    }

    /// A member's value, unsigned.
    public long get(String path) {
        CTypes.Member member = CTypes.member(layout, path);
        long at = member.offset();
        return switch ((int) member.layout().byteSize()) {
            case 1 -> Byte.toUnsignedLong(memory.get(JAVA_BYTE, at));
            case 2 -> Short.toUnsignedLong(memory.get(JAVA_SHORT_UNALIGNED, at));
            case 4 -> Integer.toUnsignedLong(memory.get(JAVA_INT_UNALIGNED, at));
            case 8 -> memory.get(JAVA_LONG_UNALIGNED, at);
            default -> throw new IllegalArgumentException("not a number: " + path);
        };
    }

    /// A member of 32 bits.
    public int getInt(String path) {
        return (int) get(path);
    }

    /// A member that holds an address of this process's memory, to be given to an ioctl.
    public KvmDescriptor.Link address(String path, MemorySegment pointedTo) {
        return new KvmDescriptor.Link.Address(CTypes.member(layout, path).offset(), pointedTo);
    }

    /// A member that holds a descriptor of this process, to be given to an ioctl.
    public KvmDescriptor.Link descriptor(String path) {
        return new KvmDescriptor.Link.Descriptor(CTypes.member(layout, path).offset());
    }

    /// Copies an array into a member; the lengths must be equal.
    public CStruct setBytes(String path, byte[] value) {
        CTypes.Member member = CTypes.member(layout, path);
        setBytes(member.offset(), value, member.layout().byteSize());
        return this;
    }

    /// A copy of a member array.
    public byte[] getBytes(String path) {
        CTypes.Member member = CTypes.member(layout, path);
        return memory.asSlice(member.offset(), member.layout().byteSize()).toArray(JAVA_BYTE);
    }

    /// A copy of the whole structure.
    public byte[] toBytes() {
        return memory.asSlice(0, layout.byteSize()).toArray(JAVA_BYTE);
    }

    private void setBytes(long offset, byte[] value, long expected) {
        if (value.length != expected) {
            throw new IllegalArgumentException(
                    "%d bytes for %s, which has %d"
                            .formatted(value.length, layout.name().orElse("?"), expected));
        }
        MemorySegment.copy(value, 0, memory, JAVA_BYTE, offset, value.length);
    }
}
