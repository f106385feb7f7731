@NullMarked
package io.xenemu.core.memory;

import org.jspecify.annotations.NullMarked;
