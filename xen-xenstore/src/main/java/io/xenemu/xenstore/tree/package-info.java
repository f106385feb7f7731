/// The immutable tree of nodes: paths, permissions, children. Pure values; nothing here knows clients, watches or
/// transports.
@NullMarked
package io.xenemu.xenstore.tree;

import org.jspecify.annotations.NullMarked;
