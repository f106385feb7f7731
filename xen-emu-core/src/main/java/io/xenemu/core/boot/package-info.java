/// The state of a guest when its first vCPU starts: memory map, kernel image, ACPI tables, registers.
/// Nothing here calls KVM; the domain writes the results into its VM.
///
/// Start at [KernelImage] and [GuestMemoryMap].
///
/// Families of files:
///
/// - Kernels: [KernelImage] is a [BzImage] or an [ElfImage] ([ElfNotes], [ElfSegments]), read by [ImageReader].
/// - Files: [BootFiles], [KeptBootFiles] with [NamelessFile], [BootContent], [FileContent], [GzipContent],
///   [BootModule], and [BootLoader], which says where GRUB is. What cannot be booted is a [BootException].
/// - Memory: [GuestMemoryMap], [MachineLayout], [AddressWidth], [BootMemory], [Placement], [BootRequest].
/// - Structures for the kernel: [BootParams] (Linux's protocol), [StartInfo] (PVH), [CpuEntry], [HypercallPage].
/// - ACPI: [AcpiTables], [AcpiTable], [Dsdt], [Aml].
///
/// No locks: one thread builds a guest.
@NullMarked
package io.xenemu.core.boot;

import org.jspecify.annotations.NullMarked;
