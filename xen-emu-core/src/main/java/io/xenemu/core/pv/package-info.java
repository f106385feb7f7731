/// Paravirtual devices between two domains, one of which is a driver domain with the back end: their XenStore nodes,
/// as libxl writes them.
@NullMarked
package io.xenemu.core.pv;

import org.jspecify.annotations.NullMarked;
