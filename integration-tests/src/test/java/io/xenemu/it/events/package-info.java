/// Event channels between guests of one service.
@NullMarked
package io.xenemu.it.events;

import org.jspecify.annotations.NullMarked;
