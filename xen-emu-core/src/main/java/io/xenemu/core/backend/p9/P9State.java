package io.xenemu.core.backend.p9;

import io.xenemu.core.toolstack.P9Spec;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The saved state of a share: what it gives to the guest, and the guest's connection. The rings are in guest memory,
/// and are saved with that; files are the host's, and are opened again by their paths. Byte-range locks are not in it.
/// For another process of this host, [Files] stay open, with their locks.
///
/// @param spec with the share's number
/// @param connection null if no guest is connected
record P9State(P9Spec spec, @Nullable Connection connection) {
    /// The files that stay open; null if another process needs none to go on from this state.
    @Nullable Files files() {
        return connection == null ? null : connection.files();
    }

    /// A guest's connection. No request is in flight.
    ///
    /// @param most the largest message that the transport passes
    /// @param msize the message size that the guest has agreed to; 0 before
    /// @param files null in what is saved
    record Connection(
            int most,
            int msize,
            List<Ring> rings,
            List<Flush> flushes,
            List<Fid> fids,
            @Nullable Files files) {
        Connection {
            rings = List.copyOf(rings);
            flushes = List.copyOf(flushes);
            fids = List.copyOf(fids);
        }

        /// One that is saved.
        Connection(int most, int msize, List<Ring> rings, List<Flush> flushes, List<Fid> fids) {
            this(most, msize, rings, flushes, fids, null);
        }
    }

    /// The files of a mounted share on the way to another process of this host.
    ///
    /// @param all files, by the numbers that [Use.Handed] has. Their descriptors come in the same order
    record Files(FileSystems systems, List<Handed> all) {
        Files {
            all = List.copyOf(all);
        }

        /// How many descriptors they have.
        int descriptors() {
            return all.stream().mapToInt(Handed::descriptors).sum();
        }
    }

    /// The places of file systems in the numbers that a guest knows files by ([P9Qid]).
    ///
    /// @param isWide whether the first one needs the byte of the place itself
    record FileSystems(boolean isWide, List<FileSystem> all) {
        FileSystems {
            all = List.copyOf(all);
        }
    }

    /// @param place in the numbers of its files
    /// @param device of the host
    record FileSystem(int place, long device) {}

    /// A file on the way to another process of this host. Several fids may name it.
    sealed interface Handed {
        /// How many descriptors it has.
        int descriptors();

        /// One that is not open: a descriptor of its place.
        record Place() implements Handed {
            @Override
            public int descriptors() {
                return 1;
            }
        }

        /// One that is not open, and has given its descriptor back ([P9Place]).
        ///
        /// @param path below the root; empty if it has become too long
        record Parked(List<Byte> path, int mode, long device, long inode, long born, int bornNanos)
                implements Handed {
            public Parked {
                path = List.copyOf(path);
            }

            @Override
            public int descriptors() {
                return 0;
            }
        }

        /// One that is open: its descriptor, and then one for locks if it has one.
        ///
        /// @param locks what its locks are on
        /// @param flags of its open
        /// @param position of a directory
        record Open(Locks locks, int flags, long position) implements Handed {
            @Override
            public int descriptors() {
                return locks == Locks.OWN ? 2 : 1;
            }
        }

        /// What the locks of an open file are on.
        enum Locks {
            /// There was none.
            NONE,
            /// The file's descriptor.
            FILE,
            /// A descriptor of their own.
            OWN
        }
    }

    /// A pair of rings, as it was when the guest connected.
    ///
    /// @param ref grant of the interface page
    /// @param pages grants of the rings' pages
    /// @param port the guest's event channel
    /// @param queue the back end's own state of it
    record Ring(int ref, List<Integer> pages, int port, Queue queue) {
        Ring {
            pages = List.copyOf(pages);
        }
    }

    /// The back end's own indices. The guest can write others to the page, which have no effect.
    ///
    /// @param outCons of the requests
    /// @param inProd of the answers
    /// @param broken whether the guest broke the ring's rules
    record Queue(int outCons, int inProd, boolean broken) {}

    /// A Tflush that waits for its request, which is in another ring still.
    ///
    /// @param ring the number of its own ring
    /// @param until each ring's index of requests when it was taken
    record Flush(int ring, int tag, int oldTag, List<Integer> until) {
        Flush {
            until = List.copyOf(until);
        }
    }

    /// A number that the guest has given to a file.
    ///
    /// @param isRoot whether it comes from an attach
    /// @param uid the guest's user that attached
    record Fid(int fid, boolean isRoot, int uid, File file, Use use) {}

    /// A file below the share's root.
    ///
    /// @param path below the root, empty for the root itself; null if the file has none, so that its fid is ESTALE
    /// @param inode checks that it is the same file
    /// @param born checks it too, where the file system has it: seconds since 1970
    /// @param bornNanos beside `born`
    /// @param qid the number that the guest knows it by
    record File(@Nullable List<Byte> path, long inode, long born, int bornNanos, long qid) {
        /// What a fid of an attribute's value has.
        static final File NONE = new File(null, 0, 0, 0, 0);

        File {
            path = path == null ? null : List.copyOf(path);
        }
    }

    /// What the guest does with a file.
    sealed interface Use {
        /// It is not open.
        record Place() implements Use {}

        /// It is open. The guest sends a directory's position with each request.
        ///
        /// @param flags of its open
        record Open(int flags) implements Use {}

        /// It goes to another process of this host as it is.
        ///
        /// @param file its number in [Files#all]
        record Handed(int file) implements Use {}

        /// It reads the value of an attribute, or their names.
        record Value(List<Byte> value) implements Use {
            public Value {
                value = List.copyOf(value);
            }
        }

        /// It writes the value of an attribute.
        ///
        /// @param name without an end
        /// @param flags of the attribute's creation
        /// @param size of the whole value, in bytes
        /// @param written so far
        /// @param of what the fid was before
        record Setting(List<Byte> name, int flags, int size, List<Byte> written, Use of)
                implements Use {
            public Setting {
                name = List.copyOf(name);
                written = List.copyOf(written);
            }
        }
    }
}
