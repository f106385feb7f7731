@NullMarked
package io.xenemu.core.guest;

import org.jspecify.annotations.NullMarked;
