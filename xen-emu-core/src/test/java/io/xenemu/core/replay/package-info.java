/// Tests of replays.
@NullMarked
package io.xenemu.core.replay;

import org.jspecify.annotations.NullMarked;
