/// The lab machine as tests have it.
@NullMarked
package io.xenemu.it.lab;

import org.jspecify.annotations.NullMarked;
