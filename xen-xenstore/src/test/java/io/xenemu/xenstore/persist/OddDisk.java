package io.xenemu.xenstore.persist;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.util.Set;

/// The real disk, but for what a test makes different.
class OddDisk implements Disk {
    @Override
    public FileChannel open(Path path, Set<? extends OpenOption> options) throws IOException {
        return REAL.open(path, options);
    }

    @Override
    public void forceNames(FileChannel directory) throws IOException {
        REAL.forceNames(directory);
    }
}
