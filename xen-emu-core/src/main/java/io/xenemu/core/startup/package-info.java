/// What keeps the JVM's start short.
@NullMarked
package io.xenemu.core.startup;

import org.jspecify.annotations.NullMarked;
