package io.xenemu.core.hypervisor;

import java.time.Duration;
import java.util.Optional;

/// An operator's wishes for a migration.
///
/// @param downtimeLimit the longest estimated time to send the last pages for which the guest is stopped
/// @param bytesPerSecond the most bytes that are sent while the guest runs; 0 for no limit
/// @param timeout after which it is cancelled or forced, while the guest runs
/// @param force whether the guest is stopped after the time-out, whatever the estimate
/// @param throttles whether the guest's vCPUs are slowed down if it writes faster than its pages are sent
/// @param onlyAsks whether it ends when both sides have said that they could do it
/// @param postCopy whether the guest moves after one round, and its other pages follow it
/// @param trustsStorage whether the guest moves even if the other host does not see the locks of its disks
/// @param copiesStorage whether the content of its disks goes with it
/// @param replacesStorage whether a copy takes the place of a file that is there
/// @param streams the number of connections for its pages
public record MigrationOptions(
        Duration downtimeLimit,
        long bytesPerSecond,
        Optional<Duration> timeout,
        boolean force,
        boolean throttles,
        boolean onlyAsks,
        boolean trustsStorage,
        boolean postCopy,
        boolean copiesStorage,
        boolean replacesStorage,
        int streams) {
    /// With disks that both hosts see, which is checked, and without post-copy.
    public MigrationOptions(
            Duration downtimeLimit,
            long bytesPerSecond,
            Optional<Duration> timeout,
            boolean force,
            boolean throttles,
            boolean onlyAsks) {
        this(
                downtimeLimit,
                bytesPerSecond,
                timeout,
                force,
                throttles,
                onlyAsks,
                false,
                false,
                false,
                false,
                1);
    }

    /// The same, by post-copy.
    public MigrationOptions withPostCopy() {
        return with(trustsStorage, true, copiesStorage, replacesStorage);
    }

    /// The same, with trust in the storage.
    public MigrationOptions withTrust() {
        return with(true, postCopy, copiesStorage, replacesStorage);
    }

    /// The same, with the content of the guest's disks.
    ///
    /// @param replaces whether a copy takes the place of a file that is there
    public MigrationOptions withStorage(boolean replaces) {
        return with(trustsStorage, postCopy, true, replaces);
    }

    /// The same, over several connections.
    public MigrationOptions withStreams(int number) {
        return new MigrationOptions(
                downtimeLimit,
                bytesPerSecond,
                timeout,
                force,
                throttles,
                onlyAsks,
                trustsStorage,
                postCopy,
                copiesStorage,
                replacesStorage,
                number);
    }

    private MigrationOptions with(
            boolean trusts, boolean follows, boolean copies, boolean replaces) {
        return new MigrationOptions(
                downtimeLimit,
                bytesPerSecond,
                timeout,
                force,
                throttles,
                onlyAsks,
                trusts,
                follows,
                copies,
                replaces,
                streams);
    }

    /// What most operators want.
    public static final MigrationOptions DEFAULT =
            new MigrationOptions(Duration.ofMillis(300), 0, Optional.empty(), false, true, false);
}
