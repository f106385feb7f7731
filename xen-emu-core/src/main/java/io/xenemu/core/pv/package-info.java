/// Paravirtual devices between two domains, of which one has the back end (a driver domain): their XenStore nodes, as libxl
/// writes them.
@NullMarked
package io.xenemu.core.pv;

import org.jspecify.annotations.NullMarked;
