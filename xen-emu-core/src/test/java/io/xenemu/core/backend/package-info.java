/// Tests of the frame of back ends.
///
/// Start at [ServedGuest]: a domain on a fake VM whose devices the service serves, and its guest's end in plain words.
/// [NullKind] is a device that does nothing and counts.
@NullMarked
package io.xenemu.core.backend;

import org.jspecify.annotations.NullMarked;
