/// Tests of the project's documents: their commands, files, hypercalls and meters are those of the code.
@NullMarked
package io.xenemu.core.docs;

import org.jspecify.annotations.NullMarked;
