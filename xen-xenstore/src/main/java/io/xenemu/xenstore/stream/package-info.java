/// Xen's own migration stream of a store (`docs/designs/xenstore-migration.md`): the common format of xenstore
/// daemons, to move a store from one to another. [MigrationStream] is the entry point.
@NullMarked
package io.xenemu.xenstore.stream;

import org.jspecify.annotations.NullMarked;
