/// Tests of the project's documents: what they say about commands, files, hypercalls and meters is what the code has.
@NullMarked
package io.xenemu.core.docs;

import org.jspecify.annotations.NullMarked;
