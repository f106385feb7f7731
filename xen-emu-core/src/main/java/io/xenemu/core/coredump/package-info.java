/// Core dumps of domains: a file of registers and memory, for the debuggers `crash` and gdb.
///
/// Start at [CoreDump].
///
/// - The file: [ElfCore] is its layout, [CoreRange] and [CoreNotes] are its contents, and [CoreFile] writes it.
@NullMarked
package io.xenemu.core.coredump;

import org.jspecify.annotations.NullMarked;
