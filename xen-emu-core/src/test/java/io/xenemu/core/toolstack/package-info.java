@NullMarked
package io.xenemu.core.toolstack;

import org.jspecify.annotations.NullMarked;
