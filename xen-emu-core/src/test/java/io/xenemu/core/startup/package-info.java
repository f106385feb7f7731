@NullMarked
package io.xenemu.core.startup;

import org.jspecify.annotations.NullMarked;
