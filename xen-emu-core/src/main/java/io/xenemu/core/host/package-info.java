@NullMarked
package io.xenemu.core.host;

import org.jspecify.annotations.NullMarked;
