/// `xen-emu xenstore`: the Xen tools' commands for a XenStore. They are clients of its socket as libxenstore is, so
/// they work with any daemon.
///
/// Families of files:
///
/// - One class for each command: [LsCommand], [ReadCommand], [WriteCommand], [RmCommand], [ListCommand],
///   [ExistsCommand], [ChmodCommand], [WatchCommand], [DumpCommand], [RestoreCommand], all below [XenstoreCommand].
/// - Shared by them: [StoreTool], [PathsTool], [StoreConnection], [RequestFailed], [ToolOutput], [ValueText].
@NullMarked
package io.xenemu.core.xenstore;

import org.jspecify.annotations.NullMarked;
