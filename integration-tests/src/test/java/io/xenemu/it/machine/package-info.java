/// The lab machine itself.
@NullMarked
package io.xenemu.it.machine;

import org.jspecify.annotations.NullMarked;
