/// Tests of events of Java Flight Recorder.
@NullMarked
package io.xenemu.core.jfr;

import org.jspecify.annotations.NullMarked;
