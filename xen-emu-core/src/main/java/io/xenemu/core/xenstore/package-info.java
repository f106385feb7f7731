/// `xen-emu xenstore`: the Xen tools' commands for a XenStore. They are clients of its socket as libxenstore is, so
/// they work with any daemon.
@NullMarked
package io.xenemu.core.xenstore;

import org.jspecify.annotations.NullMarked;
