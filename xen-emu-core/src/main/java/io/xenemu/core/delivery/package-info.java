@NullMarked
package io.xenemu.core.delivery;

import org.jspecify.annotations.NullMarked;
