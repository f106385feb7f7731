@NullMarked
package io.xenemu.xenstore;

import org.jspecify.annotations.NullMarked;
