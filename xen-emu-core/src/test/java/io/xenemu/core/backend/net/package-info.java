/// Tests of [io.xenemu.core.backend.net] with a scripted front end in plain memory.
@NullMarked
package io.xenemu.core.backend.net;

import org.jspecify.annotations.NullMarked;
