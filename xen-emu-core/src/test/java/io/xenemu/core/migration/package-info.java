/// Tests of the stream of saved guests: round trips, and streams that are damaged or hostile.
@NullMarked
package io.xenemu.core.migration;

import org.jspecify.annotations.NullMarked;
