package io.xenemu.core.lab;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import com.google.common.base.Splitter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// The parts of the lab and the demo, fetched on first use: kernels, busybox, QEMU.
public final class LabImages {
    /// QEMU has Xen emulation since this version; the lab also runs it inside, as the peer.
    private static final int QEMU_MAJOR = 8;

    private static final String QEMU = "qemu-system-x86_64";
    private static final Pattern QEMU_VERSION = Pattern.compile("version (\\d+)\\.");

    /// Between the series and the flavour: the rest of the version.
    private static final String KERNEL_VERSION = "[-.][0-9.+-]*(\\+?deb\\d+[0-9.+-]*)?";

    private static final Pattern NOTHING = Pattern.compile("");
    private static final Pattern XEN_VERSION = Pattern.compile("-\\d+\\.\\d+");

    /// Libraries that need the C library at most, which this machine has.
    private static final Pattern XEN_LIBRARY = Pattern.compile("libxen.*");

    private final CacheFolder cache;
    private final DebianPackages packages;
    private final Consumer<String> progress;

    /// Images that are kept in a cache folder.
    ///
    /// @param progress gets a line per step that takes time, and the observations of a machine that hangs
    public LabImages(CacheFolder cache, Consumer<String> progress) {
        this.cache = cache;
        this.progress = progress;
        this.packages = new DebianPackages(cache, progress);
    }

    /// A Debian kernel, unpacked.
    ///
    /// @param version its full version, `6.12.95+deb12-amd64`
    /// @param image the bzImage
    /// @param modules its modules
    public record Kernel(String version, Path image, KernelModules modules) {}

    /// The cache folder in use.
    public CacheFolder cache() {
        return cache;
    }

    /// Gets lines for the user of the lab.
    Consumer<String> progress() {
        return progress;
    }

    /// Gets Debian's newest kernel of a series.
    ///
    /// @param build the series, `6.12` or `6.1`; of its builds the generic one, or that of a flavour: `6.12-cloud`,
    ///     `6.12-rt`
    /// @throws LabException when the machine's Debian release has no such kernel
    public Kernel kernel(String build) throws IOException {
        List<String> parts = Splitter.on('-').limit(2).splitToList(build);
        String flavour = parts.size() > 1 ? parts.getLast() + "-" : "";
        Path root =
                packages.unpackedNewest(
                        "linux-" + build,
                        "linux-image-" + parts.getFirst(),
                        Pattern.compile(KERNEL_VERSION + Pattern.quote(flavour) + "amd64"));
        Path image;
        try (Stream<Path> boot = Files.list(root.resolve("boot"))) {
            image =
                    boot.filter(file -> file.getFileName().toString().startsWith("vmlinuz-"))
                            .findFirst()
                            .orElseThrow(() -> new LabException("no kernel image in " + root));
        }
        String version = image.getFileName().toString().substring("vmlinuz-".length());
        Path modules = root.resolve("lib/modules").resolve(version);
        if (!Files.exists(modules)) {
            modules = root.resolve("usr/lib/modules").resolve(version);
        }
        return new Kernel(version, image, new KernelModules(modules, this::unxz));
    }

    /// Gets a busybox that needs no libraries.
    public Path busybox() throws IOException {
        Path root = packages.unpacked("busybox-static");
        for (String place : List.of("usr/bin/busybox", "bin/busybox")) {
            Path busybox = root.resolve(place);
            if (Files.exists(busybox)) {
                return busybox;
            }
        }
        throw new LabException("no busybox in " + root);
    }

    /// Gets the files of a Debian package by name, for tests that need another program: `xenstore-utils`,
    /// `xen-utils-4.17`.
    public Path packageFiles(String name) throws IOException {
        return packages.unpacked(name);
    }

    /// Gets one of the programs of the package xenstore-utils, `xenstore-ls`.
    public GuestProgram xenstoreTool(String name) throws IOException {
        Path root = packages.unpackedWithLibraries("xenstore-utils", NOTHING, XEN_LIBRARY);
        return new GuestProgram(root.resolve("usr/bin").resolve(name), libraryFolders(root));
    }

    /// Gets `vchan-socket-proxy`, with which shell commands use a vchan between two guests.
    public GuestProgram vchanSocketProxy() throws IOException {
        return xenProgram("vchan-socket-proxy");
    }

    /// Gets one of the programs of the package xen-utils, `xl`.
    public GuestProgram xenProgram(String name) throws IOException {
        Path root = xenUtils();
        return new GuestProgram(fileOf(root, name), libraryFolders(root));
    }

    /// Gets `xen-shim`: Xen, built as a guest kernel in which a PV guest runs.
    public Path xenShim() throws IOException {
        return fileOf(xenUtils(), "xen-shim");
    }

    private Path xenUtils() throws IOException {
        return packages.unpackedWithLibraries("xen-utils", XEN_VERSION, XEN_LIBRARY);
    }

    /// Finds a file whose folder has a version in its name.
    private static Path fileOf(Path root, String name) throws IOException {
        try (Stream<Path> walk = Files.walk(root.resolve("usr/lib"))) {
            return walk.filter(path -> path.endsWith(name))
                    .findFirst()
                    .orElseThrow(() -> new LabException("no " + name + " in " + root));
        }
    }

    /// Gets `kexec`, by which a guest enters another kernel.
    public GuestProgram kexec() throws IOException {
        Path root = packages.unpackedWithLibraries("kexec-tools", NOTHING, XEN_LIBRARY);
        return new GuestProgram(root.resolve("sbin/kexec"), libraryFolders(root));
    }

    private static List<Path> libraryFolders(Path root) {
        return List.of(
                root.resolve("usr/lib/x86_64-linux-gnu"), root.resolve("lib/x86_64-linux-gnu"));
    }

    /// Finds a QEMU with Xen emulation: the system's if it is new enough, else one from Debian, unpacked with the
    /// libraries that are missing here.
    ///
    /// @return an executable, which may be a script that sets the library path
    public Path qemu() throws IOException {
        for (String folder : Splitter.on(':').split(System.getenv().getOrDefault("PATH", ""))) {
            Path candidate = Path.of(folder.isEmpty() ? "." : folder, QEMU);
            if (Files.isExecutable(candidate) && qemuMajor(candidate) >= QEMU_MAJOR) {
                return candidate.toAbsolutePath();
            }
        }
        Path root = packages.unpackedWithDependencies("qemu-system-x86");
        return cache.entry("packages/qemu-launcher/" + QEMU, target -> launcher(root, target));
    }

    private static void launcher(Path root, Path target) throws IOException {
        String script =
                """
                #!/bin/sh
                root=%s
                export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu
                export QEMU_MODULE_DIR=$root/usr/lib/x86_64-linux-gnu/qemu
                exec $root/usr/bin/%s -L $root/usr/share/qemu -L $root/usr/share/seabios "$@"
                """
                        .formatted(ShellScript.quote(root.toString()), QEMU);
        Files.writeString(target, script.replace("$root/", "\"$root\"/"));
        if (!target.toFile().setExecutable(true)) {
            throw new LabException("cannot make " + target + " executable");
        }
    }

    private static int qemuMajor(Path qemu) throws IOException {
        HostCommand.Result result =
                HostCommand.run(Path.of("/"), List.of(qemu.toString(), "--version"));
        Matcher matcher = QEMU_VERSION.matcher(result.output());
        return matcher.find() ? Integer.parseInt(matcher.group(1)) : 0;
    }

    private byte[] unxz(Path file) throws IOException {
        return HostCommand.output(
                        Path.of("/"), List.of(busybox().toString(), "unxz", "-c", file.toString()))
                .getBytes(ISO_8859_1);
    }
}
