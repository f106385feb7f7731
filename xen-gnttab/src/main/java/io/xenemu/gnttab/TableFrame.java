package io.xenemu.gnttab;

/// A page of a grant table, as `XENMEM_add_to_physmap` names it.
///
/// @param isStatus whether it is one of version 2's status words, else of entries
/// @param index counted from 0 in its kind
public record TableFrame(boolean isStatus, int index) {}
