@NullMarked
package io.xenemu.core.cli;

import org.jspecify.annotations.NullMarked;
