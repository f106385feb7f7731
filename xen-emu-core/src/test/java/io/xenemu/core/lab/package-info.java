@NullMarked
package io.xenemu.core.lab;

import org.jspecify.annotations.NullMarked;
