/// Unmodified Linux kernels as guests, in the lab.
@NullMarked
package io.xenemu.it.linux;

import org.jspecify.annotations.NullMarked;
