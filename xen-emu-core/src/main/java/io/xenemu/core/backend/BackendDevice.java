package io.xenemu.core.backend;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.core.migration.DiskSource;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.wire.BodyWriter;
import java.time.Duration;
import java.util.Optional;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/// One device of a guest, from when it is attached until it is removed. Its guest may connect to it many times, one
/// connection at a time. It owns what the host gives: the file, the tap.
///
/// The methods are called one after the other ([ServedDevice]), but for [#blocker], which any thread may call.
public interface BackendDevice {
    /// The nodes of the back end's directory that a front end reads before it connects: every feature that the device
    /// offers. Called before each InitWait.
    ///
    /// @param device tells the domain and the number, for names of threads and meters
    SequencedMap<String, String> features(PvDevice device);

    /// Connects to the front end: checks its nodes, maps its rings, binds its event channels, all through `front`.
    /// Whatever `front` gave is taken back by the frame when the connection ends, or when this fails; the device undoes
    /// only what it made itself. No work of a queue runs before the connection is complete.
    ///
    /// @throws FrontendError if the front end's nodes, grants or ports are wrong; also KvmException of the host. Any
    ///     failure ends in an error node and Closing, and the guest may try again
    BackendConnection connect(Frontend front) throws FrontendError;

    /// The reason for which the device keeps its domain from being saved, such as `a disk cannot be saved yet`; empty
    /// only for one that is [Savable]. Does not wait.
    Optional<String> blocker();

    /// A device whose state can be saved while it has no [#blocker].
    interface Savable extends BackendDevice {
        /// Its state. It stands still.
        ///
        /// @param connection of the guest; null if there is none
        Saved save(PvDevice device, @Nullable BackendConnection connection);

        /// Connects a device that [BackendKind.Savable#reopen] has made as it was connected when it was saved. Rings,
        /// grants and ports are those of the state, whatever the nodes say now. It stands still until
        /// [BackendConnection#resume].
        ///
        /// @throws FrontendError if the guest's grants or ports are not there any more
        BackendConnection reconnect(Frontend front) throws FrontendError;

        /// Its specification, with which it is made again when the guest reboots.
        DeviceSpec spec();
    }

    /// A device with something that one host alone may have, such as a disk with its lock. It can be given up while the
    /// guest stands still, for another host to have it.
    interface Claimed extends BackendDevice {
        /// Brings to the host's storage what is on its way there, so that a [#release] soon takes less time. The guest
        /// may run.
        ///
        /// @throws Refused if that fails, or takes longer than `limit`
        void flush(Duration limit) throws Refused, InterruptedException;

        /// Gives it up: nothing of this host writes any more, and what it wrote is on the storage. It stands still, and
        /// stays so until [#claim].
        ///
        /// @param connection of the guest; null if there is none
        /// @throws Refused if that cannot be known; then it may have been given up, or not
        void release(@Nullable BackendConnection connection, Duration limit)
                throws Refused, InterruptedException;

        /// Claims it again, if it was given up.
        ///
        /// @throws Refused if another has it, or it has changed meanwhile
        void claim(@Nullable BackendConnection connection) throws Refused;
    }

    /// A disk whose content can go with its guest, to a host that does not see it.
    interface Copied extends Claimed {
        /// Whether its content is on this host: then it is copied if that is asked for. Others are where the other host
        /// sees them too.
        boolean isHere();

        /// Checks that it can be copied.
        ///
        /// @return the bytes that it takes on this host, without its holes
        /// @throws Refused with one line for the operator
        long copiedBytes() throws Refused;

        /// Begins to copy it. From now on the guest's writes are noted.
        DiskCopy copy();

        /// Checks that all that its guest has written can be read. It stands still.
        ///
        /// @param connection of the guest; null if there is none
        /// @throws Refused if that cannot be known
        void requireQuiet(@Nullable BackendConnection connection) throws Refused;
    }

    /// A disk that is copied, until it is closed.
    interface DiskCopy extends DiskSource, AutoCloseable {
        @Override
        void close();
    }

    /// A device that another process of this service can take over with its files, which stay open and locked.
    interface HandedOver extends Savable {
        /// The reason for which another process cannot have it, in place of [#blocker]; empty if it can. Does not wait.
        Optional<String> stays();

        /// The descriptors of its files, in the order in which [BackendKind.Received#receive] takes them. It stands
        /// still, and [#save] was called before.
        ///
        /// @param connection of the guest; null if there is none
        /// @throws Refused with one line for the operator: the host still has requests in flight, which would write to
        ///     the guest's memory
        ImmutableIntArray descriptors(@Nullable BackendConnection connection) throws Refused;

        /// Another process has it now, after [#descriptors]: [#close] ends nothing that it uses.
        void handedOver();
    }

    /// The state of one device.
    ///
    /// @param version of the body's layout
    record Saved(int version, BodyWriter body) {}

    /// A device that needs its number, or the nodes of the toolstack, before its guest can use it: a network interface.
    interface Attaching extends BackendDevice {
        /// Opens what is left, when the nodes exist and nobody follows them yet. Called once, before all others.
        ///
        /// @throws Refused with one line for the operator; then [#close] is called, and the nodes go
        void attach(PvDevice device) throws Refused;
    }

    /// A device whose nodes tell something that the host has chosen when it was opened, such as a terminal.
    interface Completing extends BackendDevice {
        /// The operator's specification with that.
        DeviceSpec completed(DeviceSpec given);
    }

    /// Gives back what [BackendKind#open] opened. No connection exists. Called once, even if the device was never used.
    void close();

    /// A device whose size on the host can change while its guest uses it.
    interface Resizable extends BackendDevice {
        /// Looks at the size on the host, and tells the guest if it is larger. Any thread.
        ///
        /// @throws Refused if it is not larger
        void resize() throws Refused;
    }

    /// A device that its guest may be using in a way that does not survive an orderly end, such as a mounted share.
    interface Used extends BackendDevice {
        /// The use that the guest makes of the device, for the operator who wants to detach it; empty if it can be
        /// taken away. Any thread may call it. Does not wait.
        Optional<String> use();
    }
}
