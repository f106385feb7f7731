package io.xenemu.core.startup;

import com.google.common.base.Splitter;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.xenemu.core.cli.XenEmu;
import io.xenemu.kvm.memory.EventFd;
import java.io.File;
import java.io.IOException;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.stream.Stream;

/// The training run for the JVM's AOT cache (JEP 483, 514): the launcher runs it once after a build with `-XX:AOTCacheOutput`, and every later start finds
/// loaded and linked what this run has loaded. It needs no KVM, so the guest's own path is only loaded, not run; a XenStore
/// daemon serves some requests.
public final class AotTraining {
    private static final String OURS = "io/xenemu/";

    private AotTraining() {}

    /// Loads all of our classes, uses the libraries a little, and ends as a run with a wrong kernel does.
    public static void main(String[] args) throws IOException, InterruptedException {
        String path = System.getProperty("java.class.path");
        for (String jar : Splitter.on(File.pathSeparatorChar).split(path)) {
            loadOurs(jar);
        }
        EventFd.create().close();
        PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        registry.counter("training").increment();
        registry.scrape();
        registry.close();
        DaemonTraining.run();
        XenEmu.main(new String[] {"run", "--kernel", "/dev/null", "--lab", "never"});
    }

    private static void loadOurs(String jar) throws IOException {
        try (JarFile file = new JarFile(jar);
                Stream<JarEntry> entries = file.stream()) {
            entries.map(JarEntry::getName)
                    .filter(name -> name.startsWith(OURS) && name.endsWith(".class"))
                    .filter(name -> !name.endsWith("-info.class"))
                    .forEach(AotTraining::load);
        }
    }

    private static void load(String entry) {
        String name = entry.substring(0, entry.length() - ".class".length()).replace('/', '.');
        try {
            Class.forName(name, false, AotTraining.class.getClassLoader());
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException("a class of our own jar is not on the class path", e);
        }
    }
}
