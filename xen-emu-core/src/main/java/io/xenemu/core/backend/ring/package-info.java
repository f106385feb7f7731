/// The rings through which front ends send requests to the service's back ends and get answers (Xen's
/// `public/io/ring.h`): block devices, both directions of network devices, and their control ring.
///
/// [SharedRing] is the back end's side of one ring. [RingLayout] says how large its slots and answers are, and how
/// many slots fit, [RingState] is a ring's saved state. One thread at a time uses a ring; there are no locks here.
@NullMarked
package io.xenemu.core.backend.ring;

import org.jspecify.annotations.NullMarked;
