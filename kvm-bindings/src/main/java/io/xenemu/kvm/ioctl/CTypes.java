package io.xenemu.kvm.ioctl;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SequenceLayout;
import java.lang.foreign.StructLayout;
import java.lang.foreign.UnionLayout;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/// The vocabulary of the structure declarations: the types of `linux/types.h`, with C's member names.
public final class CTypes {
    private CTypes() {}

    public static ValueLayout u8(String name) {
        return JAVA_BYTE.withName(name);
    }

    public static ValueLayout u16(String name) {
        return JAVA_SHORT.withName(name);
    }

    public static ValueLayout u32(String name) {
        return JAVA_INT.withName(name);
    }

    public static ValueLayout u64(String name) {
        return JAVA_LONG.withName(name);
    }

    public static SequenceLayout array(String name, long count, MemoryLayout element) {
        return MemoryLayout.sequenceLayout(count, element).withName(name);
    }

    public static SequenceLayout bytes(String name, long count) {
        return array(name, count, JAVA_BYTE);
    }

    public static MemoryLayout pad(long bytes) {
        return MemoryLayout.paddingLayout(bytes);
    }

    public static StructLayout struct(String name, MemoryLayout... members) {
        return MemoryLayout.structLayout(members).withName(name);
    }

    public static UnionLayout union(String name, MemoryLayout... members) {
        return MemoryLayout.unionLayout(members).withName(name);
    }

    /// A union without a name in C: its members are named as if they were the structure's own.
    public static UnionLayout anonymousUnion(MemoryLayout... members) {
        return MemoryLayout.unionLayout(members);
    }

    /// The offset of a member by its C name, such as `u.timer.port`.
    public static long offset(GroupLayout group, String path) {
        return find(group, path, 0).offset;
    }

    /// A member's place and type.
    public record Member(long offset, MemoryLayout layout) {}

    public static Member member(GroupLayout group, String path) {
        return find(group, path, 0);
    }

    private static Member find(GroupLayout group, String path, long base) {
        int dot = path.indexOf('.');
        String head = dot < 0 ? path : path.substring(0, dot);
        Member found = search(group, head, base);
        if (found == null) {
            throw new IllegalArgumentException("no member " + path + " in " + group);
        }
        return dot < 0
                ? found
                : find((GroupLayout) found.layout, path.substring(dot + 1), found.offset);
    }

    private static @Nullable Member search(GroupLayout group, String name, long base) {
        long at = base;
        for (MemoryLayout member : group.memberLayouts()) {
            if (name.equals(member.name().orElse(""))) {
                return new Member(at, member);
            }
            if (member.name().isEmpty() && member instanceof GroupLayout anonymous) {
                Member inner = search(anonymous, name, at);
                if (inner != null) {
                    return inner;
                }
            }
            if (group instanceof StructLayout) {
                at += member.byteSize();
            }
        }
        return null;
    }
}
