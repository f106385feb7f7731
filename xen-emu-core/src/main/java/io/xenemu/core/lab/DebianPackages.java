package io.xenemu.core.lab;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// Fetches Debian packages from the machine's own mirror and unpacks them into the cache folder. Needs no root and
/// changes nothing on the system: apt runs with sources, lists and archives of our own.
public final class DebianPackages {
    /// Package lists older than this are fetched again before anything is looked up in them.
    private static final Duration LISTS_VALID = Duration.ofDays(1);

    private static final List<Path> KEYRINGS =
            List.of(
                    Path.of("/usr/share/keyrings/debian-archive-keyring.pgp"),
                    Path.of("/usr/share/keyrings/debian-archive-keyring.gpg"));
    private static final Pattern INSTALL =
            Pattern.compile("Inst (\\S+) (?:\\[[^]]*] )?\\((\\S+) .*");

    private final CacheFolder cache;
    private final Consumer<String> progress;

    /// Packages that go to a cache folder.
    ///
    /// @param progress gets a line per step that takes time
    public DebianPackages(CacheFolder cache, Consumer<String> progress) {
        this.cache = cache;
        this.progress = progress;
    }

    /// Gets one package's files.
    ///
    /// @param name a package, `busybox-static`
    /// @return the folder it is unpacked in
    /// @throws LabException when it cannot be fetched
    public Path unpacked(String name) throws IOException {
        return cache.entry("packages/" + name, target -> unpack(List.of(name), target));
    }

    /// Gets the files of the newest package whose name matches.
    ///
    /// @param label the name of the entry in the cache
    /// @param prefix the beginning of the package's name
    /// @param rest pattern of the rest of the name
    public Path unpackedNewest(String label, String prefix, Pattern rest) throws IOException {
        return cache.entry(
                "packages/" + label,
                target -> {
                    unpack(List.of(newest(apt(), prefix, rest)), target);
                });
    }

    /// Gets a package's files together with those of every package that it needs and that is not installed here.
    public Path unpackedWithDependencies(String name) throws IOException {
        return cache.entry(
                "packages/" + name + "-with-dependencies",
                target -> unpack(missing(apt(), name, _ -> true), target));
    }

    /// Gets the files of the newest package whose name matches, together with those of the libraries that it needs and
    /// that are not installed here. Its further dependencies, which can be half a system, are not fetched.
    ///
    /// @param prefix the beginning of the package's name, and of that of the entry in the cache
    /// @param rest pattern of the rest of the name
    /// @param libraries names of the libraries' packages
    public Path unpackedWithLibraries(String prefix, Pattern rest, Pattern libraries)
            throws IOException {
        return cache.entry(
                "packages/" + prefix + "-with-libraries",
                target -> {
                    Apt apt = apt();
                    String program = newest(apt, prefix, rest);
                    List<String> needed =
                            new ArrayList<>(missing(apt, program, libraries.asMatchPredicate()));
                    needed.add(program);
                    unpack(needed, target);
                });
    }

    /// The packages that apt would install for a package, as `name=version`.
    private List<String> missing(Apt apt, String name, Predicate<String> wanted)
            throws IOException {
        HostCommand.Result simulated =
                apt.get(cache.root(), "install", "--simulate", "--no-install-recommends", name);
        if (!simulated.succeeded()) {
            throw new LabException("cannot get package " + name + ": " + simulated.lastError());
        }
        return simulated
                .output()
                .lines()
                .map(INSTALL::matcher)
                .filter(matcher -> matcher.matches() && wanted.test(matcher.group(1)))
                .map(matcher -> matcher.group(1) + "=" + matcher.group(2))
                .toList();
    }

    private void unpack(List<String> names, Path target) throws IOException {
        Path debs = target.resolveSibling(target.getFileName() + ".debs");
        CacheFolder.deleteTree(debs);
        Files.createDirectories(debs);
        Apt apt = apt();
        progress.accept("fetching " + describe(apt, names));
        List<String> download = new ArrayList<>(List.of("download"));
        download.addAll(names);
        HostCommand.Result result = apt.get(debs, download.toArray(String[]::new));
        if (!result.succeeded()) {
            String reason =
                    "cannot get package %s: %s"
                            .formatted(String.join(" ", names), result.lastError());
            throw apt.knows(names) ? new OfflineException(reason) : new LabException(reason);
        }
        Files.createDirectories(target);
        try (Stream<Path> files = Files.list(debs)) {
            for (Path deb : files.toList()) {
                HostCommand.output(
                        debs, List.of("dpkg-deb", "-x", deb.toString(), target.toString()));
            }
        }
        CacheFolder.deleteTree(debs);
    }

    private static String describe(Apt apt, List<String> names) throws IOException {
        List<String> show = new ArrayList<>(List.of("show", "--no-all-versions"));
        show.addAll(names);
        long bytes =
                apt.cache(show.toArray(String[]::new))
                        .lines()
                        .filter(line -> line.startsWith("Size: "))
                        .mapToLong(line -> Long.parseLong(line.substring("Size: ".length())))
                        .sum();
        String what =
                names.size() == 1
                        ? names.getFirst()
                        : names.getLast() + " and " + (names.size() - 1) + " more packages";
        return "%s (%d MB)".formatted(what, Math.ceilDiv(bytes, 1_000_000));
    }

    private static String newest(Apt apt, String prefix, Pattern rest) throws IOException {
        List<String> newestFirst =
                apt.cache("pkgnames", prefix)
                        .lines()
                        .filter(name -> rest.matcher(name.substring(prefix.length())).matches())
                        .sorted(Comparator.comparing(DebianPackages::sortKey).reversed())
                        .toList();
        for (String name : newestFirst) {
            // apt lists a name that only another package mentions.
            if (!apt.cache("show", "--no-all-versions", name).isEmpty()) {
                return name;
            }
        }
        throw new LabException("no package " + prefix + " in Debian " + apt.sources.codename());
    }

    /// Pads numbers, so that names sort by them.
    private static String sortKey(String name) {
        return Pattern.compile("\\d+")
                .matcher(name)
                .replaceAll(number -> "0".repeat(12 - number.group().length()) + number.group());
    }

    private Apt apt() throws IOException {
        Path root = cache.root().resolve("apt");
        Files.createDirectories(root.resolve("state/lists/partial"));
        Files.createDirectories(root.resolve("cache/archives/partial"));
        DebianSources sources = sources(root);
        Apt apt = new Apt(root, sources);
        Path stamp = root.resolve("updated");
        if (!Files.exists(stamp)
                || Files.getLastModifiedTime(stamp)
                        .toInstant()
                        .isBefore(Instant.now().minus(LISTS_VALID))) {
            progress.accept("reading Debian's package lists");
            HostCommand.Result update = apt.get(root, "update");
            // One source of several may be out of reach. A package that is then missing is
            // reported by name.
            if (apt.cache("pkgnames", "linux-image-").isEmpty()) {
                throw new OfflineException(
                        "cannot read Debian's package lists: " + update.lastError());
            }
            Files.writeString(stamp, "");
        }
        return apt;
    }

    private static DebianSources sources(Path root) throws IOException {
        List<String> release = Files.readAllLines(Path.of("/etc/os-release"));
        if (!release.contains("ID=debian")) {
            throw new LabException("the lab gets its packages on Debian 12 or 13 only");
        }
        String codename =
                release.stream()
                        .filter(line -> line.startsWith("VERSION_CODENAME="))
                        .map(line -> line.substring(line.indexOf('=') + 1))
                        .findFirst()
                        .orElse("");
        HostCommand.Result targets =
                HostCommand.run(root, List.of("apt-get", "indextargets", "Created-By: Packages"));
        DebianSources sources = DebianSources.parse(codename, targets.output());
        if (sources.suites().isEmpty()) {
            throw new LabException(
                    "this machine's apt sources have no Debian " + codename + " main");
        }
        return sources;
    }

    /// apt with our own configuration.
    private record Apt(Path root, DebianSources sources) {
        /// Whether Debian's lists have all of these.
        boolean knows(List<String> names) throws IOException {
            for (String name : names) {
                if (cache("show", "--no-all-versions", name).isEmpty()) {
                    return false;
                }
            }
            return true;
        }

        HostCommand.Result get(Path folder, String... arguments) throws IOException {
            return HostCommand.run(folder, command("apt-get", arguments));
        }

        String cache(String... arguments) throws IOException {
            return HostCommand.run(root, command("apt-cache", arguments)).output();
        }

        private List<String> command(String tool, String... arguments) throws IOException {
            String options =
                    KEYRINGS.stream()
                            .filter(Files::exists)
                            .findFirst()
                            .map(keyring -> "[signed-by=" + keyring + "] ")
                            .orElse("");
            Path list = root.resolve("sources.list");
            String text = sources.list(options);
            if (!Files.exists(list) || !Files.readString(list).equals(text)) {
                Files.writeString(list, text);
            }
            List<String> command = new ArrayList<>(List.of(tool, "-q"));
            for (String setting :
                    List.of(
                            "Dir::Etc::sourcelist=" + list,
                            "Dir::Etc::sourceparts=-",
                            "Dir::Etc::preferences=-",
                            "Dir::Etc::preferencesparts=-",
                            "Dir::State=" + root.resolve("state"),
                            "Dir::State::status=/var/lib/dpkg/status",
                            "Dir::Cache=" + root.resolve("cache"),
                            "Acquire::Languages=none",
                            "APT::Default-Release=" + sources.labSuite(),
                            // Without this, apt run by root downloads as a user without access to
                            // our folder.
                            "APT::Sandbox::User=" + System.getProperty("user.name"))) {
                command.add("-o");
                command.add(setting);
            }
            command.addAll(List.of(arguments));
            return command;
        }
    }
}
