@NullMarked
package io.xenemu.core.control;

import org.jspecify.annotations.NullMarked;
