@NullMarked
package io.xenemu.core.device;

import org.jspecify.annotations.NullMarked;
