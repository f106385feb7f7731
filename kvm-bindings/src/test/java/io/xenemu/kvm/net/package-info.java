/// Tests of [io.xenemu.kvm.net] on taps of the machine that runs them.
@NullMarked
package io.xenemu.kvm.net;

import org.jspecify.annotations.NullMarked;
