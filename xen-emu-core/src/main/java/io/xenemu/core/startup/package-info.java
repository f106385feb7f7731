/// Keeps the JVM's start short: the training runs for its three AOT caches, which the build makes. No real run uses
/// this package.
///
/// [AotTraining] is the entry. [ClientTraining] runs commands that ask a service and end, with [TrainingPeer] as the
/// service. [StoreTraining] runs a XenStore daemon. [ServiceTraining] runs services of guests without KVM, with
/// [HypercallTraining] (a [TrainingDomain] on a [io.xenemu.core.vm.StillVm]), [TrainingKernel] and [OurClasses].
/// [MigrationTraining] saves and moves a guest of two [TrainingService]s, which have [TrainingDomains].
@NullMarked
package io.xenemu.core.startup;

import org.jspecify.annotations.NullMarked;
