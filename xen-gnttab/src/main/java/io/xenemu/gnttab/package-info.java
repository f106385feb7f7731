/// Xen grant tables: frames, versions and their saved state.
@NullMarked
package io.xenemu.gnttab;

import org.jspecify.annotations.NullMarked;
