package io.xenemu.core.startup;

import com.google.common.base.Splitter;
import java.io.File;
import java.io.IOException;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.stream.Stream;

/// All classes of this project that are on the class path.
final class OurClasses {
    private static final String OURS = "io/xenemu/";

    private OurClasses() {}

    /// Loads them, without initializing any.
    static void load() throws IOException {
        String path = System.getProperty("java.class.path");
        for (String jar : Splitter.on(File.pathSeparatorChar).split(path)) {
            try (JarFile file = new JarFile(jar);
                    Stream<JarEntry> entries = file.stream()) {
                entries.map(JarEntry::getName)
                        .filter(name -> name.startsWith(OURS) && name.endsWith(".class"))
                        .filter(name -> !name.endsWith("-info.class"))
                        .forEach(OurClasses::load);
            }
        }
    }

    private static void load(String entry) {
        String name = entry.substring(0, entry.length() - ".class".length()).replace('/', '.');
        try {
            Class.forName(name, false, OurClasses.class.getClassLoader());
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException("a class of our own jar is not on the class path", e);
        }
    }
}
