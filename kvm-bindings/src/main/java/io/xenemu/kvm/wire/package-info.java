/// The framing of saved state: type, version, length, body, CRC.
@NullMarked
package io.xenemu.kvm.wire;

import org.jspecify.annotations.NullMarked;
