package io.xenemu.gnttab;

/// A page of a grant table, as `XENMEM_add_to_physmap` names it.
///
/// @param isStatus true for a page of version 2's status words, false for a page of entries
/// @param index counted from 0 within its kind
public record TableFrame(boolean isStatus, int index) {}
