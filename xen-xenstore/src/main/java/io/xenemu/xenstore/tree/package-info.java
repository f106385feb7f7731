/// The immutable tree of nodes. Pure values: nothing here knows clients, watches or transports, and nothing is
/// locked.
///
/// [Node] is a node, [Path] its name, [Permissions] with [Access] its permission list, [Children] its children.
/// [Listing] is the text of DIRECTORY. [TreeDifference] is what turns one version of a tree into another.
@NullMarked
package io.xenemu.xenstore.tree;

import org.jspecify.annotations.NullMarked;
