package io.xenemu.core.trace;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.xenemu.core.hypercall.HypercallOp;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.memory.FieldKind;
import io.xenemu.kvm.memory.GuestField;
import io.xenemu.kvm.memory.GuestStruct;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Gives the parts of a recorded call their names: the hypercall and its operation from the table, the members of
/// structures from their declarations.
public final class CallDecoder {
    /// The most elements of an array that are shown.
    private static final int MAX_ITEMS = 4;

    /// The most bytes that are shown.
    private static final int MAX_HEX = 32;

    /// Registers that are shown of a call whose arguments are not known.
    private static final int REGISTERS = 3;

    private static final long LOW_32 = 0xffff_ffffL;

    private final HypercallTable table;

    /// @param table gives hypercalls their names
    public CallDecoder(HypercallTable table) {
        this.table = table;
    }

    /// The row of a call.
    public HypercallOp row(TracedCall call) {
        return table.lookup(call.number(), call.word(0));
    }

    /// The arguments of a call after its operation.
    public List<Shown.Member> arguments(TracedCall call) {
        HypercallOp row = row(call);
        List<Argument> prototype = Prototypes.of(row.hypercall(), row.op());
        List<Shown.Member> arguments = new ArrayList<>();
        if (prototype == null) {
            int first = row.op().isEmpty() ? 0 : 1;
            for (int i = first; i < REGISTERS; i++) {
                arguments.add(new Shown.Member("arg" + (i + 1), address(call.word(i))));
            }
            return arguments;
        }
        CopiedBytes copied = new CopiedBytes(call);
        for (Argument argument : prototype) {
            arguments.add(argument(call, copied, argument));
        }
        return arguments;
    }

    private static Shown address(long value) {
        return new Shown.Word(value, true);
    }

    private static Shown.Member argument(TracedCall call, CopiedBytes copied, Argument argument) {
        return switch (argument) {
            case Argument.Value(String name, int register) ->
                    new Shown.Member(name, new Shown.Word(value(call, name, register), false));
            case Argument.Struct(GuestStruct type, int register) ->
                    new Shown.Member(
                            "arg", struct(call.width(), copied, type, call.word(register)));
            case Argument.Structs(GuestStruct type, int register, int count) ->
                    new Shown.Member(
                            "args",
                            structs(
                                    call.width(),
                                    copied,
                                    type,
                                    call.word(register),
                                    call.word(count) & LOW_32));
            case Argument.Data(String name, int register) ->
                    new Shown.Member(name, data(copied, call.word(register)));
        };
    }

    /// A 32-bit caller passes a time in two registers.
    private static long value(TracedCall call, String name, int register) {
        long value = call.word(register);
        if (name.equals("timeout")) {
            return call.width() == GuestWidth.BITS_64
                    ? value
                    : call.word(register + 1) << 32 | value;
        }
        return value & LOW_32;
    }

    private static Shown structs(
            GuestWidth width, CopiedBytes copied, GuestStruct type, long address, long count) {
        List<Shown> items = new ArrayList<>();
        for (int i = 0; i < Math.min(count, MAX_ITEMS); i++) {
            items.add(struct(width, copied, type, address + (long) type.size(width) * i));
        }
        return new Shown.Items(items, count > MAX_ITEMS);
    }

    /// The members that were copied; the address alone if none was.
    private static Shown struct(
            GuestWidth width, CopiedBytes copied, GuestStruct type, long address) {
        List<Shown.Member> members = new ArrayList<>();
        for (GuestStruct.Member member : type.members()) {
            if (member.name().startsWith("_") || member.name().startsWith("pad")) {
                continue;
            }
            GuestField field = member.field();
            long at = address + field.offset(width);
            byte[] before = copied.find(AccessKind.IN, at, field.size(width));
            byte[] after = copied.find(AccessKind.OUT, at, field.size(width));
            Shown value = changed(field, width, before, after);
            if (value != null) {
                members.add(new Shown.Member(member.name(), value));
            }
        }
        return members.isEmpty() ? address(address) : new Shown.Members(members);
    }

    private static @Nullable Shown changed(
            GuestField field, GuestWidth width, byte @Nullable [] before, byte @Nullable [] after) {
        if (before == null) {
            return after == null ? null : value(field, width, after);
        }
        Shown old = value(field, width, before);
        return after == null || Arrays.equals(before, after)
                ? old
                : new Shown.Changed(old, value(field, width, after));
    }

    private static Shown value(GuestField field, GuestWidth width, byte[] bytes) {
        return switch (field) {
            case GuestField.U8 _, GuestField.U16 _, GuestField.U32 _ ->
                    new Shown.Word(number(bytes, 0, bytes.length), false);
            case GuestField.S16 _ -> new Shown.Word((short) number(bytes, 0, 2), false);
            case GuestField.S32 _ -> new Shown.Word((int) number(bytes, 0, 4), false);
            case GuestField.U64 _, GuestField.Ulong _, GuestField.Handle _ ->
                    address(number(bytes, 0, bytes.length));
            case GuestField.Bytes _ -> bytes(bytes);
            case GuestField.Array array -> array(array.kind(), width, bytes);
        };
    }

    private static Shown array(FieldKind kind, GuestWidth width, byte[] bytes) {
        int size = kind.size(width);
        List<Shown> items = new ArrayList<>();
        int count = bytes.length / size;
        for (int i = 0; i < Math.min(count, MAX_ITEMS); i++) {
            items.add(new Shown.Word(number(bytes, i * size, size), false));
        }
        return new Shown.Items(items, count > MAX_ITEMS);
    }

    private static long number(byte[] bytes, int offset, int size) {
        long value = 0;
        for (int i = size - 1; i >= 0; i--) {
            value = value << Byte.SIZE | Byte.toUnsignedLong(bytes[offset + i]);
        }
        return value;
    }

    private static Shown data(CopiedBytes copied, long address) {
        byte[] out = copied.from(AccessKind.OUT, address);
        byte[] bytes = out.length > 0 ? out : copied.from(AccessKind.IN, address);
        if (bytes.length == 0) {
            return address(address);
        }
        return bytes.length <= Long.BYTES ? address(number(bytes, 0, bytes.length)) : bytes(bytes);
    }

    private static Shown bytes(byte[] bytes) {
        int end = 0;
        while (end < bytes.length && bytes[end] >= ' ' && bytes[end] < 0x7f) {
            end++;
        }
        boolean isText = end > 0 && (end == bytes.length || bytes[end] == 0);
        int shown = Math.min(bytes.length, MAX_HEX);
        return isText
                ? new Shown.Text(new String(bytes, 0, end, US_ASCII))
                : new Shown.Hex(HexFormat.of().formatHex(bytes, 0, shown), shown < bytes.length);
    }
}
