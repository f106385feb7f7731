@NullMarked
package io.xenemu.core.boot;

import org.jspecify.annotations.NullMarked;
