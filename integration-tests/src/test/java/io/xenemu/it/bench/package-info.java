/// The benchmark program: ours, the peer and the floor side by side in one lab machine.
@NullMarked
package io.xenemu.it.bench;

import org.jspecify.annotations.NullMarked;
