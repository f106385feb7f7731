/// Tests of core dumps, which parse them back.
@NullMarked
package io.xenemu.core.coredump;

import org.jspecify.annotations.NullMarked;
