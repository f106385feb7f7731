@NullMarked
package io.xenemu.core.machine;

import org.jspecify.annotations.NullMarked;
