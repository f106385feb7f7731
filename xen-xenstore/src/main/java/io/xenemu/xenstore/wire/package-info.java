/// The protocol of Xen's `docs/misc/xenstore.txt` and `xen/io/xs_wire.h`: message types, requests, errors by name.
@NullMarked
package io.xenemu.xenstore.wire;

import org.jspecify.annotations.NullMarked;
