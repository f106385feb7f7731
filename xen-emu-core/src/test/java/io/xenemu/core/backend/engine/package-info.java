@NullMarked
package io.xenemu.core.backend.engine;

import org.jspecify.annotations.NullMarked;
