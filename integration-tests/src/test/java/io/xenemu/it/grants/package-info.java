/// Guests of one service that share pages.
@NullMarked
package io.xenemu.it.grants;

import org.jspecify.annotations.NullMarked;
