@NullMarked
package io.xenemu.core.domain;

import org.jspecify.annotations.NullMarked;
