package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.wire.Request;
import java.util.List;
import java.util.Map;

/// A store, or the part of one that belongs to a domain, as plain values. Rings' pages are guest memory and travel with it.
/// Clients of the socket and of this process are not saved: they connect and watch anew.
///
/// @param nodes parents before children, siblings in order of creation
/// @param introducePermissions of `@introduceDomain`
/// @param releasePermissions of `@releaseDomain`
/// @param domains those that were introduced
public record XenStoreState(
        List<NodeState> nodes,
        Permissions introducePermissions,
        Permissions releasePermissions,
        List<DomainState> domains) {
    public XenStoreState {
        nodes = List.copyOf(nodes);
        domains = List.copyOf(domains);
    }

    /// One node.
    ///
    /// @param ordinal its place among its siblings
    /// @param generation what DIRECTORY_PART tells, so that a listing in several parts survives
    @SuppressWarnings(
            "ArrayRecordComponent") // the tree's own array, which nobody modifies; equality is the
    // codec's
    public record NodeState(
            Path path, byte[] value, Permissions permissions, long ordinal, long generation) {}

    /// One introduced domain and its connection.
    ///
    /// @param target the domain that it may also act as; itself if none
    /// @param shutdown whether `@releaseDomain` has fired for its shutdown
    /// @param failed whether its ring is in the error state
    /// @param input the part of a request that has been taken off the ring
    /// @param output what waits for room in the ring; may start within a message
    /// @param watches in order of registration
    /// @param transactions open ones
    @SuppressWarnings("ArrayRecordComponent") // copied when made; equality is the codec's
    public record DomainState(
            DomId domain,
            DomId target,
            boolean shutdown,
            boolean failed,
            byte[] input,
            byte[] output,
            List<WatchState> watches,
            List<TransactionState> transactions) {
        public DomainState {
            watches = List.copyOf(watches);
            transactions = List.copyOf(transactions);
        }
    }

    /// One watch.
    @SuppressWarnings(
            "ArrayRecordComponent") // the watch's own array, which nobody modifies; equality is the
    // codec's
    public record WatchState(Path path, byte[] token, boolean relative) {}

    /// One open transaction: what it has changed and what it depends on, not its snapshot. It goes on from the restored
    /// tree, where by its dependencies it would have given the same answers.
    ///
    /// @param doomed whether it was in conflict already, so that its end has to be EAGAIN
    /// @param changes in order
    /// @param dependencies aspects of nodes, as bits of [Dependencies]
    public record TransactionState(
            int id, boolean doomed, List<Request.Change> changes, Map<Path, Integer> dependencies) {
        public TransactionState {
            changes = List.copyOf(changes);
            dependencies = Map.copyOf(dependencies);
        }
    }
}
