/// Keeps the JVM's start short: the training runs for its three AOT caches, which the build makes. Nothing of a
/// real run comes here.
///
/// [AotTraining] is the entry. [ClientTraining] does what commands do that ask a service and end, with
/// [TrainingPeer] as the service. [StoreTraining] does what a XenStore daemon does. [ServiceTraining] does what
/// services of guests do without KVM, with [HypercallTraining] (a [TrainingDomain] on a [TrainingVm] with a
/// [TrainingVcpu]), [TrainingKernel] and [OurClasses].
@NullMarked
package io.xenemu.core.startup;

import org.jspecify.annotations.NullMarked;
