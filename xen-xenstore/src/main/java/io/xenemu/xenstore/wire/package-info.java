/// The protocol of Xen's `docs/misc/xenstore.txt` and `xen/io/xs_wire.h`. Pure values, and no locks.
///
/// [MessageHeader] stands in front of every payload and has a [MessageType]. [RequestDecoder] makes a [Request] of
/// a payload. [WireError] has the errors by name, [Features] the bits of `server_features`.
@NullMarked
package io.xenemu.xenstore.wire;

import org.jspecify.annotations.NullMarked;
