@NullMarked
package io.xenemu.core.timer;

import org.jspecify.annotations.NullMarked;
