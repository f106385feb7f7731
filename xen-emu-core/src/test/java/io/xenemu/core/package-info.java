@NullMarked
package io.xenemu.core;

import org.jspecify.annotations.NullMarked;
