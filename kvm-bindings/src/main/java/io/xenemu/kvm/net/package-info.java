/// Network devices of the host: taps and bridges, without other processes.
///
/// [Tap] is one queue of a tap, a descriptor through which frames go in both directions; [TapOffload] says what its
/// kernel side leaves to the other end. [NetInterface] changes an interface by its name.
@NullMarked
package io.xenemu.kvm.net;

import org.jspecify.annotations.NullMarked;
