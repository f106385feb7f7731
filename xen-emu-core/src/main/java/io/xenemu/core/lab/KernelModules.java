package io.xenemu.core.lab;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import com.google.common.base.Splitter;
import com.google.common.io.ByteSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// The modules of one unpacked kernel package. A module's dependencies come from the module itself (`depends=` in its
/// .modinfo section). The package has no modules.dep: depmod makes that when the package is installed.
public final class KernelModules {
    private static final Pattern DEPENDS = Pattern.compile("\0depends=([^\0]*)\0");

    /// Turns a file name, `kvm-amd.ko.xz`, into the name that the kernel uses, `kvm_amd`.
    private static final Pattern FILE = Pattern.compile("(.+)\\.ko(\\.xz)?");

    /// Decompresses an .xz file.
    @FunctionalInterface
    public interface Unxz {
        /// Reads it.
        ///
        /// @return the content of `file`, decompressed
        byte[] decompress(Path file) throws IOException;
    }

    private final Map<String, Path> files = new HashMap<>();
    private final Unxz unxz;

    /// The modules in a folder.
    ///
    /// @param tree the package's folder `lib/modules/VERSION`
    public KernelModules(Path tree, Unxz unxz) throws IOException {
        this.unxz = unxz;
        try (Stream<Path> walk = Files.walk(tree)) {
            for (Path path : (Iterable<Path>) walk::iterator) {
                Matcher matcher = FILE.matcher(path.getFileName().toString());
                if (matcher.matches()) {
                    files.put(kernelName(matcher.group(1)), path);
                }
            }
        }
    }

    /// A module ready for `insmod`.
    ///
    /// @param name its file name, `kvm-amd.ko`
    /// @param content the ELF file, decompressed
    /// @param depends kernel names of the modules that have to be loaded before
    public record Module(String name, ByteSource content, List<String> depends) {}

    /// Reads modules and everything they need. Names that have no file are left out: they are built into that kernel,
    /// or do not exist there.
    ///
    /// @param names modules, with `-` or `_`
    /// @return by kernel name, in an order in which each can be loaded
    public SequencedMap<String, Module> withDependencies(List<String> names) throws IOException {
        SequencedMap<String, Module> loaded = new LinkedHashMap<>();
        for (String name : names) {
            add(kernelName(name), loaded, new ArrayList<>());
        }
        return loaded;
    }

    private void add(String name, Map<String, Module> loaded, List<String> pending)
            throws IOException {
        Path file = files.get(name);
        if (file == null || loaded.containsKey(name)) {
            return;
        }
        if (pending.contains(name)) {
            throw new LabException("kernel modules depend on each other: " + pending);
        }
        pending.add(name);
        String fileName = file.getFileName().toString();
        boolean compressed = fileName.endsWith(".xz");
        byte[] content = compressed ? unxz.decompress(file) : Files.readAllBytes(file);
        List<String> depends = depends(content);
        for (String needed : depends) {
            add(needed, loaded, pending);
        }
        pending.removeLast();
        String plainName = compressed ? fileName.substring(0, fileName.length() - 3) : fileName;
        loaded.put(name, new Module(plainName, ByteSource.wrap(content), depends));
    }

    private static List<String> depends(byte[] elf) {
        Matcher matcher = DEPENDS.matcher(new String(elf, ISO_8859_1));
        if (!matcher.find() || matcher.group(1).isEmpty()) {
            return List.of();
        }
        return Splitter.on(',')
                .splitToStream(matcher.group(1))
                .map(KernelModules::kernelName)
                .toList();
    }

    private static String kernelName(String name) {
        return name.replace('-', '_');
    }
}
