package io.xenemu.core.backend;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.core.migration.DiskSink;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Path;
import java.util.Optional;

/// A kind of device that the service serves: disks, network interfaces, shares. There is one object of each kind in a
/// service ([Backends]).
///
/// Thread-safe.
public interface BackendKind {
    /// The kind in XenStore's paths.
    DeviceKind kind();

    /// The way in which front ends of this kind connect.
    Handshake handshake();

    /// Opens what a device needs: its file with the file's lock, its tap. The device has no nodes yet, and the guest
    /// sees nothing of it. Called for each new device, and again for the next boot of a guest that reboots.
    ///
    /// @param spec of this kind
    /// @throws Refused with one line for the operator: the file is missing, is a directory, is in use
    BackendDevice open(DeviceSpec spec) throws Refused;

    /// A kind whose devices another process of this service can take over.
    interface Received extends Savable {
        /// Opens a device again as [Savable#reopen] does, by the files that were open.
        ///
        /// @param descriptors as [BackendDevice.HandedOver#descriptors] gives them; taken over, also if this fails
        /// @throws WireException if the body cannot be used
        /// @throws Refused with one line for the operator
        BackendDevice.Savable receive(int version, BodyReader body, ImmutableIntArray descriptors)
                throws WireException, Refused;
    }

    /// A kind of disks whose content can come with their guest.
    interface Copied extends Savable {
        /// Checks that a copy of a disk of another host could be made here. Changes nothing.
        ///
        /// @param version of the body
        /// @param bytes that the disk takes there, without its holes
        /// @param replaces whether the copy may take the place of a file that is there
        /// @throws WireException if the body cannot be used
        /// @throws Refused with one line for the operator
        CopyPlace place(int version, BodyReader body, long bytes, boolean replaces)
                throws WireException, Refused;

        /// Begins a copy.
        ///
        /// @param version of the body
        /// @param replaces as for [#place]
        /// @throws WireException if the body cannot be used
        /// @throws Refused with one line for the operator
        IncomingDisk copy(int version, BodyReader body, boolean replaces)
                throws WireException, Refused;
    }

    /// The place of a copy that is to be made.
    ///
    /// @param found what was found, in one line for an operator
    /// @param store the file system
    /// @param bytes that the copy takes of it at first
    /// @param made the file that is made; empty for one that is there, and is compared
    record CopyPlace(String found, FileStore store, long bytes, Optional<Path> made) {}

    /// A disk that gets its content from another host. Until it is kept, it is a thing that can be taken for no disk of
    /// a guest, also after the end of this process.
    interface IncomingDisk extends DiskSink, AutoCloseable {
        /// Puts it where its guest's configuration names it. All of its content is there, and on the storage.
        ///
        /// @throws IOException if that fails, or there is a file by now
        void complete() throws IOException;

        /// Lets it stay: its guest runs here.
        void keep();

        /// Closes it, and removes it unless it is kept.
        @Override
        void close();
    }

    /// A kind whose devices can be saved.
    interface Savable extends BackendKind {
        /// Opens a saved device again, as [#open] does. It is not connected yet.
        ///
        /// @param version of the body
        /// @throws WireException if the body cannot be used
        /// @throws Refused with one line for the operator: the host has not what it needs
        BackendDevice.Savable reopen(int version, BodyReader body) throws WireException, Refused;

        /// The saved form of a specification: the state of a device that is not connected.
        ///
        /// @param spec of this kind
        BodyWriter encode(DeviceSpec spec);

        /// The version of the layout that [#encode] writes.
        int version();

        /// Checks that a device of another host could be reopened here, before its guest moves. Changes nothing, and
        /// leaves nothing open.
        ///
        /// @param version of the body
        /// @param trusts whether the operator answers for it that both hosts see the same storage
        /// @return what was found, in one line for an operator
        /// @throws WireException if the body cannot be used
        /// @throws Refused with one line for the operator: the host has not what it needs
        String check(int version, BodyReader body, boolean trusts) throws WireException, Refused;

        /// Reads the specification in a saved device's state.
        ///
        /// @param version of the body
        /// @throws WireException if the body cannot be used
        DeviceSpec decode(int version, BodyReader body) throws WireException;
    }
}
