/// The command line: `xen-emu run`, `demo`, `lab`.
@NullMarked
package io.xenemu.core.cli;

import org.jspecify.annotations.NullMarked;
