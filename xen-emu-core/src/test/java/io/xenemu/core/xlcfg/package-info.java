@NullMarked
package io.xenemu.core.xlcfg;

import org.jspecify.annotations.NullMarked;
