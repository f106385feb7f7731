/// The launcher and the distribution that the build makes.
@NullMarked
package io.xenemu.it.start;

import org.jspecify.annotations.NullMarked;
