/// Saved state of a store, as plain values, and its bytes in a frame.
///
/// [XenStoreState] is the state: of a whole store or of one domain. [XenStoreCodec] is its body, in all versions. The
/// package `stream` has the same state in Xen's format.
///
/// No locks: everything works on values.
@NullMarked
package io.xenemu.xenstore.state;

import org.jspecify.annotations.NullMarked;
