/// Xen grant tables: entries in versions 1 and 2, mappings, copies, limits and saved state.
@NullMarked
package io.xenemu.gnttab;

import org.jspecify.annotations.NullMarked;
