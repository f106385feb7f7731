/// Tests in the lab machine, and of it.
@NullMarked
package io.xenemu.it.lab;

import org.jspecify.annotations.NullMarked;
