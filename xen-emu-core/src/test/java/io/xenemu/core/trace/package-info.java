/// Tests of the flight recorder.
@NullMarked
package io.xenemu.core.trace;

import org.jspecify.annotations.NullMarked;
