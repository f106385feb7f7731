/// Tests of memory that comes while a guest runs.
@NullMarked
package io.xenemu.core.paging;

import org.jspecify.annotations.NullMarked;
