package io.xenemu.core.cpuid;

import java.util.Locale;

/// One of the four registers in which CPUID answers.
enum Register {
    EAX,
    EBX,
    ECX,
    EDX;

    /// Its name as operators and libxl write it.
    String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
