/// Keeps a store in a file, so that every confirmed change survives the end of the process (`xen-emu xenstored
/// --persist`).
///
/// [io.xenemu.xenstore.persist.Journal] writes the differences between two versions of the immutable tree, so that
/// making a change costs nothing extra. [io.xenemu.xenstore.persist.RecordFile] defines the layout of the file.
@NullMarked
package io.xenemu.xenstore.persist;

import org.jspecify.annotations.NullMarked;
