package io.xenemu.core.hypercall;

import io.xenemu.kvm.memory.GuestField;

/// A number that a [Check] looks at, as data.
sealed interface Operand {
    /// The number in this call, zero-extended.
    long of(HypercallContext call);

    /// A parameter register as `unsigned long` or a pointer.
    record Word(int parameter) implements Operand {
        @Override
        public long of(HypercallContext call) {
            return call.word(parameter);
        }
    }

    /// A parameter register as `unsigned int`.
    record U32(int parameter) implements Operand {
        @Override
        public long of(HypercallContext call) {
            return Integer.toUnsignedLong(call.u32(parameter));
        }
    }

    /// A parameter register as `domid_t`.
    record U16(int parameter) implements Operand {
        @Override
        public long of(HypercallContext call) {
            return call.word(parameter) & 0xffff;
        }
    }

    /// A field of the structure that was read before.
    record Field(GuestField field) implements Operand {
        @Override
        public long of(HypercallContext call) {
            return switch (field) {
                case GuestField.U8 f -> call.argument().get(f);
                case GuestField.U16 f -> call.argument().get(f);
                case GuestField.S16 f -> call.argument().get(f) & 0xffff;
                case GuestField.U32 f -> call.argument().get(f);
                case GuestField.S32 f -> Integer.toUnsignedLong(call.argument().get(f));
                case GuestField.U64 f -> call.argument().get(f);
                case GuestField.Ulong f -> call.argument().get(f);
                case GuestField.Handle f -> call.argument().get(f);
                case GuestField.Bytes _, GuestField.Array _ ->
                        throw new IllegalStateException("no number: " + field);
            };
        }
    }

    /// The sum of two, modulo 2^64.
    record Sum(Operand left, Operand right) implements Operand {
        @Override
        public long of(HypercallContext call) {
            return left.of(call) + right.of(call);
        }
    }
}
