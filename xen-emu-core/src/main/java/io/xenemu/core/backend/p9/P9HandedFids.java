package io.xenemu.core.backend.p9;

import com.google.common.primitives.Bytes;
import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.Beneath;
import io.xenemu.kvm.file.Statx;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/// Gives a guest's fids to another process of this host, and takes them there. Files stay open, with their locks and
/// positions, also those without a name. No request runs.
final class P9HandedFids {
    private final P9Session session;
    private final P9Scratch s;
    private final Given given;

    /// Those that are made, by the numbers of the files.
    private final @Nullable P9Object[] made;

    /// The first descriptor of each file.
    private final int[] first;

    /// Descriptors that have no owner yet.
    private final boolean[] loose;

    /// The fids, and what they name.
    ///
    /// @param descriptors of the files
    record Given(List<P9State.Fid> fids, P9State.Files files, ImmutableIntArray descriptors) {
        Given {
            fids = List.copyOf(fids);
        }
    }

    /// @param scratch for this thread
    /// @param given with a descriptor for each that the files have; they are taken over
    P9HandedFids(P9Session session, P9Scratch scratch, Given given) {
        this.session = session;
        s = scratch;
        this.given = given;
        List<P9State.Handed> files = given.files().all();
        made = new P9Object[files.size()];
        first = new int[files.size()];
        loose = new boolean[given.descriptors().length()];
        Arrays.fill(loose, true);
        int next = 0;
        for (int file = 0; file < first.length; file++) {
            first[file] = next;
            next += files.get(file).descriptors();
        }
    }

    /// All fids of a session, which stay its own too.
    static Given of(P9Session session) {
        Giving giving = new Giving();
        List<P9State.Fid> fids = new ArrayList<>();
        for (P9Fids.Numbered one : session.fids().numbered()) {
            P9Object object = one.object();
            fids.add(
                    new P9State.Fid(
                            one.fid(),
                            one.isRoot(),
                            object.uid(),
                            P9State.File.NONE,
                            giving.use(object)));
        }
        return new Given(
                fids,
                new P9State.Files(session.qids().save(), giving.files),
                giving.descriptors.build());
    }

    private static final class Giving {
        private final IdentityHashMap<P9Object, Integer> numbers = new IdentityHashMap<>();
        private final List<P9State.Handed> files = new ArrayList<>();
        private final ImmutableIntArray.Builder descriptors = ImmutableIntArray.builder();

        P9State.Use use(P9Object object) {
            return switch (object) {
                // Without a file, its fid is ESTALE there too.
                case P9Stale _ -> new P9State.Use.Place();
                case P9Attribute attribute -> {
                    P9Object file = attribute.file();
                    yield attribute.state(file == null ? null : use(file));
                }
                case P9Place place ->
                        new P9State.Use.Handed(numbers.computeIfAbsent(place, _ -> add(place)));
                case P9OpenFile file ->
                        new P9State.Use.Handed(numbers.computeIfAbsent(file, _ -> add(file)));
            };
        }

        private int add(P9Place place) {
            if (!place.isParked()) {
                descriptors.add(place.here());
            }
            files.add(place.handed());
            return files.size() - 1;
        }

        private int add(P9OpenFile file) {
            descriptors.add(file.descriptor());
            file.ownLocks().ifPresent(descriptors::add);
            files.add(file.handed());
            return files.size() - 1;
        }
    }

    /// Makes the fids.
    ///
    /// @throws KvmException if the guest may not have so many descriptors here
    void take() {
        session.qids().take(given.files().systems());
        try {
            for (P9State.Fid fid : given.fids()) {
                add(fid, object(fid, fid.use()));
            }
        } catch (P9Error e) {
            throw new KvmException("9pfs", e.errno(), "files of the old version");
        } finally {
            for (int i = 0; i < loose.length; i++) {
                if (loose[i]) {
                    Beneath.close(given.descriptors().get(i));
                }
            }
        }
    }

    private void add(P9State.Fid fid, P9Object object) throws P9Error {
        boolean added = false;
        try {
            session.fids().add(fid.fid(), object, fid.isRoot());
            added = true;
        } finally {
            if (!added && session.fids().isNameless(object)) {
                session.fids().drop(object);
            }
        }
    }

    private P9Object object(P9State.Fid fid, P9State.Use use) throws P9Error {
        return switch (use) {
            case P9State.Use.Handed(int file) -> file(file, fid.uid());
            case P9State.Use.Place _, P9State.Use.Open _ -> new P9Stale(fid.uid());
            case P9State.Use.Value(List<Byte> value) -> {
                session.descriptors().reserveAttribute();
                yield P9Attribute.read(session.descriptors(), Bytes.toArray(value), fid.uid());
            }
            case P9State.Use.Setting setting -> {
                session.descriptors().reserveAttribute();
                boolean done = false;
                try {
                    P9Object file = object(fid, setting.of());
                    done = true;
                    yield P9Attribute.restored(
                            session.descriptors(), setting, session.fids().keep(file));
                } finally {
                    if (!done) {
                        session.descriptors().releaseAttribute();
                    }
                }
            }
        };
    }

    private P9Object file(int number, int uid) throws P9Error {
        P9Object there = made[number];
        if (there == null) {
            there = make(number, uid);
            made[number] = there;
        }
        return there;
    }

    private P9Object make(int number, int uid) throws P9Error {
        P9Descriptors descriptors = session.descriptors();
        int at = first[number];
        return switch (given.files().all().get(number)) {
            case P9State.Handed.Parked parked -> {
                P9Place place = new P9Place(descriptors, parked, uid);
                session.fids().parked(Bytes.toArray(parked.path()));
                yield place;
            }
            case P9State.Handed.Place place -> {
                Statx status = session.hostStatus(s, given.descriptors().get(at));
                adopt(at, place.descriptors());
                yield new P9Place(descriptors, given.descriptors().get(at), status, uid);
            }
            case P9State.Handed.Open open -> {
                int mode = session.hostStatus(s, given.descriptors().get(at)).mode();
                adopt(at, open.descriptors());
                descriptors.adoptFile();
                OptionalInt locks =
                        open.descriptors() == 2
                                ? OptionalInt.of(given.descriptors().get(at + 1))
                                : OptionalInt.empty();
                yield new P9OpenFile(
                        descriptors, given.descriptors().get(at), locks, open, mode, uid);
            }
        };
    }

    /// Counts a file's descriptors, which have an owner from now on.
    private void adopt(int at, int count) throws P9Error {
        for (int i = at; i < at + count; i++) {
            if (!session.descriptors().adopt()) {
                for (int adopted = at; adopted < i; adopted++) {
                    session.descriptors().close(given.descriptors().get(adopted));
                }
                throw P9Error.of(Errno.EMFILE);
            }
            loose[i] = false;
        }
    }
}
