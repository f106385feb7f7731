/// The framing of saved state. A stream is a header, then frames, then an end frame. All numbers are little-endian:
///
/// ```
/// header  magic u64 "XENEMUST", format u32 (1)
/// frame   type u32, version u32, length u32, body of that length, CRC32C u32 of all before it in the frame
/// end     a frame with type 0, version 0 and length 0
/// ```
///
/// A type names a component, a version the layout of its body. Nothing is skipped, since that would lose a guest's
/// state. An unknown type, an unknown version, bytes left over in a body, bytes missing anywhere and a wrong checksum
/// are errors ([WireException]).
///
/// [FrameWriter] and [FrameReader] have the frames, [BodyWriter] and [BodyReader] their bodies, [WireLimits] the
/// limits of both sides.
@NullMarked
package io.xenemu.kvm.wire;

import org.jspecify.annotations.NullMarked;
