@NullMarked
package io.xenemu.core.pv;

import org.jspecify.annotations.NullMarked;
