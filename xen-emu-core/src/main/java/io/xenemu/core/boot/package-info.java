/// The initial state of a guest: memory map, kernel image, ACPI tables, CPUID leaves, CPU registers.
/// Nothing here calls KVM; the domain writes the results into its VM.
@NullMarked
package io.xenemu.core.boot;

import org.jspecify.annotations.NullMarked;
