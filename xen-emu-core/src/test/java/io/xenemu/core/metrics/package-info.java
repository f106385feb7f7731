@NullMarked
package io.xenemu.core.metrics;

import org.jspecify.annotations.NullMarked;
