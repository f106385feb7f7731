package io.xenemu.core.device;

/// The saved state of what the guest's ACPI tables describe.
///
/// @param events that the guest has not read ([AcpiEvents#save])
/// @param generation its VM generation id
public record AcpiState(int events, GenerationId generation) {}
