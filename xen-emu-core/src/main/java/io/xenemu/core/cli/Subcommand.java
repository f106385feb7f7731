package io.xenemu.core.cli;

import io.xenemu.core.control.Verb;
import io.xenemu.core.control.VerbTable;
import io.xenemu.core.demo.DemoCommand;
import io.xenemu.core.demo.GuestRunner;
import io.xenemu.core.lab.LabCommand;
import io.xenemu.core.xenstore.XenstoreCommand;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;

/// A subcommand of `xen-emu`. Its name is repeated here, so that a start reads only the annotations of its own command.
///
/// @param name as in the [Command] of its class, if that has one
/// @param type its class, which may be that of several subcommands
record Subcommand(String name, Class<?> type) {
    /// All subcommands, in the order of the help.
    static final List<Subcommand> ALL =
            List.of(
                    new Subcommand("run", RunCommand.class),
                    new Subcommand("xenstored", XenstoredCommand.class),
                    new Subcommand("xenstore", XenstoreCommand.class),
                    new Subcommand("daemon", DaemonCommand.class),
                    new Subcommand("create", CreateCommand.class),
                    new Subcommand("list", ListCommand.class),
                    new Subcommand("domid", DomainVerbs.Domid.class),
                    new Subcommand("domname", NameVerbs.Domname.class),
                    new Subcommand("vm-list", NameVerbs.VmList.class),
                    new Subcommand("uptime", NameVerbs.Uptime.class),
                    new Subcommand("info", HostVerbs.HostInfo.class),
                    new Subcommand("top", HostVerbs.Top.class),
                    new Subcommand("dmesg", HostVerbs.Dmesg.class),
                    new Subcommand("console", ConsoleCommand.class),
                    new Subcommand("pause", DomainVerbs.Pause.class),
                    new Subcommand("unpause", DomainVerbs.Unpause.class),
                    new Subcommand("shutdown", DomainVerbs.Shutdown.class),
                    new Subcommand("reboot", DomainVerbs.Reboot.class),
                    new Subcommand("suspend", DomainVerbs.Suspend.class),
                    new Subcommand("resume", DomainVerbs.Resume.class),
                    new Subcommand("save", SaveVerbs.Save.class),
                    new Subcommand("restore", SaveVerbs.Restore.class),
                    new Subcommand("clone", SaveVerbs.Clone.class),
                    new Subcommand("migrate", MigrateVerbs.Migrate.class),
                    new Subcommand("migrate-receive", MigrateVerbs.Receive.class),
                    new Subcommand("migrate-status", MigrateVerbs.Status.class),
                    new Subcommand("migrate-groups", MigrateVerbs.Groups.class),
                    new Subcommand("migrate-recover", MigrateVerbs.Recover.class),
                    new Subcommand("migrate-cancel", MigrateVerbs.Cancel.class),
                    new Subcommand("migrate-resolve", MigrateVerbs.Resolve.class),
                    new Subcommand("evacuate", EvacuateCommand.class),
                    new Subcommand("upgrade", UpgradeCommand.class),
                    new Subcommand("destroy", DomainVerbs.Destroy.class),
                    new Subcommand("mem-set", MemoryVerbs.MemSet.class),
                    new Subcommand("mem-max", MemoryVerbs.MemMax.class),
                    new Subcommand("vcpu-list", VcpuVerbs.VcpuList.class),
                    new Subcommand("vcpu-set", VcpuVerbs.VcpuSet.class),
                    new Subcommand("vcpu-pin", VcpuVerbs.VcpuPin.class),
                    new Subcommand("events", EventsCommand.class),
                    new Subcommand("block-attach", DeviceVerbs.BlockAttach.class),
                    new Subcommand("block-list", DeviceVerbs.Listing.class),
                    new Subcommand("block-detach", DeviceVerbs.Detach.class),
                    new Subcommand("block-resize", DeviceVerbs.OfDevice.class),
                    new Subcommand("network-attach", DeviceVerbs.Attach.class),
                    new Subcommand("network-list", DeviceVerbs.Listing.class),
                    new Subcommand("network-detach", DeviceVerbs.OfDevice.class),
                    new Subcommand("engines", EngineVerbs.Engines.class),
                    new Subcommand("engines-list", EngineVerbs.EnginesList.class),
                    new Subcommand("engines-set", EngineVerbs.EnginesSet.class),
                    new Subcommand("9pfs-attach", DeviceVerbs.Attach.class),
                    new Subcommand("9pfs-list", DeviceVerbs.Listing.class),
                    new Subcommand("9pfs-detach", DeviceVerbs.Detach.class),
                    new Subcommand("channel-attach", DeviceVerbs.Attach.class),
                    new Subcommand("channel-list", DeviceVerbs.Listing.class),
                    new Subcommand("channel-detach", DeviceVerbs.Detach.class),
                    new Subcommand("channel-tty", DeviceVerbs.OfDevice.class),
                    new Subcommand("evtchn-list", DebugKeysCommand.OfDomain.class),
                    new Subcommand("grant-list", DebugKeysCommand.OfDomain.class),
                    new Subcommand("debug-keys", DebugKeysCommand.class),
                    new Subcommand("sysrq", SysrqCommand.class),
                    new Subcommand("trigger", TriggerCommand.class),
                    new Subcommand("button-press", ButtonPressCommand.class),
                    new Subcommand("trace", TraceCommand.class),
                    new Subcommand("replay", ReplayCommand.class),
                    new Subcommand("inspect", InspectCommand.class),
                    new Subcommand("dump-core", DumpCoreCommand.class),
                    new Subcommand("cpu-policy", CpuPolicyCommand.class),
                    new Subcommand("page-server", PageServerCommand.class),
                    new Subcommand("web", WebCommand.class),
                    new Subcommand("lab", LabCommand.class),
                    new Subcommand("demo", DemoCommand.class),
                    new Subcommand("man", ManCommand.class),
                    new Subcommand("completion", CompletionCommand.class),
                    new Subcommand("help", HelpCommand.class));

    /// Commands that serve, or have the terminal or a machine of their own.
    private static final List<String> STAYING =
            List.of("run", "xenstored", "daemon", "console", "page-server", "web", "lab", "demo");

    private static final List<String> HELP_OPTIONS = List.of("-h", "--help");
    private static final List<String> VERSION_OPTIONS = List.of("-V", "--version");

    /// Whether the command has finished all its work when it returns. Such a command asks a service or prints
    /// something, and has neither threads nor anything to put back at the end of the process.
    static boolean onlyAsks(String verb) {
        // No lambda: this runs after the part that trained the start-up cache, so the JVM would
        // make its class at each start.
        for (Subcommand it : ALL) {
            if (it.name.equals(verb)) {
                return !STAYING.contains(verb);
            }
        }
        return VERSION_OPTIONS.contains(verb) || HELP_OPTIONS.contains(verb);
    }

    /// The subcommands that a parser of `args` has to know: the one that they begin with, none for the version alone,
    /// or all.
    static List<Subcommand> neededFor(String... args) {
        if (args.length == 1 && VERSION_OPTIONS.contains(args[0])) {
            return List.of();
        }
        List<Subcommand> named =
                ALL.stream().filter(it -> args.length > 0 && it.name.equals(args[0])).toList();
        return named.isEmpty() ? ALL : named;
    }

    /// The whole parser of this subcommand.
    ///
    /// @param guests runs a guest for those that need one
    /// @param args the words that it will parse, from its own name on
    CommandLine parser(GuestRunner guests, String... args) {
        if (type.equals(DemoCommand.class)) {
            return new CommandLine(new DemoCommand(guests));
        }
        CommandLine line = new CommandLine(type);
        line.setCommandName(name);
        line.setHelpFactory(this::help);
        if (type.equals(XenstoreCommand.class)) {
            Class<?> named = args.length < 2 ? null : XenstoreCommand.SUBCOMMANDS.get(args[1]);
            if (named == null) {
                XenstoreCommand.SUBCOMMANDS.values().forEach(line::addSubcommand);
            } else {
                line.addSubcommand(named);
            }
        }
        return line;
    }

    /// A parser for the help's list of subcommands, without options.
    CommandLine outline() {
        Command command = type.getAnnotation(Command.class);
        CommandSpec spec = CommandSpec.create().name(name);
        spec.usageMessage().header(command.header()).description(command.description());
        describe(spec);
        return new CommandLine(spec);
    }

    /// The help with the texts of the table of verbs, which is loaded only when somebody asks for help.
    private CommandLine.Help help(CommandSpec spec, CommandLine.Help.ColorScheme colors) {
        describe(spec);
        return new CommandLine.Help(spec, colors);
    }

    /// Sets the description of a verb from its row.
    void describe(CommandSpec spec) {
        Verb verb = VerbTable.named(name);
        if (verb != null && spec.name().equals(name)) {
            // The list of commands shows the first sentence.
            spec.usageMessage().description(verb.help().split("(?<=\\.) ", 2));
        }
    }
}
