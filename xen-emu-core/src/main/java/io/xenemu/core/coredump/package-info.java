/// Core dumps of domains: a file of registers and memory, for the debuggers `crash` and gdb.
///
/// Start at [CoreDump].
///
/// - The file: [ElfCore] its layout, [CoreRange] and [CoreNotes] what is in it, [CoreFile] how it is written.
/// - Who waits for it: [DumpProgress].
@NullMarked
package io.xenemu.core.coredump;

import org.jspecify.annotations.NullMarked;
