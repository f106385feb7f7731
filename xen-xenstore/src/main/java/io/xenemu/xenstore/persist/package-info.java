/// Keeps a store in a file, so that every acknowledged change survives the end of the process (`xen-emu xenstored --persist`).
///
/// [io.xenemu.xenstore.persist.Journal] writes what has changed between two versions of the immutable tree, which costs
/// nothing where a change is made. [io.xenemu.xenstore.persist.RecordFile] is the layout of the file.
@NullMarked
package io.xenemu.xenstore.persist;

import org.jspecify.annotations.NullMarked;
