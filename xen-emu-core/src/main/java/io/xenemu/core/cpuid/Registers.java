package io.xenemu.core.cpuid;

/// The answer to a CPUID query, or the halves of an MSR in `eax` and `edx`.
record Registers(int eax, int ebx, int ecx, int edx) {
    static final Registers ZERO = new Registers(0, 0, 0, 0);

    int get(Register register) {
        return switch (register) {
            case EAX -> eax;
            case EBX -> ebx;
            case ECX -> ecx;
            case EDX -> edx;
        };
    }

    /// These registers with another value in one of them.
    Registers with(Register register, int value) {
        return switch (register) {
            case EAX -> new Registers(value, ebx, ecx, edx);
            case EBX -> new Registers(eax, value, ecx, edx);
            case ECX -> new Registers(eax, ebx, value, edx);
            case EDX -> new Registers(eax, ebx, ecx, value);
        };
    }

    /// Only the bits that are set in the masks.
    Registers and(int eaxMask, int ebxMask, int ecxMask, int edxMask) {
        return new Registers(eax & eaxMask, ebx & ebxMask, ecx & ecxMask, edx & edxMask);
    }

    /// Orders by the registers' unsigned values, EAX first.
    int compareUnsigned(Registers other) {
        for (Register register : Register.values()) {
            int order = Integer.compareUnsigned(get(register), other.get(register));
            if (order != 0) {
                return order;
            }
        }
        return 0;
    }
}
